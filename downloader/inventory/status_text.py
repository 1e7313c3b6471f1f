"""The status of a folder as text for people: lines of at most the width of the terminal, safe to print."""

import time
from collections.abc import Iterator

from downloader.core.amounts import clock, duration, size
from downloader.core.text import printable
from downloader.inventory.folder_status import FolderStatus, RateHistory, RunStatus

SHOWN_HOSTS = 5
SHOWN_REASONS = 5
SHOWN_RUNS = 5
_BLOCKS = " ▏▎▍▌▋▊▉█"
_LABEL_COLUMNS = 9
_FIGURE_COLUMNS = 28
MAX_BAR_COLUMNS = 40


def status_text(status: FolderStatus, width: int, unicode: bool) -> str:
    """The status in lines of at most ``width`` columns. ``unicode``: the output can show block characters."""
    sections = [
        list(_head(status)),
        list(_failures(status)),
        list(_hosts(status)),
        list(_runs(status)),
        list(_rate(status.rate, width, unicode)) if status.rate is not None else [],
        _advice(status, width),
    ]
    blocks = ("\n".join(_shortened(line, width, unicode) for line in lines) for lines in sections if lines)
    return "\n\n".join(blocks)


def _head(status: FolderStatus) -> Iterator[str]:
    urls, disk = status.urls, status.disk
    yield f"Journal {printable(status.journal)}"
    yield f"  {_number(urls.urls, 'URL')}: {urls.done:,} done, {urls.skipped:,} skipped, {urls.failed:,} failed"
    if urls.urls > urls.failed:
        yield f"  {size(urls.bytes)} in complete files; {_with_digest(urls.with_digest)} a recorded digest"
    if disk is None:
        yield "  the files on the disk were not looked at (--check does this)"
    elif disk.missing or disk.changed:
        yield f"  on the disk: {disk.missing:,} missing, {disk.changed:,} with another size"
        yield from (f"    {printable(path)}" for path in disk.examples)
    elif disk.checked:
        yield f"  on the disk: {_all(disk.checked)} there with the right size"


def _with_digest(count: int) -> str:
    return f"{count:,} {'has' if count == 1 else 'have'}" if count else "none has"


def _all(count: int) -> str:
    return "the file is" if count == 1 else f"all {count:,} files are"


def _failures(status: FolderStatus) -> Iterator[str]:
    if not status.reasons:
        return
    yield "Failures"
    for reason in status.reasons[:SHOWN_REASONS]:
        error = printable(reason.example_error).removeprefix(f"{reason.example_url}: ")
        yield f"  {reason.count:>7,}  {reason.error_class}: {error or f'HTTP status {reason.http_status}'}"
        yield f"           such as {printable(reason.example_url)}"
    if (more := len(status.reasons) - SHOWN_REASONS) > 0:
        yield f"           and {_number(more, 'other reason')}"


def _hosts(status: FolderStatus) -> Iterator[str]:
    if not status.hosts:
        return
    shown = status.hosts[:SHOWN_HOSTS]
    columns = min(max(4, *(len(item.host) for item in shown)), 36)
    yield f"{'Host':<{columns}}  {'complete':>11} {'failed':>9} {'size':>10}"
    for item in shown:
        host = printable(item.host) or "(no host)"
        host = host if len(host) <= columns else f"…{host[1 - columns :]}"
        yield f"{host:<{columns}}  {item.complete:>11,} {item.failed:>9,} {size(item.bytes):>10}"
    if (more := status.all_hosts - len(shown)) > 0:
        yield f"and {_number(more, 'other host')}"


def _runs(status: FolderStatus) -> Iterator[str]:
    if not status.runs:
        return
    yield f"{'Run started':<19} {'took':>10} {'done':>9} {'skipped':>9} {'failed':>8} {'received':>10}"
    for run in status.runs[-SHOWN_RUNS:]:
        yield _run_line(run)
    if not all(run.count.done + run.count.skipped + run.count.failed for run in status.runs[-SHOWN_RUNS:]):
        yield "(a run does not count the files that the journal has from an earlier run)"
    if (more := len(status.runs) - SHOWN_RUNS) > 0:
        yield f"and {_number(more, 'earlier run')}"


def _run_line(run: RunStatus) -> str:
    count = run.count
    state = {"ended": "", "running": " running", "killed": " killed", "unknown": " no end recorded"}[run.state]
    started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(count.started))
    figures = f"{count.done:>9,} {count.skipped:>9,} {count.failed:>8,} {size(count.received):>10}"
    return f"{started:<19} {duration(run.seconds):>10} {figures}{state}"


def _rate(rate: RateHistory, width: int, unicode: bool) -> Iterator[str]:
    """One line for each bucket, with a bar. The longest bar is the highest rate."""
    fastest = max(item.received / item.seconds for item in rate.buckets)
    columns = max(8, min(MAX_BAR_COLUMNS, width - _LABEL_COLUMNS - _FIGURE_COLUMNS))
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(rate.started))
    yield f"Rate of the run of {started}, per {_period(rate.period)}; a file counts when it ends"
    for item in rate.buckets:
        per_second = item.received / item.seconds
        bar = _bar(per_second / fastest if fastest else 0.0, columns, unicode)
        yield f"{clock(item.start):>{_LABEL_COLUMNS}}  {bar} {size(per_second):>9}/s {_files(item.files / item.seconds)}"


def _period(seconds: float) -> str:
    for unit, length in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            count = f"{seconds / length:g}"
            return f"{count} {unit}{'s' if unit == 'day' and count != '1' else ''}"
    return f"{seconds:g} s"


def _files(per_second: float) -> str:
    """A rate of files with a unit in which it is at least one, if it can be."""
    for unit, factor in (("s", 1), ("min", 60), ("h", 3600)):
        if per_second * factor >= 0.95 or unit == "h" or not per_second:
            return f"{per_second * factor:>6,.0f} files/{unit}"
    raise AssertionError


def _bar(share: float, columns: int, unicode: bool) -> str:
    """A bar of ``share`` of the columns, filled up with blanks. Anything above 0 is visible."""
    if not unicode:
        return ("#" * max(round(share * columns), share > 0)).ljust(columns)
    eighths = max(round(share * columns * 8), int(share > 0))
    return ("█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()).ljust(columns)


def _advice(status: FolderStatus, width: int) -> list[str]:
    if not status.advice:
        return []
    pairs = [text.split("  ", 1) for text in status.advice]
    columns = max(len(command) for command, _ in pairs)
    if columns + 4 + max(len(purpose) for _, purpose in pairs) <= width:
        return ["Next", *(f"  {command:<{columns}}  {purpose}" for command, purpose in pairs)]
    return ["Next", *(line for command, purpose in pairs for line in (f"  {command}", f"      {purpose}"))]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _shortened(line: str, width: int, unicode: bool) -> str:
    """The line with an ellipsis at its end, if it is too long. Commands are not shortened: they are there to be copied."""
    if len(line) <= width or line.startswith("  dl "):
        return line
    mark = "…" if unicode else "..."
    return line[: width - len(mark)].rstrip() + mark
