"""What the command prints at the end of a run: the summary, its short form for ``--quiet``, or a JSON object."""

import sys
from collections.abc import Mapping, Sequence

from downloader.core.report import Report
from downloader.reports.summary import error_summary, json_summary, summary
from downloader.settings.definitions import Settings


def print_summary(
    report: Report,
    settings: Settings,
    total: int | None,
    never_processed: int | None,
    notes: Sequence[str],
    figures: Mapping[str, object],
) -> None:
    """Print the summary that the settings ask for on standard error; none if there was nothing to do.

    Args:
        report: of the run.
        settings: of the run.
        total: entries of the list; None if unknown.
        never_processed: skipped files that ``--process`` has never processed, if ``--report`` records that.
        notes: lines about what happened after files were done.
        figures: further keys and values of the JSON object.
    """
    if settings.progress == "json":
        text = json_summary(report, figures)
    elif settings.quiet:
        text = error_summary(report, total=total, notes=notes)
    elif report.interrupted or report.done + report.skipped + report.failures:
        text = summary(report, total=total, unprocessed=_unprocessed(report, settings, never_processed), notes=notes)
    else:
        return
    print(text, file=sys.stderr)  # noqa: T201


def _unprocessed(report: Report, settings: Settings, never_processed: int | None) -> str:
    """A text about existing files, which were skipped and so not processed by ``--process``; empty where there are none."""
    if not settings.process:
        return ""
    if never_processed is None:
        count = report.reasons["skipped: exists"] + report.reasons["skipped: not modified"]
        why = "(--report records which files were processed)"
        return f"{count} not processed by this run: they existed already {why}" if count else ""
    why = "(--on-exists overwrite fetches them again)"
    return f"{never_processed} never processed: they existed already {why}" if never_processed else ""
