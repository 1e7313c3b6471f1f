"""What a run comes to: its Results, counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from downloader.core.amounts import duration, size
from downloader.core.model import Result, Status
from downloader.errors import DownloadError, Interrupted, exit_code

MOST_REASONS = 50


@dataclass(slots=True, repr=False)
class Report:
    """The Results of a run, counted. Failures are not raised, unless `raise_for_errors` is called.

    ``done``, ``skipped`` and ``failures`` are numbers of files; ``failed`` is a list of the Results that failed. ``bytes``: the
    sizes of the files that are done; ``received``: the bytes that this run received; ``elapsed``: seconds. ``reasons``: the
    number of files that were skipped or failed, by reason; ``interrupted``: the run ended before the end of the list::

        report = downloader.download(urls, "data")
        print(report.done, "done,", report.skipped, "skipped,", report.failures, "failed")
        for result in report.failed:
            print(result.url, result.error)

    ``unwritten``: the number of files that failed because the folder cannot be written. ``ended_by``: the error that ended
    the run early, such as a full disk. ``errors``: errors of the run as a whole. ``failed`` contains at most ``keep_failed``
    Results (None: all); ``results`` contains all Results if ``keep`` is set. ``warnings``: the number of files that look
    like web pages under other names; ``doubtful``: the first of them. ``without_checksum``: the number of files without a
    line in ``checksums``; ``ambiguous``: those whose name has several digests there.
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
    results: list[Result] = field(default_factory=list)
    failed: list[Result] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    warnings: int = 0
    doubtful: list[Result] = field(default_factory=list)
    without_checksum: int = 0
    ambiguous: int = 0
    errors: list[DownloadError] = field(default_factory=list)
    error_classes: set[type[DownloadError]] = field(default_factory=set)

    def __repr__(self) -> str:
        counts = f"{self.done} done, {self.skipped} skipped, {self.failures} failed"
        end = ", not complete" if self.interrupted else ""
        return f"<Report: {counts}, {size(self.received)} in {duration(self.elapsed)}{end}>"

    def add(self, result: Result) -> None:
        """Count one Result."""
        if result.status is Status.DONE:
            self.done += 1
            self.bytes += result.bytes
            if result.warning:
                self.warnings += 1
                self.doubtful += [result][: 3 - len(self.doubtful)]
        elif result.status is Status.SKIPPED:
            self.skipped += 1
            self.reasons[f"skipped: {result.reason}"] += 1
        else:
            self.failures += 1
            if result.error is not None:
                reason = f"{type(result.error).__name__}: {result.error.kind}"
                known = (
                    reason in self.reasons or len(self.reasons) < MOST_REASONS
                )  # what servers write must not fill the memory
                self.reasons[reason if known else f"{type(result.error).__name__}: other reasons"] += 1
                self.error_classes.add(type(result.error))
                self.unwritten += result.error.ends_run
            if self.keep_failed is None or len(self.failed) < self.keep_failed:
                self.failed.append(result)
        self.received += result.received
        self.verified += result.verified
        if self.keep:
            self.results.append(result)

    def extend(self, results: Iterable[Result]) -> None:
        """Count several."""
        for result in results:
            self.add(result)

    @property
    def exit_code(self) -> int:
        """The exit code of the command for this run, see `downloader.errors`.

        It does not depend on the order of the Results.
        """
        classes = self.error_classes
        if self.ended_by is not None or self.stopped_by_failure:
            classes = classes - {Interrupted}  # they ended because of the other
        return exit_code({*classes, *map(type, self.errors)})

    def raise_for_errors(self) -> None:
        """Raise the errors of the run, if there are any.

        Raises the error itself if there is only one, and an ExceptionGroup if there are several. ``except*`` catches both::

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
