"""A run and those who watch it: a caller's functions and a bar. What a function raises stops the run in good order."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from downloader.core.model import Result
from downloader.core.report import Report
from downloader.errors import UsageError
from downloader.progress.frames import Frames, Progress
from downloader.progress.lines import Display
from downloader.runs.download_run import DownloadRun
from downloader.runs.end_notice import EndNotice

LOG = logging.getLogger("downloader")
OnProgress = Callable[[Progress], object]
OnResult = Callable[[Result], object]


class WatchedRun:
    """A DownloadRun with its watchers. They are made first, and `begin` is given the DownloadRun that calls `emit`.

    ``progress``: one bar for the run, drawn by a thread of this class, which calls ``on_progress`` as well: about five times a
    second, and once when the run has ended. ``on_result`` is called in the thread of the run, with one Result after the other.
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
        self._session: DownloadRun | None = None
        self._displays: list[Display] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._end = EndNotice()

    @property
    def session(self) -> DownloadRun:
        """The run itself."""
        assert self._session is not None  # noqa: S101 - `begin` comes first
        return self._session

    def emit(self, result: Result) -> None:
        """Hand a Result on to the caller's function; to none any more once that has raised something."""
        call = self._on_result
        if call is not None:
            try:
                call(result)
            except BaseException as error:  # noqa: BLE001 - it is raised to the caller
                self._on_result = None
                self._fail(error)

    def begin(self, session: DownloadRun) -> Self:
        """Start the run, and the thread that watches it where that is wanted. To be called by the caller's own thread."""
        self._session = session
        if self._bar:
            from downloader.progress.one_bar import OneBar  # here: tqdm is only loaded to be seen

            self._displays.append(OneBar())
        if self._on_progress is not None:
            self._displays.append(Frames(self._on_progress))
        if not self._displays:
            session.when_ended(self._end.tell)
            session.start()
            return self
        self._thread = threading.Thread(target=self._watch, name="dl-progress", daemon=True)
        try:
            session.start()
            self._thread.start()
        except BaseException:  # there may be no room for another thread
            self._thread = None
            session.stop()
            self._close()
            raise
        return self

    def when_ended(self, call: Callable[[], object]) -> None:
        """Call this when the run is over and all that watch it have been told; at once, if that is so."""
        self._end.then(call)

    def stop(self) -> None:
        """See `DownloadRun.stop`."""
        self.session.stop()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until the run is over and all have been told; whether it is."""
        ended = self.session.wait(seconds)
        if ended and self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return ended

    def join(self) -> Report:
        """Wait for the end. Raises what a function of the caller's raised, else what broke the run."""
        try:
            report = self.session.join()
        except Exception as error:  # noqa: BLE001 - the caller's own mistake came first, where there was one
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

    def _watch(self) -> None:
        session, period = self.session, Display.period
        try:
            while not session.wait(period):
                self._update()
            session.stats.waiting, session.stats.full = None, False  # nothing waits any more
            self._update()
        finally:
            try:
                self._close()
            finally:
                self._end.tell()

    def _update(self) -> None:
        for display in tuple(self._displays):
            try:
                display.update(self.session.stats, time.monotonic())
            except BaseException as error:  # noqa: BLE001 - it is raised to the caller
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
