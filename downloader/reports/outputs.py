"""``--trace``, a file with one line of JSON for each Attempt, and ``--failed``, a list for another run."""

import msgspec

from downloader.core.model import Outcome, Result, Status
from downloader.reports.output_file import OutputFile
from downloader.sources.text import format_download

_encode = msgspec.json.Encoder().encode


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
