"""The Results of a run, counted."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from msgspec import Struct, field

from downloader.core.model import Result, Status
from downloader.errors import DownloadError, Interrupted, exit_code

if TYPE_CHECKING:
    from downloader.core.result_list import ResultList

_DONE, _SKIPPED = Status.DONE, Status.SKIPPED  # a global is read faster than a member of an Enum, once for each file

MAX_REASONS = 50
"""Different reasons that are counted apart. Servers write parts of these texts, so their number must be limited."""

PACKED_FROM = 10_000
"""From so many Results on, those of files that earlier runs had completed are kept compressed."""

MAX_DOUBTFUL = 3
"""Results with a warning that are kept."""


class Report(Struct):
    """The Results of a run, counted. Nothing that failed is raised, unless `raise_for_errors` is called.

    ======================  ============================================================================================
    attribute               meaning
    ======================  ============================================================================================
    ``strategy``            name of the strategy of the run
    ``keep``                whether all Results are kept in ``results``
    ``keep_failed``         how many Results are kept in ``failed``; None: all
    ``done``                number of files that are complete
    ``skipped``             number of files that were skipped
    ``failures``            number of files that failed
    ``bytes``               the sizes of the files that are done, together
    ``received``            body bytes that came over the network: less than ``bytes`` where files were resumed, more where
                            bytes were fetched twice or for files that failed
    ``elapsed``             seconds of the run
    ``verified``            number of files whose checksums matched
    ``interrupted``         the list was not done to its end
    ``stopped_by_failure``  because one failed (``--fail-fast``)
    ``ended_by``            what ended the run before the list was done, such as a full disk
    ``unwritten``           number of files that failed because of what ended the run, such as a full disk
    ``results``             all Results, where ``keep`` is set: a list; from 10,000 Results on, if files were skipped that the
                            journal knows, a sequence that keeps these compressed
    ``failed``              the first Results that failed
    ``reasons``             how many files were skipped or failed for which reason
    ``warnings``            number of files that look like web pages although their names say otherwise
    ``doubtful``            the first of their Results
    ``without_checksum``    number of files that a run with ``--checksums`` knew no checksum for
    ``ambiguous``           number of these for whose name the file of checksums has several digests
    ``notices``             what the user should know of the run as a whole, and is no failure
    ``errors``              what was wrong with the run as a whole
    ``error_classes``       the classes of all errors, which decide the exit code
    ======================  ============================================================================================

    An example::

        report = downloader.download(urls, "data")
        print(report.done, "done,", report.skipped, "skipped,", report.failures, "failed")
        for result in report.failed:
            print(result.url, result.error)
    """

    strategy: str = ""
    keep: bool = True
    keep_failed: int | None = None
    done: int = 0
    skipped: int = 0
    failures: int = 0
    bytes: int = 0
    received: int = 0
    elapsed: float = 0.0
    verified: int = 0
    interrupted: bool = False
    stopped_by_failure: bool = False
    ended_by: BaseException | None = None
    unwritten: int = 0
    results: Sequence[Result] = field(default_factory=list)
    failed: list[Result] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: int = 0
    doubtful: list[Result] = field(default_factory=list)
    without_checksum: int = 0
    ambiguous: int = 0
    notices: list[str] = field(default_factory=list)
    errors: list[DownloadError] = field(default_factory=list)
    error_classes: set[type[DownloadError]] = field(default_factory=set)

    def __repr__(self) -> str:
        from downloader.core.amounts import duration, size  # here: few runs need it

        counts = f"{self.done} done, {self.skipped} skipped, {self.failures} failed"
        end = ", not complete" if self.interrupted else ""
        return f"<Report: {counts}, {size(self.received)} in {duration(self.elapsed)}{end}>"

    def add(self, result: Result) -> None:
        """Count one Result."""
        if result.status is _DONE:
            self.done += 1
            self.bytes += result.bytes
            if result.reason:
                self.reasons[f"fetched again: {result.reason}"] += 1
            if result.warning:
                self.warnings += 1
                self.doubtful += [result][: MAX_DOUBTFUL - len(self.doubtful)]
        elif result.status is _SKIPPED:
            self.skipped += 1
            self.reasons[f"skipped: {result.reason}"] += 1
        else:
            self.failures += 1
            if result.error is not None:
                reason = f"{type(result.error).__name__}: {result.error.kind}"
                known = reason in self.reasons or len(self.reasons) < MAX_REASONS
                self.reasons[reason if known else f"{type(result.error).__name__}: other reasons"] += 1
                self.error_classes.add(type(result.error))
                self.unwritten += result.error.ends_run
            if self.keep_failed is None or len(self.failed) < self.keep_failed:
                self.failed.append(result)
        self.received += result.received
        if result.verified:
            self.verified += 1
        if self.keep:
            results = cast("list[Result] | ResultList", self.results)
            if result.is_recorded and len(results) >= PACKED_FROM and isinstance(results, list):
                from downloader.core.result_list import ResultList  # here: few runs need it

                self.results = results = ResultList(results)
            results.append(result)

    def add_recorded(self, count: int) -> None:
        """Count files that were skipped because earlier runs have completed them, and that have no Results."""
        self.skipped += count
        self.reasons["skipped: exists"] += count

    @property
    def exit_code(self) -> int:
        """The exit code of the command for this run; see `downloader.errors`. The order of the Results does not matter."""
        classes = self.error_classes
        if self.ended_by is not None or self.stopped_by_failure:
            classes = classes - {Interrupted}  # these are a consequence of the other error
        if isinstance(self.ended_by, DownloadError):
            classes = classes | {type(self.ended_by)}
        return exit_code({*classes, *map(type, self.errors)})

    def raise_for_errors(self) -> None:
        """Raise the errors of the run and of the Results in ``failed``, if there are any.

        Raises:
            DownloadError: the error, if there is one only.
            ExceptionGroup: if there are several. ``except*`` catches both::

                try:
                    report.raise_for_errors()
                except* downloader.HTTPStatusError as group:
                    print(len(group.exceptions), "answers with an error")
        """
        errors = self.errors + [result.error for result in self.failed if result.error is not None]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup(f"{self.failures} downloads failed", errors)
