"""The summary of a run, as the command prints it: plain text, safe for a terminal."""

from collections.abc import Mapping, Sequence

from downloader.core.amounts import duration, size
from downloader.core.report import Report
from downloader.core.text import printable
from downloader.errors import DownloadError


def _reason_of(error: BaseException) -> str:
    """What ended a run, in one line. An exception that is no DownloadError is reported as an internal error."""
    if isinstance(error, DownloadError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error} (please report it)"


def _counts(report: Report, total: int | None) -> str:
    left = (total or 0) - report.done - report.skipped - report.failures
    counts = f"{report.done} done, {report.skipped} skipped, {report.failures} failed"
    return counts + (f", {left} not started" if left > 0 else "")


def _failures(report: Report, max_failures: int) -> list[str]:
    failed = [result for result in report.failed if result.error is None or not result.error.ends_run]
    lines = [f"  ✗ {printable(str(result.error or result.url))}" for result in failed[:max_failures]]
    if (more := report.failures - report.unwritten - max_failures) > 0:
        lines.append(f"  … and {more} more; --failed FILE lists them all")
    lines += [f"  ✗ {printable(str(error))}" for error in report.errors]
    return lines


def error_summary(report: Report, max_failures: int = 5, total: int | None = None, notes: Sequence[str] = ()) -> str:
    """The failures and the counts of `summary` alone, for ``--quiet``. Arguments as `summary`."""
    ended = [] if report.ended_by is None else [f"stopped: {printable(_reason_of(report.ended_by))}"]
    return "\n".join([*_failures(report, max_failures), *notes, *ended, _counts(report, total)])


def _throughput(report: Report) -> str:
    """How much was received, in which time, and how fast; without rates if nothing was received."""
    if not report.received and not report.done:
        return f"nothing was fetched, in {duration(report.elapsed)}"
    seconds = max(report.elapsed, 1e-6)
    files = report.done / seconds
    rate = f"{size(report.received / seconds)}/s"
    return f"{size(report.received)} in {duration(report.elapsed)}: {rate}" + (f", {files:.0f} files/s" if files >= 1 else "")


def summary(
    report: Report, max_failures: int = 5, total: int | None = None, unprocessed: str = "", notes: Sequence[str] = ()
) -> str:
    """The result of a run in a few lines.

    ``max_failures``: failed URLs that are listed at most. ``total``: entries of the list, None if unknown. ``unprocessed``: a
    line about files that were skipped, and so not processed. ``notes``: lines about what happened after files were done.
    """
    lines = [_counts(report, total), f"{_throughput(report)} · strategy {report.strategy}"]
    if report.verified:
        lines.append(f"  {report.verified} verified by a checksum")
    if report.without_checksum:
        also = f" ({report.ambiguous}: the name is listed with several digests)" if report.ambiguous else ""
        lines.append(f"  {report.without_checksum} without a checksum{also}")
    if unprocessed:
        lines.append(f"  {unprocessed}")
    if report.warnings:
        names = ", ".join(printable(result.path) for result in report.doubtful)
        more = ", …" if report.warnings > len(report.doubtful) else ""
        one, several = "looks like a web page, unlike its name", "look like web pages, unlike their names"
        lines.append(f"  {report.warnings} {one if report.warnings == 1 else several}: {names}{more}")
    lines += [f"  {count} {reason}" for reason, count in sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))]
    lines += [*_failures(report, max_failures), *notes]
    if report.ended_by is not None:
        lines.append(f"stopped: {printable(_reason_of(report.ended_by))}")
    elif report.interrupted:
        why = "stopped at the first failure" if report.stopped_by_failure else "interrupted"
        lines.append(f"{why}: run the same command again to resume")
    return "\n".join(lines)


def json_summary(report: Report, more: Mapping[str, object]) -> str:
    """The result of a run as one JSON object. ``more``: further keys and values."""
    import json  # here: few runs need it

    fields = {
        "event": "summary",
        "strategy": report.strategy,
        "done": report.done,
        "skipped": report.skipped,
        "failed": report.failures,
        "bytes": report.received,
        "elapsed": round(report.elapsed, 6),
        "reasons": dict(report.reasons),
        "verified": report.verified,
        "without_checksum": report.without_checksum,
        "warnings": report.warnings,
        "errors": [str(error) for error in report.errors],
        "interrupted": report.interrupted,
        "ended_by": "" if report.ended_by is None else _reason_of(report.ended_by),
        **more,
    }
    return json.dumps(fields)
