"""Results → files (JSON lines, a list of what failed) and the summary on the screen."""

import os
import stat
import sys
from contextlib import suppress
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

import msgspec
from msgspec.structs import replace

from downloader.core.model import Outcome, Result, Status
from downloader.errors import StorageError
from downloader.sources.text import format_download

if TYPE_CHECKING:
    from downloader.storage.earlier_report import EarlierRow

_encode = msgspec.json.Encoder().encode


def line(result: Result, processed: bool = False, function: str = "", known: "EarlierRow | None" = None) -> bytes:
    """One Result as a line of JSON. ``path`` is relative to the folder of the run.

    No key is ever null but ``value``: readers that learn the columns' types from the first lines know them all from the first.
    ``processed``: by ``function``; ``known``: what an earlier report says of this file, which was skipped.
    """
    error = result.error
    about = {
        "url": result.url,
        "path": result.path,
        "status": result.status.value,
        "bytes": result.bytes,
        "http_status": result.http_status,
        "attempts": result.attempts,
        "elapsed": round(result.elapsed, 6),
        "final_url": result.final_url,
        "etag": result.etag or (known.etag if known else None) or "",
        "value": _plain(known.value if known else result.value),
        "processed": processed,
        "function": function,
        "warning": result.warning,
        "error": {
            "class": type(error).__name__ if error else "",
            "message": _text(str(error)) if error else "",
        },
    }
    return _encode(about) + b"\n"


def _plain(value: object) -> object:
    """What post-processing returned as something that JSON has; where it has not, as Python shows it."""
    if value is None:
        return None
    try:
        return msgspec.Raw(_encode(value))
    except Exception:  # noqa: BLE001 - it is a value of the user's
        with suppress(Exception):
            return _text(repr(value))
        return f"<{type(value).__name__}>"


def _text(value: str) -> str:
    """Text that UTF-8 has; a name of a file need not be."""
    return value.encode("utf-8", "backslashreplace").decode()


class _Sink:
    """A file that Results go to. Raises StorageError."""

    mode = 0o666

    def __init__(self, path: str) -> None:
        self._path = path
        self._failed = False
        self._stream: IO[bytes]
        if path == "-":
            self._stream = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        else:
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, self.mode)
                self._stream = os.fdopen(descriptor, "wb")
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.ftruncate(descriptor, 0)
                    if self.mode == 0o600:
                        os.fchmod(descriptor, self.mode)  # also where the file was there before
            except OSError as error:
                raise StorageError(f"cannot write {path}: {error.strerror}") from None

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError as error:
            self._failed = True
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from None

    def flush(self) -> None:
        """Let others read what there is."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed = True
            raise StorageError(f"cannot write {self._path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._stream.close()
        except OSError as failure:
            if error is None and not self._failed:  # else it is told already
                raise StorageError(f"cannot write {self._path}: {failure.strerror}") from None


class JsonLines(_Sink):
    """``--report``: one JSON object a line, for each Result as it comes. ``root``: the folder of the run.

    ``function``: what finished files are processed with. A file that is skipped keeps what an earlier report says of it.
    """

    def __init__(self, path: str, root: str = ".", function: str = "") -> None:
        from downloader.storage.earlier_report import EarlierReport  # here: few runs need it

        self._earlier = EarlierReport(path) if path != "-" else None
        super().__init__(path)
        self._root = os.path.abspath(os.path.expanduser(root))
        self._function = function
        self._begun = self.complete = False
        self.unprocessed = 0

    def add(self, result: Result) -> None:
        """Write its line."""
        self._begun = True
        if result.status is Status.SKIPPED and result.reason != "duplicate":
            self._write(self._skipped(result))
        else:
            done = bool(self._function) and result.status is Status.DONE
            self._write(line(result, done, self._function if done else ""))

    def _skipped(self, result: Result) -> bytes:
        if not result.bytes:
            with suppress(OSError):
                result = replace(result, bytes=os.stat(os.path.join(self._root, result.path)).st_size)
        known = self._earlier.row(result, result.bytes) if self._earlier else None
        function = (known.function or "") if known else ""
        processed = known is not None and (known.processed or known.value is not None)
        if self._function and function not in ("", self._function):
            processed, function, known = False, "", replace(known, value=None) if known else None
        self.unprocessed += bool(self._function) and not processed
        return line(result, processed, function, known)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        if self._earlier is not None:
            self._earlier.close(self._begun, self.complete and error is None)


class Traces(_Sink):
    """``--trace``: one JSON object a line, for each Attempt as it ends. Times in seconds of the machine's monotonic clock."""

    def add(self, outcome: Outcome) -> None:
        """Write its line; none for an Attempt that never ran."""
        trace = outcome.trace
        if trace is not None:
            about = {
                "path": outcome.path,
                "attempt": trace.number,
                "segment": trace.segment,
                "process": trace.process,
                "thread": trace.thread,
                "task": trace.task,
                "started": trace.started,
                "head": trace.head,
                "ended": trace.ended,
                "end": outcome.end.value,
                "received": outcome.received,
            }
            self._write(_encode(about) + b"\n")


class FailedList(_Sink):
    """``--failed``: the entries that failed, as a list that can be fed back. Its owner's alone: it has the list's secrets."""

    mode = 0o600

    def add(self, result: Result) -> None:
        """Write its entry, if it failed."""
        if result.status is Status.FAILED and result.download is not None:
            self._write(format_download(result.download).encode())
