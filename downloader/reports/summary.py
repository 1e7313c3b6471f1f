"""The summary of a run, as the command prints it."""

from downloader.core.amounts import duration, size
from downloader.core.report import Report
from downloader.core.text import printable
from downloader.errors import DownloadError


def _reason_of(error: BaseException) -> str:
    """What ended a run, in one line: an error of ours as it is, any other as a mistake in the program."""
    if isinstance(error, DownloadError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error} (please report it)"


LOOK = "look like web pages, unlike their names"


def _counts(report: Report, total: int | None) -> str:
    left = (total or 0) - report.done - report.skipped - report.failures
    counts = f"{report.done} done, {report.skipped} skipped, {report.failures} failed"
    return counts + (f", {left} not started" if left > 0 else "")


def _failures(report: Report, most: int) -> list[str]:
    told = [result for result in report.failed if result.error is None or not result.error.ends_run]
    lines = [f"  ✗ {printable(str(result.error or result.url))}" for result in told[:most]]
    if (more := report.failures - report.unwritten - most) > 0:
        lines.append(f"  … and {more} more; --failed FILE lists them all")
    lines += [f"  ✗ {printable(str(error))}" for error in report.errors]
    return lines


def complaint(report: Report, most: int = 5, total: int | None = None) -> str:
    """What is said of a run that was asked to say nothing but errors: what failed, as in `summary`, and the counts."""
    ended = [] if report.ended_by is None else [f"stopped: {printable(_reason_of(report.ended_by))}"]
    return "\n".join([*_failures(report, most), *ended, _counts(report, total)])


def _pace(report: Report) -> str:
    """How much has come, how long that took, and how fast it was; no rates where nothing has come."""
    if not report.received and not report.done:
        return f"nothing was fetched, in {duration(report.elapsed)}"
    seconds = max(report.elapsed, 1e-6)
    files = report.done / seconds
    pace = f"{size(report.received / seconds)}/s, {files:.0f} files/s" if files >= 1 else f"{size(report.received / seconds)}/s"
    return f"{size(report.received)} in {duration(report.elapsed)}: {pace}"


def summary(report: Report, most: int = 5, total: int | None = None, unprocessed: str = "") -> str:
    """What became of the run, in a few lines; at most ``most`` failed URLs, safe to print.

    ``total``: of the list; ``unprocessed``: a line about files that were skipped, and so not processed.
    """
    lines = [_counts(report, total), f"{_pace(report)} · strategy {report.strategy}"]
    if report.verified:
        lines.append(f"  {report.verified} verified by a checksum")
    if report.without_checksum:
        also = f" ({report.ambiguous}: the name has several digests in the file)" if report.ambiguous else ""
        lines.append(f"  {report.without_checksum} without a checksum{also}")
    if unprocessed:
        lines.append(f"  {unprocessed}")
    if report.warnings:
        names = ", ".join(printable(result.path) for result in report.doubtful)
        more = ", …" if report.warnings > len(report.doubtful) else ""
        look = "looks like a web page, unlike its name" if report.warnings == 1 else LOOK
        lines.append(f"  {report.warnings} {look}: {names}{more}")
    lines += [f"  {count} {reason}" for reason, count in sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))]
    lines += _failures(report, most)
    if report.ended_by is not None:
        lines.append(f"stopped: {printable(_reason_of(report.ended_by))}")
    elif report.interrupted:
        why = "stopped at the first failure" if report.stopped_by_failure else "interrupted"
        lines.append(f"{why}: run the same command again to resume")
    return "\n".join(lines)
