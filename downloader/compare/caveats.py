"""What the reader of a comparison must know before believing its figures: one short sentence each."""

from collections.abc import Sequence

from downloader.compare import certainty
from downloader.compare.figures import joined, share
from downloader.compare.results import Comparison, ResultRow, least_failures
from downloader.compare.scenarios import MIB

LIMIT = 0.85
"""A server that uses this part of its processors is what decides how fast it goes."""
LOUD = 0.1
"""Noise that is worth a warning."""
FULL = 0.95
SLOWED = 1.25


def caveats(comparison: Comparison, cores: int) -> list[str]:
    """The warnings for this comparison. ``cores``: of the machine."""
    found = [*uncertain(comparison.rows), *_server_was_the_limit(comparison, cores)]
    slowed = [row.name for row in comparison.rows if row.traced > SLOWED * row.elapsed > 0]
    if slowed:
        found.append(f"The traced run of {joined(slowed)} took over 25 % longer than usual: its timeline is stretched.")
    least = least_failures(comparison.rows)
    if least:
        found.append("Files failed under every strategy alike: what is compared holds their failures.")
    failed = [row.name for row in comparison.rows if row.runs and row.failures > least * len(row.runs)]
    if failed:
        found.append(f"Files failed under {joined(failed)}: their times are not comparable.")
    return found


def uncertain(rows: Sequence[ResultRow]) -> list[str]:
    """Why no strategy can be told from another, or by how much they must differ for that."""
    doubt = certainty.doubt(rows)
    found = [f"{doubt[0].upper()}{doubt[1:]}: no winner is named, and nothing is advised."] if doubt else []
    if noise := certainty.noise(rows):
        said = f"{said_of_noise(rows)}: smaller differences mean nothing."
        found += [said] if noise > LOUD else []
    return found


def said_of_noise(rows: Sequence[ResultRow]) -> str:
    """The noise as a figure: a clause."""
    noise = share(certainty.noise(rows))
    if certainty.is_range(rows):
        return f"Runs of one strategy differ by up to {noise}"
    return f"The interval of a median is up to {noise} wide"


def _server_was_the_limit(comparison: Comparison, cores: int) -> list[str]:
    row = comparison.quickest
    if row is None or not comparison.server_cores:
        return []
    used = _share(row, row.median("server"), comparison.server_cores)
    if used > LIMIT:
        advice = "; `--server nginx` may help" if comparison.scenario.size >= MIB else ""
        return [f"The server used {100 * used:.0f} % of what it can while {row.name} ran: it was the limit{advice}."]
    together = _share(row, row.median("server") + row.median("cpu"), cores)
    if together > FULL:
        return [
            f"Server and {row.name} together used {100 * together:.0f} % of all cores: they competed, and slowed each other."
        ]
    return []


def _share(row: ResultRow, seconds: float, cores: float) -> float:
    return min(1.0, seconds / (row.elapsed * cores)) if row.elapsed else 0.0
