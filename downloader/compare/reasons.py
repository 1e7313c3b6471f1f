"""Why a comparison came out as it did, and what to use on this machine: sentences, derived from figures. Pure.

What a single comparison shows is found in `downloader.compare.findings`; here it is chosen which of that is told. What a
scenario lets expect is not told as found.
"""

import math
from collections.abc import Callable, Sequence

from downloader.compare import evidence, findings
from downloader.compare.evidence import REFERENCE
from downloader.compare.figures import count, joined, ratio, seconds
from downloader.compare.findings import Found
from downloader.compare.results import Comparison, Study, Sweep
from downloader.compare.scenarios import MIB, Scenario

DEFAULT = "auto"
MOST_SENTENCES = 3
CLOSE = 1.1
"""A ratio of elapsed times that is no reason to choose something else."""
MOST_TOLD = 3

Rule = Callable[[Found], str]


def explain(comparison: Comparison) -> list[str]:
    """Up to three sentences: which was fastest, and what the figures say of why. None where there is nothing to compare."""
    found = Found(comparison)
    if len(found.rows) < 2:
        return []
    said = [rule(found) for rule in (findings.fastest, *_rules(comparison.scenario, comparison.own))]
    return [sentence for sentence in said if sentence][:MOST_SENTENCES]


def advise(study: Study) -> list[str]:
    """What to use on this machine: the default or what else, how many jobs, what to avoid, what peers do better.

    Nothing is said of scenarios in which nothing ran without a failure, and of choices where there is one strategy.
    """
    found = [item for item in map(Found, study.comparisons) if item.rows]
    several = [item for item in found if len(item.rows) > 1]
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


def _strategy(found: Sequence[Found]) -> list[str]:
    """Whether the default will do; else what will."""
    if not found:
        return []
    measured = [item for item in found if evidence.named(item.comparison.rows, DEFAULT)]
    if not measured:
        return [_nearest(found)]
    exceptions = sorted((item for item in measured if _excess(item) > CLOSE), key=_excess, reverse=True)
    if not exceptions:
        return [f"Keep the default: {DEFAULT} was the fastest, close to it or not to be told from it {_places(measured)}."]
    if len(measured) == 1:
        return [_exception(exceptions[0])]
    nearest = _nearest(found)
    if len(exceptions) * 2 > len(measured) and nearest:
        return [f"{DEFAULT}, the default, was not the best choice {_places(exceptions)}.", nearest]
    return [f"Keep the default, {DEFAULT}, but not {_places(exceptions)}.", *map(_exception, exceptions[:MOST_TOLD])]


def _excess(found: Found) -> float:
    """How many times the fastest one's time the default took; 1 where they are level, infinite where it failed."""
    row = evidence.named(found.rows, DEFAULT)
    if row is None:
        return math.inf
    return 1.0 if evidence.level(found.winner, row) else row.elapsed / found.winner.elapsed


def _exception(found: Found) -> str:
    row, winner = evidence.named(found.rows, DEFAULT), found.winner
    lead = f"In {found.scenario.name}, --strategy {winner.strategy} took {seconds(winner.elapsed)}"
    if row is None:
        return f"{lead}, and files failed under {DEFAULT}."
    return f"{lead}, {DEFAULT} {seconds(row.elapsed)}, {ratio(row.elapsed / winner.elapsed)} times as long."


def _nearest(found: Sequence[Found]) -> str:
    """The strategy that never was far from the fastest; nothing where none ran everywhere, or it is the default."""
    worst: dict[str, float] = {}
    for name in [row.strategy for row in found[0].rows]:
        rows = [evidence.named(item.rows, name) for item in found]
        if all(rows):
            worst[name] = max(row.elapsed / item.winner.elapsed for row, item in zip(rows, found, strict=True) if row)
    name = min(worst, key=lambda name: worst[name], default=DEFAULT)
    if name == DEFAULT:
        return ""
    if worst[name] <= 1:
        return f"Use --strategy {name}: it was the fastest {_places(found)}."
    return f"Use --strategy {name}: it took at most {ratio(worst[name])} times as long as the fastest {_places(found)}."


def _jobs(sweep: Sweep) -> str:
    """From which number of jobs on more of them gave the fastest strategy nothing."""
    sound = [(row.elapsed, point.value, row.strategy) for point in sweep.points for row in evidence.sound(point.rows)]
    if not sound:
        return ""
    least, _, name = min(sound)
    line = [(value, elapsed) for elapsed, value, strategy in sound if strategy == name]
    enough, there = next((value, elapsed) for value, elapsed in line if elapsed <= CLOSE * least)
    last, at_last = line[-1]
    if len(line) < 2:
        return ""
    if enough == last:
        return f"In {sweep.scenario.name}, more jobs helped {name} up to {last}, the most that were tried: {seconds(at_last)}."
    return (
        f"In {sweep.scenario.name}, {count(enough, 'job')} were enough for {name}: {seconds(there)}, and no less than "
        f"{seconds(least)} with up to {last}."
    )


def _slower(found: Sequence[Found]) -> list[str]:
    """What costs more than it gains, by scenario, the worst first."""
    told = []
    for item in found:
        serial = item.serial
        if serial is None:
            continue
        slow = [row for row in item.rows if row.elapsed > CLOSE * serial.elapsed and not evidence.level(row, serial)]
        if slow:
            names, times = joined([row.strategy for row in slow]), joined([seconds(row.elapsed) for row in slow])
            text = (
                f"Avoid {names} for lists like {item.scenario.name}: {times}, and {seconds(serial.elapsed)} under {REFERENCE}."
            )
            told.append((slow[-1].elapsed / serial.elapsed, text))
    return [text for _, text in sorted(told, reverse=True)[:MOST_TOLD]]


def _peers(found: Sequence[Found]) -> list[str]:
    """Where another program was faster than every strategy, and by how much."""
    told, measured = [], []
    for item in found:
        peers = evidence.sound(item.comparison.rows, peers=True)
        if not peers:
            continue
        measured.append(item)
        peer, winner = peers[0], item.winner
        if peer.elapsed < winner.elapsed and not evidence.level(peer, winner):
            text = (
                f"In {item.scenario.name}, {peer.strategy} ({peer.how}) took {seconds(peer.elapsed)}; our fastest, "
                f"{winner.strategy}, {seconds(winner.elapsed)}"
            )
            begun = evidence.first_request(winner) if winner in item.traced else 0.0
            most = winner.elapsed > begun >= (winner.elapsed - peer.elapsed) / 2
            late = f", of which {seconds(begun)} passed before its first request" if most else ""
            told.append((winner.elapsed / peer.elapsed, f"{text}{late}."))
    if measured and not told:
        return [f"No other program was known to be faster than the fastest strategy {_places(measured)}."]
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


def _places(found: Sequence[Found]) -> str:
    names = [item.scenario.name for item in found]
    return f"in {joined(names)}" if len(names) <= MOST_TOLD else f"in {len(names)} scenarios"
