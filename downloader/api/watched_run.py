"""A run with the functions that a caller gave, and a progress bar. An exception of such a function stops the run."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from downloader.core.model import Result
from downloader.core.report import Report
from downloader.errors import UsageError
from downloader.progress.display import Display
from downloader.progress.frames import Frames, Progress
from downloader.runs.done_callbacks import DoneCallbacks
from downloader.runs.download_run import DownloadRun

LOG = logging.getLogger("downloader")
OnProgress = Callable[[Progress], object]
OnResult = Callable[[Result], object]


class WatchedRun:
    """A DownloadRun, and those that observe it. This object is made first; then `begin` gets the run, which calls `emit`.

    Args:
        progress: show one bar for the run.
        on_progress: called about five times a second, and once when the run has ended, by a thread of this object.
        on_result: called with one Result after the other, in the thread of the run.

    Raises:
        UsageError: an argument has a wrong type.
    """

    def __init__(
        self, progress: bool = False, on_progress: OnProgress | None = None, on_result: OnResult | None = None
    ) -> None:
        for name, call in (("on_progress", on_progress), ("on_result", on_result)):
            if call is not None and not callable(call):
                raise UsageError(f"{name}: expected a function, got {type(call).__name__}")
        if not isinstance(progress, bool):
            hint = "the command's --progress has other choices" if isinstance(progress, str) else ""
            raise UsageError(f"progress: expected True or False, got {progress!r}", hint=hint)
        self._bar = progress
        self._on_progress = on_progress
        self._on_result = on_result
        self._run: DownloadRun | None = None
        self._displays: list[Display] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._done = DoneCallbacks()

    @property
    def run(self) -> DownloadRun:
        """The run itself; only after `begin`."""
        assert self._run is not None  # noqa: S101 - `begin` comes first
        return self._run

    def emit(self, result: Result) -> None:
        """Call ``on_result``, unless it has raised an exception before."""
        call = self._on_result
        if call is not None:
            try:
                call(result)
            except BaseException as error:  # noqa: BLE001 - `join` raises it in the caller's thread
                self._on_result = None
                self._fail(error)

    def begin(self, run: DownloadRun) -> Self:
        """Start the run, and the thread that shows its progress, if there is any to show."""
        self._run = run
        if self._bar:
            from downloader.progress.one_bar import OneBar  # here: tqdm is only loaded to show a bar

            self._displays.append(OneBar())
        if self._on_progress is not None:
            self._displays.append(Frames(self._on_progress))
        if not self._displays:
            run.when_ended(self._done.set_done)
            run.start()
            return self
        self._thread = threading.Thread(target=self._show_progress, name="dl-progress", daemon=True)
        try:
            run.start()
            self._thread.start()
        except BaseException:  # the system may refuse another thread
            self._thread = None
            run.stop()
            self._close()
            raise
        return self

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call this function when the run and its last progress call have ended; at once, if they have ended already."""
        self._done.add(call)

    def stop(self) -> None:
        """See `DownloadRun.stop`."""
        self.run.stop()

    def wait(self, seconds: float) -> bool:
        """Wait until the run and its last progress call have ended, at most so many seconds. Returns whether they have."""
        ended = self.run.wait(seconds)
        if ended and self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return ended

    def join(self) -> Report:
        """Wait for the end, and return the Report. Raises the exception of a caller's function, else what broke the run."""
        try:
            report = self.run.join()
        except Exception as error:  # noqa: BLE001 - an exception of a caller's function came before this one
            self._join_thread()
            raise self._error or error from None
        finally:
            self._join_thread()
        if self._error is not None:
            raise self._error
        return report

    def _join_thread(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _show_progress(self) -> None:
        run, period = self.run, Display.period
        try:
            while not run.wait(period):
                self._update()
            run.stats.waiting, run.stats.full = None, False  # nothing waits any more
            self._update()
        finally:
            try:
                self._close()
            finally:
                self._done.set_done()

    def _update(self) -> None:
        for display in tuple(self._displays):
            try:
                display.update(self.run.stats, time.monotonic())
            except BaseException as error:  # noqa: BLE001 - `join` raises it in the caller's thread
                self._displays.remove(display)
                with suppress(Exception):
                    display.close()
                self._fail(error)

    def _close(self) -> None:
        for display in self._displays:
            display.close()

    def _fail(self, error: BaseException) -> None:
        LOG.info("the run is stopped: a callback raised an exception", exc_info=error)
        self._error = self._error or error
        self.stop()
