"""Figures in words: what each chart shows, in sentences that stand in its place.

The sentences only restate figures. Why they are as they are is the study's own to say (``why``, ``advice``).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from downloader.compare import certainty
from downloader.compare.caveats import said_of_noise
from downloader.compare.figures import count, joined, ratio, seconds, share, size, span
from downloader.compare.page.series import label, rows_of
from downloader.compare.page.timelines import Timeline
from downloader.compare.results import Comparison, Percentiles, ResultRow, Study, Sweep
from downloader.compare.scenarios import Scenario

REFERENCE = "serial"
NOT_TOLD = "This system does not tell how much of the machine other programs used meanwhile."
LIMITS = {
    "latency": "the wait for the first byte",
    "bytes": "the bytes, at the speed of a bare socket",
    "answers": "the answers, at the rate of bare sockets",
    "cap": "the cap on each connection",
    "work": "the post-processing",
}


def measured(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """Those that were run at all, fastest first; those under which files failed come last."""
    return sorted((row for row in rows if row.runs), key=lambda row: (row.failures > 0, row.elapsed))


def reference(rows: Sequence[ResultRow]) -> ResultRow | None:
    """What a speed-up is against; None where it was not measured."""
    return next((row for row in rows if row.strategy == REFERENCE and not row.peer and row.elapsed), None)


def facts(scenario: Scenario) -> list[str]:
    """What a scenario is made of, a few words each."""
    about = " around" if scenario.spread else ""
    said = [count(scenario.files, "file") + (f" of{about} {size(scenario.size)}" if scenario.size else "")]
    said += [f"first byte after{about} {seconds(scenario.delay)}"] if scenario.delay else []
    said += [f"{size(scenario.rate)} a second for each connection"] if scenario.rate else []
    said += [f"{share(scenario.share)} of requests meet {scenario.fail.replace(',', ', ')}"] if scenario.fail else []
    said += ["https"] if scenario.tls else []
    said += [f"each file through {scenario.process}"] if scenario.process else []
    return said


def certain(comparison: Comparison) -> list[str]:
    """How much of the machine others used, and how much the runs differ; nothing where that is a doubt."""
    used = certainty.others(comparison.rows)
    said = [] if used is None else [f"other programs used {share(used)} of the machine"]
    if certainty.noise(comparison.rows):
        noise = said_of_noise(comparison.rows)
        said.append(noise[0].lower() + noise[1:])
    return said


def moment(when: str) -> str:
    """``2025-03-01 12:00 UTC``, of ISO 8601; what is none is left as it is."""
    try:
        return datetime.fromisoformat(when).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return when


def title(study: Study) -> str:
    """What the study is, in a line."""
    where = [item.scenario.name for item in study.comparisons] or [item.scenario.name for item in study.sweeps]
    ways = count(len({label(row) for row in rows_of(study) if not row.peer}), "way")
    place = f" in {count(len(where), 'scenario')}" if len(set(where)) > 1 else f": {where[0]}" if where else ""
    return f"{ways} to fetch a list, compared{place}"


def summary(study: Study) -> str:
    """The whole study in one paragraph: what was run, and what was fastest where."""
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
    level = [(item, rows) for item in study.comparisons if (rows := certainty.level(item))]
    text += f" Level: {'; '.join(_level_in(item, rows) for item, rows in level)}." if level else ""
    return " ".join(filter(None, (text, beaten(study), doubts(study))))


def _level_in(item: Comparison, rows: Sequence[ResultRow]) -> str:
    """``threads, serial and auto in cpu (3.0 to 3.3 s)``."""
    times = span(rows[0].elapsed, max(row.elapsed for row in rows))
    return f"{joined([label(row) for row in rows])} in {item.scenario.name} ({times})"


def doubts(study: Study) -> str:
    """In which scenarios nobody can be named, and why; how much noise there was; what the system does not tell."""
    why: dict[str, list[str]] = {}
    for item in study.comparisons:
        if doubt := certainty.doubt(item.rows):
            why.setdefault(doubt, []).append(item.scenario.name)
    said = [f"No winner in {joined(names)}: {doubt}." for doubt, names in why.items()]
    sure = [item.rows for item in study.comparisons if certainty.noise(item.rows)]
    if sure:
        said.append(f"{said_of_noise(max(sure, key=certainty.noise))}: smaller differences mean nothing.")
    return " ".join(said + ([NOT_TOLD] if not certainty.is_load_known(study) else []))


def doubt(comparison: Comparison) -> str:
    """Why nobody is named here, in a few words; empty where somebody may be."""
    found = certainty.doubt(comparison.rows)
    return f"No winner: {found}." if found else ""


def _where(fastest: Sequence[tuple[Comparison, ResultRow]]) -> str:
    """``multiplex in small (0.21 s) and tls (0.40 s); async in latency (0.12 s)``."""
    places: dict[str, list[str]] = {}
    for item, row in fastest:
        places.setdefault(label(row), []).append(f"{item.scenario.name} ({seconds(row.elapsed)})")
    return "; ".join(f"{name} in {joined(where)}" for name, where in places.items())


def _strategies(number: int) -> str:
    return f"{number} strategy" if number == 1 else f"{number} strategies"


def beaten(study: Study) -> str:
    """A sentence that names the scenarios in which a peer was faster than every strategy; empty where none was."""
    faster = []
    for item in study.comparisons:
        peer = next((row for row in measured(item.rows) if row.peer and not row.failures), None)
        if peer is not None and item.quickest is not None and certainty.told_apart(peer, item.quickest, item.rows):
            faster.append((item, peer))
    return f"Faster still, among the other programs: {_where(faster)}." if faster else ""


def elapsed(comparison: Comparison) -> str:
    """What the bars of elapsed time show."""
    rows, winner, level = measured(comparison.rows), certainty.winner(comparison), certainty.level(comparison)
    if not rows:
        return "Nothing was measured."
    said = []
    first = [winner] if winner is not None else level
    if winner is not None:
        said.append(f"{label(winner)} was the fastest strategy with {seconds(winner.elapsed)}{_interval(winner)}")
    elif level:
        times = span(level[0].elapsed, max(row.elapsed for row in level))
        said.append(f"Level: {', '.join(label(row) for row in level)}, {times}")
    serial = reference(rows)
    if first and serial is not None and all(certainty.told_apart(row, serial, comparison.rows) for row in first):
        last = max(row.elapsed for row in first)
        said[-1] += f", {'at least ' if level else ''}{ratio(serial.elapsed / last)} times as fast as {REFERENCE}"
    slow = max((row for row in rows if not row.failures), key=lambda row: row.elapsed, default=None)
    if first and slow is not None and all(certainty.told_apart(row, slow, comparison.rows) for row in first):
        said.append(f"slowest was {label(slow)} with {seconds(slow.elapsed)}")
    sound = [row.elapsed for row in rows if not row.failures]
    if not first and sound:
        said.append(f"Medians of {span(min(sound), max(sound))}")
    text = "; ".join(said) + "." if said else "Files failed under each."
    bound = comparison.bound
    if bound is not None and bound.seconds:
        text += f" The lower bound is {seconds(bound.seconds)}: {LIMITS[bound.limit]}."
    failed = [f"{label(row)} ({row.failures:,})" for row in rows if row.failures]
    return text + (f" Files failed under {joined(failed)}." if failed else "")


def _interval(row: ResultRow) -> str:
    return f" ({seconds(row.low)} to {seconds(row.high)})" if row.high else ""


def speedup(rows: Sequence[ResultRow]) -> str:
    """How many times as fast as serial; why that means nothing, where it does not."""
    found, serial = [row for row in measured(rows) if not row.failures], reference(rows)
    if serial is None:
        return ""
    if why := certainty.doubt(rows):
        return f"How many times as fast as serial is not known: {why}."
    return "Times as fast as serial: " + joined([f"{label(row)} {ratio(serial.elapsed / row.elapsed)}" for row in found]) + "."


def spreads(rows: Sequence[ResultRow], what: str) -> str:
    """Percentiles: ``first_byte`` or ``queued``."""
    told: list[tuple[ResultRow, Percentiles]] = [(row, getattr(row, what)) for row in rows if row.stretches]
    told.sort(key=lambda pair: pair[1].p50)
    return (
        "Median and 99th percentile: "
        + joined([f"{label(row)} {seconds(at.p50)} and {seconds(at.p99)}" for row, at in told])
        + "."
    )


def cpu(rows: Sequence[ResultRow]) -> str:
    """CPU seconds, least first."""
    found = sorted(measured(rows), key=lambda row: row.median("cpu"))
    said = [f"{label(row)} {seconds(row.median('cpu'))} ({_share(row.median('system'), row.median('cpu'))})" for row in found]
    return "CPU time, and how much of it was in the kernel: " + joined(said) + "."


def _share(part: float, whole: float) -> str:
    return share(part / whole) if whole else "none"


def memory(rows: Sequence[ResultRow]) -> str:
    """Peak memory, least first."""
    found = sorted(measured(rows), key=lambda row: row.peak)
    return "Peak memory, least first: " + joined([f"{label(row)} {row.peak / 1e6:.0f} MB" for row in found]) + "."


def timelines(found: Sequence[Timeline]) -> str:
    """What the pictures of the traced runs show."""
    said = [
        f"{item.name}: {count(item.total, 'attempt')} on {count(len(item.workers), 'worker')}, at most {item.most} at once, "
        f"from {seconds(item.begin)} to {seconds(item.end)}" + (f", {item.unlucky} not complete" if item.unlucky else "")
        for item in found
    ]
    return "; ".join(said) + "."


def swept(sweep: Sweep, what: str) -> str:
    """What a line of a sweep does from its first value to its last. ``what``: ``speed-up``, ``seconds``, ``each``."""
    first, last = sweep.points[0], sweep.points[-1]
    ends = {label(row): row.elapsed for row in last.rows if row.runs}
    said = []
    for row in first.rows:
        if not row.runs or label(row) not in ends:
            continue
        if what == "speed-up":
            said.append(f"{label(row)} {ratio(row.elapsed / ends[label(row)])}")
        else:
            start, end = (row.elapsed, ends[label(row)]) if what == "seconds" else each(sweep, row.elapsed, ends[label(row)])
            said.append(f"{label(row)} {seconds(start)} to {seconds(end)}")
    lead = "Times as fast" if what == "speed-up" else "Elapsed" if what == "seconds" else "For each file"
    unit = sweep.over.removesuffix("s") if last.value == 1 else sweep.over
    return f"{lead}, from {first.value:,} to {last.value:,} {unit}: {joined(said)}."


def each(sweep: Sweep, start: float, end: float) -> tuple[float, float]:
    """Seconds for each file at the first and the last point of a sweep over the number of files."""
    return start / sweep.points[0].value, end / sweep.points[-1].value
