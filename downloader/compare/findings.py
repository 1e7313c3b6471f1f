"""Sentences that explain a comparison; `downloader.compare.reasons` chooses among them. Pure.

Each function returns one sentence, or an empty text if its threshold is not reached. Two strategies are compared only if
`certainty` says that one of them is faster.
"""

from collections.abc import Sequence

from downloader.compare import certainty, evidence
from downloader.compare.evidence import REFERENCE
from downloader.compare.figures import count, joined, number, ratio, seconds, share, significant, span
from downloader.compare.measurements import Comparison, ResultRow
from downloader.compare.scenarios import C_WORK, PYTHON_WORK

MIN_SPEED_RATIO = 1.2
"""The ratio of elapsed times from which the difference is mentioned."""
MIN_COST_RATIO = 2.0
"""The ratio of costs, or of requests in flight, from which the difference is mentioned."""
MIN_START_DELAY = 0.1
"""The seconds by which a first request must be later than another to be mentioned, and …"""
MIN_START_DELAY_SHARE = 0.2
"""… the share of the elapsed time that these seconds must be."""
MAJOR_SHARE = 0.5
"""The share of a time from which something dominates it."""
MIN_LOSS_SHARE = 0.2
"""The share of a time from which its loss is mentioned."""
NEAR_BOUND_SHARE = 0.8
"""The ratio of the lower bound and the elapsed time from which little is left to gain."""
MAX_FOR_ONE_CORE, MIN_FOR_SEVERAL_CORES = 1.15, 1.3
"""The average numbers of busy cores up to which one core was used, and from which several were used."""
MIN_FILES_FOR_COST = 100
"""The number of files from which the cost per file is not dominated by the start of the program."""
MIN_SWITCHES_PER_FILE = 2.0
"""The context switches per file from which they are mentioned."""


class ComparableRows:
    """A comparison, with its comparable rows.

    ``rows``: fastest first. ``traced``: those with a typical traced run. ``serial``: the reference, or None. ``leaders``: see
    `certainty.leaders`.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.scenario = comparison.scenario
        self.rows = certainty.comparable(comparison.rows)
        self.traced = [row for row in self.rows if evidence.is_usual(row)]
        self.serial = evidence.named(self.rows, REFERENCE)

        self.leaders = certainty.leaders(comparison.rows)

    @property
    def first(self) -> ResultRow:
        """The row with the smallest median; `is_faster` decides whether it is faster than another row."""
        return self.rows[0]

    def is_faster(self, fast: ResultRow, slow: ResultRow) -> bool:
        """Whether the first row is faster than the second by more than the noise."""
        return certainty.is_faster(fast, slow, self.comparison.rows)

    def all_faster(self, rows: Sequence[ResultRow], slow: ResultRow) -> bool:
        """Whether each of these rows is faster than ``slow``."""
        return all(self.is_faster(row, slow) for row in rows)


def fastest(group: ComparableRows) -> str:
    """Which strategy was the fastest, or which share the first place; and how much faster than serial they were."""
    first, serial = group.leaders, group.serial
    names = joined([row.strategy for row in first])
    if len(first) == len(group.rows):
        return f"Level: {names}. No strategy can be told from the fastest."
    if len(first) > 1:
        sentence = f"Level: {names}, {span(first[0].elapsed, max(row.elapsed for row in first))}"
    else:
        best = "the fastest strategy" if any(row.peer for row in group.comparison.rows) else "fastest"
        sentence = f"{names} was {best}: {seconds(first[0].elapsed)}"
    last = max(row.elapsed for row in first)
    if serial is not None and group.all_faster(first, serial) and serial.elapsed >= MIN_SPEED_RATIO * last:
        least = "at least " if len(first) > 1 else ""
        sentence += f", {least}{ratio(serial.elapsed / last)} times as fast as {REFERENCE} ({seconds(serial.elapsed)})"
    return f"{sentence}."


def at_once(group: ComparableRows) -> str:
    """How much time a strategy with few requests in flight spent waiting."""
    if len(group.traced) < 2 or group.first not in group.traced:
        return ""
    few = min(group.traced, key=evidence.in_flight)
    many_in_flight = evidence.in_flight(group.first)
    few_in_flight, waited = evidence.in_flight(few), evidence.waiting(few)
    if not group.is_faster(group.first, few):
        return ""
    if many_in_flight < MIN_COST_RATIO * few_in_flight or waited < MAJOR_SHARE:
        return ""
    if few.elapsed < MIN_SPEED_RATIO * group.first.elapsed:
        return ""
    return (
        f"{few.strategy} spent {share(waited)} of its requests' time waiting for first bytes, with "
        f"{_two_digits(few_in_flight)} in flight on average; {group.first.strategy} had {_two_digits(many_in_flight)}."
    )


def start(group: ComparableRows) -> str:
    """How much time passed before the first request."""
    if len(group.traced) < 2:
        return ""
    early, *_, late = sorted(group.traced, key=evidence.first_request)
    begun, earliest = evidence.first_request(late), evidence.first_request(early)
    elapsed = max(late.traced, evidence.last_end(late))
    delay = begun - earliest - max(0.0, elapsed - late.elapsed)  # the traced run may have lost time at its start
    if not group.is_faster(early, late) or delay < max(MIN_START_DELAY, MIN_START_DELAY_SHARE * elapsed):
        return ""
    return (
        f"{late.strategy} sent its first request after {seconds(begun)}, {early.strategy} after {seconds(earliest)}: "
        f"the difference is {share((begun - earliest) / elapsed)} of what {late.strategy} took."
    )


def cost(group: ComparableRows) -> str:
    """The CPU time per file."""
    cheap, *_, dear = sorted(group.rows, key=evidence.cpu_each)
    low, high = evidence.cpu_each(cheap), evidence.cpu_each(dear)
    if group.scenario.files < MIN_FILES_FOR_COST or not low or high < MIN_COST_RATIO * low:
        return ""
    if not evidence.differs(evidence.cpu_each, cheap, dear):
        return ""
    return f"{cheap.strategy} used {seconds(low)} of CPU for each file, start included, and {dear.strategy} {seconds(high)}."


def price(group: ComparableRows) -> str:
    """The CPU time of a run with one file: the cost of starting a strategy."""
    cheap, *_, dear = sorted(group.rows, key=lambda row: row.median("cpu"))
    low, high = cheap.median("cpu"), dear.median("cpu")
    if group.scenario.files != 1 or not low or high < max(MIN_COST_RATIO * low, low + MIN_START_DELAY):
        return ""
    if not evidence.differs(evidence.cpu_each, cheap, dear):
        return ""
    return f"{dear.strategy} used {seconds(high)} of CPU on one file, {cheap.strategy} {seconds(low)}: the price of its start."


def cores(group: ComparableRows) -> str:
    """The number of cores in use."""
    widest = max(group.rows, key=evidence.cores)
    one = [
        row
        for row in group.rows
        if evidence.cores(row) <= MAX_FOR_ONE_CORE and row.strategy != REFERENCE and _apart(group, widest, row)
    ]
    if evidence.cores(widest) < MIN_FOR_SEVERAL_CORES or not one:
        return ""
    return (
        f"{widest.strategy} kept {_cores_of(widest)} cores busy, {one[0].strategy} {_cores_of(one[0])}; the first took "
        f"{seconds(widest.elapsed)}, the second {seconds(one[0].elapsed)}."
    )


def work(group: ComparableRows) -> str:
    """The effect of the GIL on the processing of the files."""
    threads, several = evidence.named(group.rows, "threads"), max(group.rows, key=evidence.cores)
    if threads is None:
        return cores(group)
    own, more = evidence.cores(threads), evidence.differs(evidence.cores, threads, several)
    if (
        group.scenario.process == PYTHON_WORK
        and own <= MAX_FOR_ONE_CORE
        and evidence.cores(several) >= MIN_FOR_SEVERAL_CORES
        and more
    ):
        return (
            f"threads kept {_cores_of(threads)} cores busy and {several.strategy} {_cores_of(several)}: "
            "pure Python holds the GIL, which each process has for itself."
        )
    if group.scenario.process == C_WORK and own >= MIN_FOR_SEVERAL_CORES:
        return f"threads kept {_cores_of(threads)} cores busy in one process: C that releases the GIL runs side by side."
    return cores(group)


def faults(group: ComparableRows) -> str:
    """The cost of failed attempts for a strategy with few requests in flight, compared with the fastest."""
    if len(group.traced) < 2 or group.first not in group.traced:
        return ""
    few = min(group.traced, key=evidence.in_flight)
    failed = evidence.failed_attempts(few)
    if few is group.first or not failed or not group.is_faster(group.first, few):
        return ""
    lost = evidence.busy(failed) + evidence.idle(few)
    if lost < MIN_LOSS_SHARE * evidence.last_end(few):
        return f"{len(failed)} of {count(len(few.stretches), 'attempt')} failed under {few.strategy}, and cost it little."
    return (
        f"{len(failed)} of {count(len(few.stretches), 'attempt')} failed under {few.strategy}, which spent {seconds(lost)} in "
        f"these or with nothing in flight; {group.first.strategy} had {_average_in_flight(group.first)} on average."
    )


def split(group: ComparableRows) -> str:
    """The effect of several connections per file, if each connection has a rate limit."""
    files, winner = group.scenario.files, group.first
    if winner not in group.traced:
        return ""
    pieces = len({(item.file, item.segment) for item in winner.stretches})
    unsplit = [row for row in group.traced if len({(item.file, item.segment) for item in row.stretches}) <= files]
    unsplit = [row for row in unsplit if group.is_faster(winner, row)]
    if pieces <= files or not unsplit:
        return ""
    return (
        f"{winner.strategy} fetched {count(files, 'file')} in {pieces} pieces, {_average_in_flight(winner)} at once on "
        f"average, each on a capped connection; {joined([row.strategy for row in unsplit])} used one for each file."
    )


def ideal(group: ComparableRows) -> str:
    """The difference between the fastest strategy and an ideal client."""
    bound, winner = group.comparison.bound, group.first
    if bound is None or bound.seconds <= 0 or bound.seconds >= winner.elapsed:
        return ""
    begun = evidence.first_request(winner) if winner in group.traced else 0.0
    excess = winner.elapsed - bound.seconds
    lead = f"{winner.strategy} took {seconds(winner.elapsed)} and an ideal client takes {seconds(bound.seconds)}"
    if bound.seconds >= NEAR_BOUND_SHARE * winner.elapsed:
        return f"{lead}: there is little left to gain."
    if excess > begun >= MAJOR_SHARE * excess:
        return f"{lead}: {seconds(begun)} went by before the first request."
    return ""


def switches(group: ComparableRows) -> str:
    """The context switches per file."""
    calm, *_, restless = sorted(group.rows, key=evidence.switches_each)
    low, high = evidence.switches_each(calm), evidence.switches_each(restless)
    if group.scenario.files < MIN_FILES_FOR_COST or high < max(MIN_SWITCHES_PER_FILE, MIN_COST_RATIO * low):
        return ""
    if not evidence.differs(evidence.switches_each, calm, restless):
        return ""
    return (
        f"{restless.strategy} was switched in or out {number(high)} times for each file, {calm.strategy} {significant(low, 2)}."
    )


def _apart(group: ComparableRows, many: ResultRow, few: ResultRow) -> bool:
    """Whether the two rows differ both in the number of busy cores and in the elapsed time."""
    return evidence.differs(evidence.cores, few, many) and (group.is_faster(many, few) or group.is_faster(few, many))


def _two_digits(value: float) -> str:
    return significant(value, 2)


def _average_in_flight(row: ResultRow) -> str:
    return _two_digits(evidence.in_flight(row))


def _cores_of(row: ResultRow) -> str:
    return f"{evidence.cores(row):.1f}"
