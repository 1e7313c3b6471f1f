"""The charts in words: a description of each chart, for readers who cannot see it.

These sentences only repeat figures. The explanations are part of the study (``why``, ``advice``).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from downloader.compare import certainty
from downloader.compare.caveats import noise_text
from downloader.compare.figures import count, joined, ratio, seconds, share, size, span
from downloader.compare.measurements import Comparison, Percentiles, ResultRow, Study, Sweep
from downloader.compare.page.series import label, rows_of
from downloader.compare.page.timelines import Timeline
from downloader.compare.scenarios import Scenario

REFERENCE = "serial"
LOAD_UNKNOWN = "This system does not tell how much of the machine other programs used meanwhile."
LIMITS = {
    "latency": "the wait for the first byte",
    "bytes": "the bytes, at the speed of a bare socket",
    "answers": "the answers, at the rate of bare sockets",
    "cap": "the cap on each connection",
    "work": "the post-processing",
}


def measured(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The rows with runs, fastest first; the rows with failed files come last."""
    return sorted((row for row in rows if row.runs), key=lambda row: (row.failures > 0, row.elapsed))


def reference(rows: Sequence[ResultRow]) -> ResultRow | None:
    """The row of serial, the reference of a speed-up; None if it was not measured."""
    return next((row for row in rows if row.strategy == REFERENCE and not row.peer and row.elapsed), None)


def facts(scenario: Scenario) -> list[str]:
    """The properties of a scenario, a few words each."""
    around = " around" if scenario.spread else ""
    texts = [count(scenario.files, "file") + (f" of{around} {size(scenario.size)}" if scenario.size else "")]
    texts += [f"first byte after{around} {seconds(scenario.delay)}"] if scenario.delay else []
    texts += [f"{size(scenario.rate)} a second for each connection"] if scenario.rate else []
    texts += [f"{share(scenario.share)} of requests meet {scenario.fail.replace(',', ', ')}"] if scenario.fail else []
    texts += ["https"] if scenario.tls else []
    texts += [f"each file through {scenario.process}"] if scenario.process else []
    return texts


def certain(comparison: Comparison) -> list[str]:
    """How much of the machine other programs used, and how much the runs differ; without the values that are unknown."""
    used = certainty.other_load(comparison.rows)
    texts = [] if used is None else [f"other programs used {share(used)} of the machine"]
    if certainty.noise(comparison.rows):
        noise = noise_text(comparison.rows)
        texts.append(noise[0].lower() + noise[1:])
    return texts


def moment(when: str) -> str:
    """Convert an ISO 8601 time to ``2025-03-01 12:00 UTC``; any other text is returned unchanged."""
    try:
        return datetime.fromisoformat(when).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return when


def title(study: Study) -> str:
    """The title of the page."""
    where = [item.scenario.name for item in study.comparisons] or [item.scenario.name for item in study.sweeps]
    ways = count(len({label(row) for row in rows_of(study) if not row.peer}), "way")
    where_text = f" in {count(len(where), 'scenario')}" if len(set(where)) > 1 else f": {where[0]}" if where else ""
    return f"{ways} to fetch a list, compared{where_text}"


def summary(study: Study) -> str:
    """The study in one paragraph: what was run, and which strategy was the fastest in each scenario."""
    names = {label(row) for row in rows_of(study) if not row.peer}
    peers = list(dict.fromkeys(row.strategy for row in rows_of(study) if row.peer))
    parts = [(len(study.comparisons), "scenario"), (len(study.sweeps), "sweep")]
    text = (
        joined([count(number, what) for number, what in parts if number]) + " under "
        if study.comparisons or study.sweeps
        else ""
    )
    text += (
        _strategies(len(names)) + (f", beside {joined(peers)}" if peers else "") + f", on {count(study.machine.cores, 'core')}."
    )
    winners = [(item, row) for item in study.comparisons if (row := certainty.winner(item)) is not None]
    text += f" Fastest: {_where(winners)}." if winners else ""
    level_rows = [(item, rows) for item in study.comparisons if (rows := certainty.level(item))]
    text += f" Level: {'; '.join(_level_in(item, rows) for item, rows in level_rows)}." if level_rows else ""
    return " ".join(filter(None, (text, beaten(study), doubts(study))))


def _level_in(item: Comparison, rows: Sequence[ResultRow]) -> str:
    """``threads, serial and auto in cpu (3.0 to 3.3 s)``."""
    times = span(rows[0].elapsed, max(row.elapsed for row in rows))
    return f"{joined([label(row) for row in rows])} in {item.scenario.name} ({times})"


def doubts(study: Study) -> str:
    """The scenarios without a winner, and why; the noise; and whether the load of other programs is unknown."""
    why: dict[str, list[str]] = {}
    for item in study.comparisons:
        if doubt := certainty.doubt(item.rows):
            why.setdefault(doubt, []).append(item.scenario.name)
    sentences = [f"No winner in {joined(names)}: {doubt}." for doubt, names in why.items()]
    noisy = [item.rows for item in study.comparisons if certainty.noise(item.rows)]
    if noisy:
        sentences.append(f"{noise_text(max(noisy, key=certainty.noise))}: smaller differences mean nothing.")
    return " ".join(sentences + ([LOAD_UNKNOWN] if not certainty.is_load_known(study) else []))


def doubt(comparison: Comparison) -> str:
    """Why the comparison has no winner, in a few words; empty if a winner is possible."""
    reason = certainty.doubt(comparison.rows)
    return f"No winner: {reason}." if reason else ""


def _where(fastest: Sequence[tuple[Comparison, ResultRow]]) -> str:
    """``multiplex in small (0.21 s) and tls (0.40 s); async in latency (0.12 s)``."""
    by_strategy: dict[str, list[str]] = {}
    for item, row in fastest:
        by_strategy.setdefault(label(row), []).append(f"{item.scenario.name} ({seconds(row.elapsed)})")
    return "; ".join(f"{name} in {joined(where)}" for name, where in by_strategy.items())


def _strategies(number: int) -> str:
    return f"{number} strategy" if number == 1 else f"{number} strategies"


def beaten(study: Study) -> str:
    """A sentence with the scenarios in which a peer was faster than every strategy; empty if there is none."""
    faster = []
    for item in study.comparisons:
        peer = next((row for row in measured(item.rows) if row.peer and not row.failures), None)
        if peer is not None and item.quickest is not None and certainty.is_faster(peer, item.quickest, item.rows):
            faster.append((item, peer))
    return f"Faster still, among the other programs: {_where(faster)}." if faster else ""


def elapsed(comparison: Comparison) -> str:
    """The chart of elapsed times in words."""
    rows, winner, level = measured(comparison.rows), certainty.winner(comparison), certainty.level(comparison)
    if not rows:
        return "Nothing was measured."
    clauses = []
    first = [winner] if winner is not None else level
    if winner is not None:
        clauses.append(f"{label(winner)} was the fastest strategy with {seconds(winner.elapsed)}{_interval(winner)}")
    elif level:
        level_times = span(level[0].elapsed, max(row.elapsed for row in level))
        clauses.append(f"Level: {', '.join(label(row) for row in level)}, {level_times}")
    serial = reference(rows)
    if first and serial is not None and all(certainty.is_faster(row, serial, comparison.rows) for row in first):
        last = max(row.elapsed for row in first)
        clauses[-1] += f", {'at least ' if level else ''}{ratio(serial.elapsed / last)} times as fast as {REFERENCE}"
    slowest = max((row for row in rows if not row.failures), key=lambda row: row.elapsed, default=None)
    if first and slowest is not None and all(certainty.is_faster(row, slowest, comparison.rows) for row in first):
        clauses.append(f"slowest was {label(slowest)} with {seconds(slowest.elapsed)}")
    times = [row.elapsed for row in rows if not row.failures]
    if not first and times:
        clauses.append(f"Medians of {span(min(times), max(times))}")
    text = "; ".join(clauses) + "." if clauses else "Files failed under each."
    bound = comparison.bound
    if bound is not None and bound.seconds:
        text += f" The lower bound is {seconds(bound.seconds)}: {LIMITS[bound.limit]}."
    failed = [f"{label(row)} ({row.failures:,})" for row in rows if row.failures]
    return text + (f" Files failed under {joined(failed)}." if failed else "")


def _interval(row: ResultRow) -> str:
    return f" ({seconds(row.low)} to {seconds(row.high)})" if row.high else ""


def speedup(rows: Sequence[ResultRow]) -> str:
    """The chart of speed-ups in words, or why there is no speed-up."""
    rows_, serial = [row for row in measured(rows) if not row.failures], reference(rows)
    if serial is None:
        return ""
    if reason := certainty.doubt(rows):
        return f"How many times as fast as serial is not known: {reason}."
    return "Times as fast as serial: " + joined([f"{label(row)} {ratio(serial.elapsed / row.elapsed)}" for row in rows_]) + "."


def spreads(rows: Sequence[ResultRow], what: str) -> str:
    """The chart of percentiles in words. ``what``: ``first_byte`` or ``queued``."""
    values: list[tuple[ResultRow, Percentiles]] = [(row, getattr(row, what)) for row in rows if row.stretches]
    values.sort(key=lambda pair: pair[1].p50)
    return (
        "Median and 99th percentile: "
        + joined([f"{label(row)} {seconds(percentiles.p50)} and {seconds(percentiles.p99)}" for row, percentiles in values])
        + "."
    )


def cpu(rows: Sequence[ResultRow]) -> str:
    """The chart of CPU times in words, least first."""
    ordered = sorted(measured(rows), key=lambda row: row.median("cpu"))
    texts = [
        f"{label(row)} {seconds(row.median('cpu'))} ({_share(row.median('system'), row.median('cpu'))})" for row in ordered
    ]
    return "CPU time, and how much of it was in the kernel: " + joined(texts) + "."


def _share(part: float, total: float) -> str:
    return share(part / total) if total else "none"


def memory(rows: Sequence[ResultRow]) -> str:
    """The chart of peak memory in words, least first."""
    ordered = sorted(measured(rows), key=lambda row: row.peak)
    return "Peak memory, least first: " + joined([f"{label(row)} {row.peak / 1e6:.0f} MB" for row in ordered]) + "."


def timelines(runs: Sequence[Timeline]) -> str:
    """The timelines in words."""
    clauses = [
        f"{item.name}: {count(item.total, 'attempt')} on {count(len(item.workers), 'worker')}, "
        f"at most {item.max_in_flight} at once, from {seconds(item.begin)} to {seconds(item.end)}"
        + (f", {item.unsuccessful} not complete" if item.unsuccessful else "")
        for item in runs
    ]
    return "; ".join(clauses) + "."


def swept(sweep: Sweep, what: str) -> str:
    """The change from the first value of a sweep to the last.

    ``what``: ``speed-up``, ``seconds``, ``each`` (seconds per file).
    """
    first, last = sweep.points[0], sweep.points[-1]
    ends = {label(row): row.elapsed for row in last.rows if row.runs}
    texts = []
    for row in first.rows:
        if not row.runs or label(row) not in ends:
            continue
        if what == "speed-up":
            texts.append(f"{label(row)} {ratio(row.elapsed / ends[label(row)])}")
        else:
            start, end = (row.elapsed, ends[label(row)]) if what == "seconds" else each(sweep, row.elapsed, ends[label(row)])
            texts.append(f"{label(row)} {seconds(start)} to {seconds(end)}")
    lead = "Times as fast" if what == "speed-up" else "Elapsed" if what == "seconds" else "For each file"
    unit = sweep.over.removesuffix("s") if last.value == 1 else sweep.over
    return f"{lead}, from {first.value:,} to {last.value:,} {unit}: {joined(texts)}."


def each(sweep: Sweep, start: float, end: float) -> tuple[float, float]:
    """The seconds per file at the first and the last point of a sweep over the number of files."""
    return start / sweep.points[0].value, end / sweep.points[-1].value
