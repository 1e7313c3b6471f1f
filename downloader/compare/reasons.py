"""Explains a comparison, and advises which strategy to use on this machine: sentences, derived from figures. Pure.

`downloader.compare.findings` makes the sentences about a single comparison; this module chooses among them. All sentences
follow from the measurements, not from what the scenario lets expect. Where there is doubt (see
`downloader.compare.certainty`), there is no sentence.
"""

import math
from collections.abc import Callable, Sequence

from downloader.compare import certainty, evidence, findings
from downloader.compare.evidence import REFERENCE
from downloader.compare.figures import count, joined, ratio, seconds
from downloader.compare.findings import ComparableRows
from downloader.compare.measurements import Comparison, Study, Sweep
from downloader.compare.scenarios import MIB, Scenario

DEFAULT = "auto"
MAX_SENTENCES = 3
CLOSE_RATIO = 1.1
"""The ratio of elapsed times up to which a strategy is close to the fastest."""
MAX_LISTED = 3
"""The maximum number of scenarios that are named, or of sentences of one kind."""

Rule = Callable[[ComparableRows], str]


def explain(comparison: Comparison) -> list[str]:
    """Up to three sentences: which strategy was the fastest, and why. Empty if there is nothing to compare."""
    group = ComparableRows(comparison)
    if len(group.rows) < 2 or not group.leaders:
        return []
    sentences = [rule(group) for rule in (findings.fastest, *_rules(comparison.scenario, comparison.own))]
    return [sentence for sentence in sentences if sentence][:MAX_SENTENCES]


def advise(study: Study) -> list[str]:
    """Sentences about what to use on this machine: the default or another strategy, the number of jobs, strategies to avoid,
    and faster peers.

    Scenarios in which every strategy failed are ignored. There is no advice about strategies if there is only one, or if none
    is slower than the fastest.
    """
    groups = [item for item in map(ComparableRows, study.comparisons) if item.leaders]
    several = [item for item in groups if len(item.leaders) < len(item.rows)]
    sentences = [*_strategy(several), *(_jobs(sweep) for sweep in study.sweeps if sweep.over == "jobs")]
    sentences += [*_slower(several), *_peers(groups), *_failures(study)]
    return [sentence for sentence in sentences if sentence]


def _rules(scenario: Scenario, own: bool) -> tuple[Rule, ...]:
    """The possible explanations for this kind of scenario, the most important first."""
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


def _strategy(groups: Sequence[ComparableRows]) -> list[str]:
    """Whether to keep the default, or which other strategy to use."""
    if not groups:
        return []
    measured = [item for item in groups if evidence.named(item.comparison.rows, DEFAULT)]
    if not measured:
        return [_nearest(groups)]
    exceptions = sorted((item for item in measured if _is_slower(item)), key=_excess, reverse=True)
    good = [item for item in measured if _is_good(item)]
    if not exceptions:
        return [f"Keep the default: {DEFAULT} was the fastest, or close to it, {_in_which(good)}."] if good else []
    if len(measured) == 1:
        return [_exception(exceptions[0])]
    nearest = _nearest(groups)
    if len(exceptions) * 2 > len(measured):
        return [f"{DEFAULT}, the default, was not the best choice {_in_which(exceptions)}.", nearest]
    lead = f"Keep the default, {DEFAULT}, but not {_in_which(exceptions)}." if good else ""
    return [lead, *map(_exception, exceptions[:MAX_LISTED])]


def _excess(group: ComparableRows) -> float:
    """The elapsed time of the default divided by that of the fastest strategy; infinite if the default failed."""
    row = evidence.named(group.rows, DEFAULT)
    return math.inf if row is None else row.elapsed / group.first.elapsed


def _is_slower(group: ComparableRows) -> bool:
    """Whether the default failed, or is slower than the fastest by more than the noise and by more than `CLOSE_RATIO`."""
    row = evidence.named(group.rows, DEFAULT)
    return row is None or (_excess(group) > CLOSE_RATIO and group.is_faster(group.first, row))


def _is_good(group: ComparableRows) -> bool:
    """Whether the default was close to the fastest, and the noise is small enough to conclude this."""
    row = evidence.named(group.rows, DEFAULT)
    if row is None or _excess(group) > CLOSE_RATIO:
        return False
    return certainty.noise(group.rows) <= CLOSE_RATIO - 1 or any(group.is_faster(row, other) for other in group.rows)


def _exception(group: ComparableRows) -> str:
    row, winner = evidence.named(group.rows, DEFAULT), group.first
    lead = f"In {group.scenario.name}, --strategy {winner.strategy} took {seconds(winner.elapsed)}"
    if row is None:
        return f"{lead}, and files failed under {DEFAULT}."
    return f"{lead}, {DEFAULT} {seconds(row.elapsed)}, {ratio(row.elapsed / winner.elapsed)} times as long."


def _nearest(groups: Sequence[ComparableRows]) -> str:
    """A sentence about the strategies that were the fastest in every scenario, or about the one that was closest to it.

    Empty if no strategy ran in every scenario, if it is the default, or if it is not faster than any other strategy.
    """
    worst: dict[str, float] = {}
    for name in [row.strategy for row in groups[0].rows]:
        rows = [evidence.named(item.rows, name) for item in groups]
        if all(row and any(item.is_faster(row, other) for other in item.rows) for row, item in zip(rows, groups, strict=True)):
            worst[name] = max(row.elapsed / item.first.elapsed for row, item in zip(rows, groups, strict=True) if row)
    leading = [{row.strategy for row in item.leaders} for item in groups]
    first = [name for name in worst if all(name in names for names in leading)]
    name = first[0] if first else min(worst, key=lambda name: worst[name], default=DEFAULT)
    if DEFAULT in first or name == DEFAULT:
        return ""
    if first:
        reason = "it was the fastest" if all(len(names) == 1 for names in leading) else "nothing was known to be faster"
        return f"Use --strategy {' or '.join(first)}: {reason} {_in_which(groups)}."
    return f"Use --strategy {name}: it took at most {ratio(worst[name])} times as long as the fastest {_in_which(groups)}."


def _jobs(sweep: Sweep) -> str:
    """The number of jobs from which more jobs did not make the fastest strategy faster. Empty if the noise is too large."""
    useful = min((point.value for point in sweep.points if point.value >= sweep.scenario.files), default=math.inf)
    points = [point for point in sweep.points if point.value <= useful]  # never more requests in flight than files
    if any(certainty.doubt(point.rows) for point in points):
        return ""
    sound = [(row.elapsed, point.value, row) for point in points for row in certainty.comparable(point.rows)]
    if not sound:
        return ""
    least, _, best = min(sound, key=lambda item: item[:2])
    line = [(value, row) for _, value, row in sound if row.strategy == best.strategy]
    rows, largest = [row for _, row in line], line[-1][0]
    if not certainty.is_faster(best, rows[0], rows):
        return ""
    near = max(CLOSE_RATIO, 1 + certainty.noise(rows))
    sufficient, elapsed = next((value, row.elapsed) for value, row in line if row.elapsed <= near * least)
    if sufficient == largest:
        files = sweep.scenario.files
        limit = f"{files}, as many as there are files" if largest >= files else f"{largest}, the most that were tried"
        return f"In {sweep.scenario.name}, more jobs helped {best.strategy} up to {limit}: {seconds(elapsed)}."
    return (
        f"In {sweep.scenario.name}, {count(sufficient, 'job')} were enough for {best.strategy}: {seconds(elapsed)}, and "
        f"no less than {seconds(least)} with up to {largest}."
    )


def _slower(groups: Sequence[ComparableRows]) -> list[str]:
    """Sentences about strategies that were slower than serial, by scenario, the slowest first."""
    sentences = []
    for item in groups:
        serial = item.serial
        if serial is None:
            continue
        slow = [row for row in item.rows if row.elapsed > CLOSE_RATIO * serial.elapsed and item.is_faster(serial, row)]
        if slow:
            names, times = joined([row.strategy for row in slow]), joined([seconds(row.elapsed) for row in slow])
            text = (
                f"Avoid {names} for lists like {item.scenario.name}: {times}, and {seconds(serial.elapsed)} under {REFERENCE}."
            )
            sentences.append((slow[-1].elapsed / serial.elapsed, text))
    return [text for _, text in sorted(sentences, reverse=True)[:MAX_LISTED]]


def _peers(groups: Sequence[ComparableRows]) -> list[str]:
    """Sentences about the scenarios in which a peer was faster than every strategy, the largest difference first."""
    sentences, unbeaten = [], []
    for item in groups:
        peers = certainty.comparable(item.comparison.rows, peers=True)
        if not peers:
            continue
        peer, winner = peers[0], item.first
        if item.is_faster(winner, peer):
            unbeaten.append(item)
        if item.is_faster(peer, winner):
            text = (
                f"In {item.scenario.name}, {peer.strategy} ({peer.how}) took {seconds(peer.elapsed)}; our fastest, "
                f"{winner.strategy}, {seconds(winner.elapsed)}"
            )
            begun = evidence.first_request(winner) if winner in item.traced else 0.0
            is_start = winner.elapsed > begun >= (winner.elapsed - peer.elapsed) / 2
            start_text = f", of which {seconds(begun)} passed before its first request" if is_start else ""
            sentences.append((winner.elapsed / peer.elapsed, f"{text}{start_text}."))
    if unbeaten and not sentences:
        return [f"No other program was as fast as the fastest strategy {_in_which(unbeaten)}."]
    more = f"In {count(len(sentences) - MAX_LISTED, 'more scenario')}, another program was the fastest too."
    return [text for _, text in sorted(sentences, reverse=True)[:MAX_LISTED]] + ([more] if len(sentences) > MAX_LISTED else [])


def _failures(study: Study) -> list[str]:
    """Sentences about strategies under which files failed that did not fail under all strategies.

    The user's own list is left out: its failures are shown elsewhere.
    """
    sentences = []
    for comparison in study.comparisons:
        rows = [row for row in comparison.rows if not row.peer and row.runs]
        failed = [row.strategy for row in rows if row.failures]
        if failed and len(failed) < len(rows) and not comparison.own:
            sentences.append(f"Files failed under {joined(failed)} in {comparison.scenario.name}: see the errors there.")
    return sentences


def _in_which(groups: Sequence[ComparableRows]) -> str:
    names = [item.scenario.name for item in groups]
    return f"in {joined(names)}" if len(names) <= MAX_LISTED else f"in {len(names)} scenarios"
