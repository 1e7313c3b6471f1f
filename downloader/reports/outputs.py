"""The files that a run writes: ``--report`` and ``--trace`` as JSON lines, ``--failed`` as a list."""

import os
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from downloader.core.model import Outcome, Result, Status
from downloader.reports.output_file import OutputFile
from downloader.sources.text import format_download

if TYPE_CHECKING:
    from downloader.storage.earlier_report import EarlierRow

_encode = msgspec.json.Encoder().encode


def json_line(result: Result, processed: bool = False, function: str = "", earlier: "EarlierRow | None" = None) -> bytes:
    """One Result as a line of JSON. ``path`` is relative to the folder of the run.

    No key but ``value`` is ever null, so that readers can infer all types from the first line. ``processed``: ``function`` has
    processed the file. ``earlier``: the row of an earlier report about this file, which was skipped.
    """
    error = result.error
    row = {
        "url": result.url,
        "path": result.path,
        "status": result.status.value,
        "bytes": result.bytes,
        "http_status": result.http_status,
        "attempts": result.attempts,
        "elapsed": round(result.elapsed, 6),
        "final_url": result.final_url,
        "etag": result.etag or (earlier.etag if earlier else None) or "",
        "value": _plain(earlier.value if earlier else result.value),
        "processed": processed,
        "function": function,
        "warning": result.warning,
        "error": {
            "class": type(error).__name__ if error else "",
            "message": _text(str(error)) if error else "",
        },
    }
    return _encode(row) + b"\n"


def _plain(value: object) -> object:
    """What post-processing returned, as JSON; as Python's repr if JSON cannot represent it."""
    if value is None:
        return None
    try:
        return msgspec.Raw(_encode(value))
    except Exception:  # noqa: BLE001 - a value of the user may raise anything
        with suppress(Exception):
            return _text(repr(value))
        return f"<{type(value).__name__}>"


def _text(value: str) -> str:
    """The text with characters that UTF-8 cannot encode escaped: the name of a file may have some."""
    return value.encode("utf-8", "backslashreplace").decode()


class JsonLines(OutputFile):
    """``--report``: one JSON object a line, for each Result as its file ends.

    A skipped file keeps what an earlier report at the same path says about it. ``complete``: to be set when every file of the
    list has its row. ``unprocessed``: how many skipped files ``function`` has not processed.
    """

    def __init__(self, path: str, root: str = ".", function: str = "") -> None:
        """``root``: the folder of the run. ``function``: the name of the function that processes finished files."""
        from downloader.storage.earlier_report import EarlierReport  # here: few runs need it

        self._earlier = EarlierReport(path) if path != "-" else None
        super().__init__(path)
        self._root = os.path.abspath(os.path.expanduser(root))
        self._function = function
        self._begun = self.complete = False
        self.unprocessed = 0

    def add(self, result: Result) -> None:
        """Write the line of a Result."""
        self._begun = True
        if result.status is Status.SKIPPED and result.reason != "duplicate":
            self._write(self._skipped(result))
        else:
            done = bool(self._function) and result.status is Status.DONE
            self._write(json_line(result, done, self._function if done else ""))

    def _skipped(self, result: Result) -> bytes:
        if not result.bytes:
            with suppress(OSError):
                result = replace(result, bytes=os.stat(os.path.join(self._root, result.path)).st_size)
        earlier = self._earlier.row(result, result.bytes) if self._earlier else None
        function = (earlier.function or "") if earlier else ""
        processed = earlier is not None and (earlier.processed or earlier.value is not None)
        if self._function and function not in ("", self._function):
            processed, function, earlier = False, "", replace(earlier, value=None) if earlier else None
        self.unprocessed += bool(self._function) and not processed
        return json_line(result, processed, function, earlier)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        super().__exit__(kind, error, trace)
        if self._earlier is not None:
            self._earlier.close(self._begun, self.complete and error is None)


class Traces(OutputFile):
    """``--trace``: one JSON object a line, for each Attempt as it ends. Times are seconds of the machine's monotonic clock."""

    def add(self, outcome: Outcome) -> None:
        """Write the line of an Outcome; none for an Attempt that never ran."""
        trace = outcome.trace
        if trace is not None:
            row = {
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
            self._write(_encode(row) + b"\n")


class FailedList(OutputFile):
    """``--failed``: the entries that failed, as a list for another run. Only its owner may read it: it may contain secrets."""

    mode = 0o600

    def add(self, result: Result) -> None:
        """Write the entry of a Result, if it failed."""
        if result.status is Status.FAILED and result.download is not None:
            self._write(format_download(result.download).encode())
