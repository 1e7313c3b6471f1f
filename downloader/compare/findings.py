"""What the figures of a comparison show, a sentence each, or nothing: what `downloader.compare.reasons` chooses from. Pure.

Each sentence has a threshold below which it is left out, and no two strategies are told apart that `certainty` does not.
"""

from collections.abc import Sequence

from downloader.compare import certainty, evidence
from downloader.compare.evidence import REFERENCE
from downloader.compare.figures import count, joined, number, ratio, seconds, share, significant, span
from downloader.compare.results import Comparison, ResultRow
from downloader.compare.scenarios import NATIVE, PURE

FASTER = 1.2
"""A ratio of elapsed times that is worth a word."""
DEARER = 2.0
"""A ratio of costs that is."""
LATE = 0.1
"""Seconds by which a first request must be later, and …"""
LATE_SHARE = 0.2
"""… the part of the row's elapsed time that this must be."""
MUCH = 0.5
"""The part of a time from which on something is most of it."""
LOST = 0.2
"""The part of a time from which on its loss is worth a word."""
NEAR = 0.8
"""The part of the lower bound from which on it is reached, nearly."""
ONE_CORE, SEVERAL_CORES = 1.15, 1.3
"""Cores busy: at most so many are one, at least so many are several."""
MANY = 100
"""Files from which on a figure for each is not that of the start."""
SWITCHES = 2.0
"""Context switches for each file that are worth a word."""


class ComparableRows:
    """A comparison, and its rows that can be compared, fastest first."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.scenario = comparison.scenario
        self.rows = certainty.sound(comparison.rows)
        self.traced = [row for row in self.rows if evidence.is_usual(row)]
        self.serial = evidence.named(self.rows, REFERENCE)

        self.leaders = certainty.leaders(comparison.rows)

    @property
    def first(self) -> ResultRow:
        """The least median; whether it is known to be the fastest, `tells` says."""
        return self.rows[0]

    def tells(self, fast: ResultRow, slow: ResultRow) -> bool:
        """Whether one is known to be faster than the other."""
        return certainty.told_apart(fast, slow, self.comparison.rows)

    def tell_all(self, rows: Sequence[ResultRow], slow: ResultRow) -> bool:
        """Whether each of some is known to be faster than the other."""
        return all(self.tells(row, slow) for row in rows)


def fastest(found: ComparableRows) -> str:
    """Which was, or which share the first place; and by how much it, or the last of these, beat serial."""
    first, serial = found.leaders, found.serial
    names = joined([row.strategy for row in first])
    if len(first) == len(found.rows):
        return f"Level: {names}. No strategy can be told from the fastest."
    if len(first) > 1:
        said = f"Level: {names}, {span(first[0].elapsed, max(row.elapsed for row in first))}"
    else:
        best = "the fastest strategy" if any(row.peer for row in found.comparison.rows) else "fastest"
        said = f"{names} was {best}: {seconds(first[0].elapsed)}"
    last = max(row.elapsed for row in first)
    if serial is not None and found.tell_all(first, serial) and serial.elapsed >= FASTER * last:
        least = "at least " if len(first) > 1 else ""
        said += f", {least}{ratio(serial.elapsed / last)} times as fast as {REFERENCE} ({seconds(serial.elapsed)})"
    return f"{said}."


def at_once(found: ComparableRows) -> str:
    """Waiting is what can be done many times at once."""
    if len(found.traced) < 2 or found.first not in found.traced:
        return ""
    few = min(found.traced, key=evidence.in_flight)
    there = evidence.in_flight(found.first)
    here, waited = evidence.in_flight(few), evidence.waiting(few)
    if not found.tells(found.first, few):
        return ""
    if there < DEARER * here or waited < MUCH or few.elapsed < FASTER * found.first.elapsed:
        return ""
    return (
        f"{few.strategy} spent {share(waited)} of its requests' time waiting for first bytes, with {_few(here)} in flight on "
        f"average; {found.first.strategy} had {_few(there)}."
    )


def start(found: ComparableRows) -> str:
    """What was spent before the first request."""
    if len(found.traced) < 2:
        return ""
    early, *_, late = sorted(found.traced, key=evidence.first_request)
    begun, earliest = evidence.first_request(late), evidence.first_request(early)
    whole = max(late.traced, evidence.last_end(late))
    usual = begun - earliest - max(0.0, whole - late.elapsed)  # what the traced run took longer may have been its start
    if not found.tells(early, late) or usual < max(LATE, LATE_SHARE * whole):
        return ""
    return (
        f"{late.strategy} sent its first request after {seconds(begun)}, {early.strategy} after {seconds(earliest)}: "
        f"the difference is {share((begun - earliest) / whole)} of what {late.strategy} took."
    )


def cost(found: ComparableRows) -> str:
    """CPU time for each file."""
    cheap, *_, dear = sorted(found.rows, key=evidence.cpu_each)
    low, high = evidence.cpu_each(cheap), evidence.cpu_each(dear)
    if found.scenario.files < MANY or not low or high < DEARER * low or not evidence.differs(evidence.cpu_each, cheap, dear):
        return ""
    return f"{cheap.strategy} used {seconds(low)} of CPU for each file, start included, and {dear.strategy} {seconds(high)}."


def price(found: ComparableRows) -> str:
    """CPU time for one file: what is spent before any is fetched."""
    cheap, *_, dear = sorted(found.rows, key=lambda row: row.median("cpu"))
    low, high = cheap.median("cpu"), dear.median("cpu")
    if found.scenario.files != 1 or not low or high < max(DEARER * low, low + LATE):
        return ""
    if not evidence.differs(evidence.cpu_each, cheap, dear):
        return ""
    return f"{dear.strategy} used {seconds(high)} of CPU on one file, {cheap.strategy} {seconds(low)}: the price of its start."


def cores(found: ComparableRows) -> str:
    """How many cores were used at once."""
    most = max(found.rows, key=evidence.cores)
    one = [
        row for row in found.rows if evidence.cores(row) <= ONE_CORE and row.strategy != REFERENCE and _apart(found, most, row)
    ]
    if evidence.cores(most) < SEVERAL_CORES or not one:
        return ""
    return (
        f"{most.strategy} kept {_cores_of(most)} cores busy, {one[0].strategy} {_cores_of(one[0])}; the first took "
        f"{seconds(most.elapsed)}, the second {seconds(one[0].elapsed)}."
    )


def work(found: ComparableRows) -> str:
    """What the post-processing let the threads of one process do."""
    threads, several = evidence.named(found.rows, "threads"), max(found.rows, key=evidence.cores)
    if threads is None:
        return cores(found)
    own, more = evidence.cores(threads), evidence.differs(evidence.cores, threads, several)
    if found.scenario.process == PURE and own <= ONE_CORE and evidence.cores(several) >= SEVERAL_CORES and more:
        return (
            f"threads kept {_cores_of(threads)} cores busy and {several.strategy} {_cores_of(several)}: "
            "pure Python holds the GIL, which each process has for itself."
        )
    if found.scenario.process == NATIVE and own >= SEVERAL_CORES:
        return f"threads kept {_cores_of(threads)} cores busy in one process: C that releases the GIL runs side by side."
    return cores(found)


def faults(found: ComparableRows) -> str:
    """What failed attempts cost those that do one thing at a time, and the fastest."""
    if len(found.traced) < 2 or found.first not in found.traced:
        return ""
    few = min(found.traced, key=evidence.in_flight)
    failed = evidence.in_vain(few)
    if few is found.first or not failed or not found.tells(found.first, few):
        return ""
    lost = evidence.busy(failed) + evidence.idle(few)
    if lost < LOST * evidence.last_end(few):
        return f"{len(failed)} of {count(len(few.stretches), 'attempt')} failed under {few.strategy}, and cost it little."
    return (
        f"{len(failed)} of {count(len(few.stretches), 'attempt')} failed under {few.strategy}, which spent {seconds(lost)} in "
        f"these or with nothing in flight; {found.first.strategy} had {_few(evidence.in_flight(found.first))} on average."
    )


def split(found: ComparableRows) -> str:
    """Several connections for a file, where each is capped."""
    files, winner = found.scenario.files, found.first
    if winner not in found.traced:
        return ""
    pieces = len({(item.file, item.segment) for item in winner.stretches})
    whole = [row for row in found.traced if len({(item.file, item.segment) for item in row.stretches}) <= files]
    whole = [row for row in whole if found.tells(winner, row)]
    if pieces <= files or not whole:
        return ""
    return (
        f"{winner.strategy} fetched {count(files, 'file')} in {pieces} pieces, {_few(evidence.in_flight(winner))} at once on "
        f"average, each on a capped connection; {joined([row.strategy for row in whole])} left each file to one."
    )


def ideal(found: ComparableRows) -> str:
    """What is between the fastest and an ideal client."""
    bound, winner = found.comparison.bound, found.first
    if bound is None or bound.seconds <= 0 or bound.seconds >= winner.elapsed:
        return ""
    begun = evidence.first_request(winner) if winner in found.traced else 0.0
    over = winner.elapsed - bound.seconds
    lead = f"{winner.strategy} took {seconds(winner.elapsed)} and an ideal client takes {seconds(bound.seconds)}"
    if bound.seconds >= NEAR * winner.elapsed:
        return f"{lead}: there is little left to gain."
    if over > begun >= MUCH * over:
        return f"{lead}: {seconds(begun)} went by before the first request."
    return ""


def switches(found: ComparableRows) -> str:
    """Context switches for each file."""
    calm, *_, restless = sorted(found.rows, key=evidence.switches_each)
    low, high = evidence.switches_each(calm), evidence.switches_each(restless)
    if found.scenario.files < MANY or high < max(SWITCHES, DEARER * low):
        return ""
    if not evidence.differs(evidence.switches_each, calm, restless):
        return ""
    return (
        f"{restless.strategy} was switched in or out {number(high)} times for each file, {calm.strategy} {significant(low, 2)}."
    )


def _apart(found: ComparableRows, most: ResultRow, one: ResultRow) -> bool:
    """Whether these differ both in the cores that they kept busy and in the time that they took."""
    return evidence.differs(evidence.cores, one, most) and (found.tells(most, one) or found.tells(one, most))


def _few(value: float) -> str:
    return significant(value, 2)


def _cores_of(row: ResultRow) -> str:
    return f"{evidence.cores(row):.1f}"
