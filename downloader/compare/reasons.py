"""Why a comparison came out as it did, and what to use on this machine: sentences, derived from figures. Pure.

What a single comparison shows is found in `downloader.compare.findings`; here it is chosen which of that is told. What a
scenario lets expect is not told as found. Where there is doubt (see `downloader.compare.certainty`), nothing is told.
"""

import math
from collections.abc import Callable, Sequence

from downloader.compare import certainty, evidence, findings
from downloader.compare.evidence import REFERENCE
from downloader.compare.figures import count, joined, ratio, seconds
from downloader.compare.findings import ComparableRows
from downloader.compare.results import Comparison, Study, Sweep
from downloader.compare.scenarios import MIB, Scenario

DEFAULT = "auto"
MOST_SENTENCES = 3
CLOSE = 1.1
"""A ratio of elapsed times that is no reason to choose something else."""
MOST_TOLD = 3

Rule = Callable[[ComparableRows], str]


def explain(comparison: Comparison) -> list[str]:
    """Up to three sentences: which was fastest, and what the figures say of why. None where there is nothing to compare."""
    found = ComparableRows(comparison)
    if len(found.rows) < 2 or not found.leaders:
        return []
    said = [rule(found) for rule in (findings.fastest, *_rules(comparison.scenario, comparison.own))]
    return [sentence for sentence in said if sentence][:MOST_SENTENCES]


def advise(study: Study) -> list[str]:
    """What to use on this machine: the default or what else, how many jobs, what to avoid, what peers do better.

    Nothing is said of scenarios in which nothing ran without a failure, and of choices where there is one strategy; nor
    where no strategy can be told from the fastest.
    """
    found = [item for item in map(ComparableRows, study.comparisons) if item.leaders]
    several = [item for item in found if len(item.leaders) < len(item.rows)]
    said = [*_strategy(several), *(_jobs(sweep) for sweep in study.sweeps if sweep.over == "jobs")]
    said += [*_slower(several), *_peers(found), *_failures(study)]
    return [sentence for sentence in said if sentence]


def _rules(scenario: Scenario, own: bool) -> tuple[Rule, ...]:
    """What may have decided, most telling first, by what the scenario isolates."""
    if own:
        return findings.at_once, findings.cost, findings.start, findings.cores, findings.ideal
    if scenario.process:
        return findings.work, findings.start, findings.ideal
    if scenario.fail:
        return findings.faults, findings.at_once, findings.start
    if scenario.rate:
        return findings.split, findings.at_once, findings.ideal, findings.start
    if scenario.delay or scenario.spread:
        return findings.at_once, findings.start, findings.ideal, findings.cost
    if scenario.files == 1:
        return findings.start, findings.price
    if scenario.size >= MIB:
        return findings.cores, findings.ideal, findings.start, findings.cost
    return findings.cost, findings.cores, findings.switches, findings.start


def _strategy(found: Sequence[ComparableRows]) -> list[str]:
    """Whether the default will do; else what will."""
    if not found:
        return []
    measured = [item for item in found if evidence.named(item.comparison.rows, DEFAULT)]
    if not measured:
        return [_nearest(found)]
    exceptions = sorted((item for item in measured if _is_slower(item)), key=_excess, reverse=True)
    kept = [item for item in measured if _is_good(item)]
    if not exceptions:
        return [f"Keep the default: {DEFAULT} was the fastest, or close to it, {_places(kept)}."] if kept else []
    if len(measured) == 1:
        return [_exception(exceptions[0])]
    nearest = _nearest(found)
    if len(exceptions) * 2 > len(measured):
        return [f"{DEFAULT}, the default, was not the best choice {_places(exceptions)}.", nearest]
    lead = f"Keep the default, {DEFAULT}, but not {_places(exceptions)}." if kept else ""
    return [lead, *map(_exception, exceptions[:MOST_TOLD])]


def _excess(found: ComparableRows) -> float:
    """How many times the fastest one's time the default took; infinite where it failed."""
    row = evidence.named(found.rows, DEFAULT)
    return math.inf if row is None else row.elapsed / found.first.elapsed


def _is_slower(found: ComparableRows) -> bool:
    """Whether the default is known to be worse than another, by more than is close."""
    row = evidence.named(found.rows, DEFAULT)
    return row is None or (_excess(found) > CLOSE and found.tells(found.first, row))


def _is_good(found: ComparableRows) -> bool:
    """Whether the default was close to the fastest, and that is more than noise: else nothing is known of it."""
    row = evidence.named(found.rows, DEFAULT)
    if row is None or _excess(found) > CLOSE:
        return False
    return certainty.noise(found.rows) <= CLOSE - 1 or any(found.tells(row, other) for other in found.rows)


def _exception(found: ComparableRows) -> str:
    row, winner = evidence.named(found.rows, DEFAULT), found.first
    lead = f"In {found.scenario.name}, --strategy {winner.strategy} took {seconds(winner.elapsed)}"
    if row is None:
        return f"{lead}, and files failed under {DEFAULT}."
    return f"{lead}, {DEFAULT} {seconds(row.elapsed)}, {ratio(row.elapsed / winner.elapsed)} times as long."


def _nearest(found: Sequence[ComparableRows]) -> str:
    """The strategies that were the fastest everywhere, or the one that never was far from it.

    Nothing where none ran everywhere, or it is the default, or it is not known to be faster than any.
    """
    worst: dict[str, float] = {}
    for name in [row.strategy for row in found[0].rows]:
        rows = [evidence.named(item.rows, name) for item in found]
        if all(row and any(item.tells(row, other) for other in item.rows) for row, item in zip(rows, found, strict=True)):
            worst[name] = max(row.elapsed / item.first.elapsed for row, item in zip(rows, found, strict=True) if row)
    leading = [{row.strategy for row in item.leaders} for item in found]
    first = [name for name in worst if all(name in names for names in leading)]
    name = first[0] if first else min(worst, key=lambda name: worst[name], default=DEFAULT)
    if DEFAULT in first or name == DEFAULT:
        return ""
    if first:
        said = "it was the fastest" if all(len(names) == 1 for names in leading) else "nothing was known to be faster"
        return f"Use --strategy {' or '.join(first)}: {said} {_places(found)}."
    return f"Use --strategy {name}: it took at most {ratio(worst[name])} times as long as the fastest {_places(found)}."


def _jobs(sweep: Sweep) -> str:
    """From which number of jobs on more of them gave the fastest strategy nothing. Nothing where the noise may be all of it."""
    useful = min((point.value for point in sweep.points if point.value >= sweep.scenario.files), default=math.inf)
    points = [point for point in sweep.points if point.value <= useful]  # no more can be in flight than there are files
    if any(certainty.doubt(point.rows) for point in points):
        return ""
    sound = [(row.elapsed, point.value, row) for point in points for row in certainty.sound(point.rows)]
    if not sound:
        return ""
    least, _, best = min(sound, key=lambda item: item[:2])
    line = [(value, row) for _, value, row in sound if row.strategy == best.strategy]
    rows, last = [row for _, row in line], line[-1][0]
    if not certainty.told_apart(best, rows[0], rows):
        return ""
    near = max(CLOSE, 1 + certainty.noise(rows))
    enough, there = next((value, row.elapsed) for value, row in line if row.elapsed <= near * least)
    if enough == last:
        files = sweep.scenario.files
        most = f"{files}, as many as there are files" if last >= files else f"{last}, the most that were tried"
        return f"In {sweep.scenario.name}, more jobs helped {best.strategy} up to {most}: {seconds(there)}."
    return (
        f"In {sweep.scenario.name}, {count(enough, 'job')} were enough for {best.strategy}: {seconds(there)}, and no less than "
        f"{seconds(least)} with up to {last}."
    )


def _slower(found: Sequence[ComparableRows]) -> list[str]:
    """What costs more than it gains, by scenario, the worst first."""
    told = []
    for item in found:
        serial = item.serial
        if serial is None:
            continue
        slow = [row for row in item.rows if row.elapsed > CLOSE * serial.elapsed and item.tells(serial, row)]
        if slow:
            names, times = joined([row.strategy for row in slow]), joined([seconds(row.elapsed) for row in slow])
            text = (
                f"Avoid {names} for lists like {item.scenario.name}: {times}, and {seconds(serial.elapsed)} under {REFERENCE}."
            )
            told.append((slow[-1].elapsed / serial.elapsed, text))
    return [text for _, text in sorted(told, reverse=True)[:MOST_TOLD]]


def _peers(found: Sequence[ComparableRows]) -> list[str]:
    """Where another program was faster than every strategy, and by how much."""
    told, measured = [], []
    for item in found:
        peers = certainty.sound(item.comparison.rows, peers=True)
        if not peers:
            continue
        peer, winner = peers[0], item.first
        if item.tells(winner, peer):
            measured.append(item)
        if item.tells(peer, winner):
            text = (
                f"In {item.scenario.name}, {peer.strategy} ({peer.how}) took {seconds(peer.elapsed)}; our fastest, "
                f"{winner.strategy}, {seconds(winner.elapsed)}"
            )
            begun = evidence.first_request(winner) if winner in item.traced else 0.0
            most = winner.elapsed > begun >= (winner.elapsed - peer.elapsed) / 2
            late = f", of which {seconds(begun)} passed before its first request" if most else ""
            told.append((winner.elapsed / peer.elapsed, f"{text}{late}."))
    if measured and not told:
        return [f"No other program was as fast as the fastest strategy {_places(measured)}."]
    more = f"In {count(len(told) - MOST_TOLD, 'more scenario')}, another program was the fastest too."
    return [text for _, text in sorted(told, reverse=True)[:MOST_TOLD]] + ([more] if len(told) > MOST_TOLD else [])


def _failures(study: Study) -> list[str]:
    """Strategies under which files failed that did not fail under all; of the user's own list, that is told elsewhere."""
    told = []
    for comparison in study.comparisons:
        rows = [row for row in comparison.rows if not row.peer and row.runs]
        failed = [row.strategy for row in rows if row.failures]
        if failed and len(failed) < len(rows) and not comparison.own:
            told.append(f"Files failed under {joined(failed)} in {comparison.scenario.name}: see the errors there.")
    return told


def _places(found: Sequence[ComparableRows]) -> str:
    names = [item.scenario.name for item in found]
    return f"in {joined(names)}" if len(names) <= MOST_TOLD else f"in {len(names)} scenarios"
