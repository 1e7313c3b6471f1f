"""What the reader of a comparison must know before believing its figures: one short sentence each."""

from downloader.compare.figures import joined
from downloader.compare.results import Comparison, Row, least_failures
from downloader.compare.scenarios import MIB

LIMIT = 0.85
"""A server that uses this part of its processors is what decides how fast it goes."""
FULL = 0.95
SLOWED = 1.25


def caveats(comparison: Comparison, cores: int, known: bool) -> list[str]:
    """The warnings for this comparison. ``cores``: of the machine; ``known``: whether the medians are narrow enough."""
    found = _server_was_the_limit(comparison, cores)
    slowed = [row.name for row in comparison.rows if row.traced > SLOWED * row.elapsed > 0]
    if slowed:
        found.append(f"The traced run of {joined(slowed)} took over 25 % longer than usual: its timeline is stretched.")
    least = least_failures(comparison.rows)
    if least:
        found.append("Files failed under every strategy alike: what is compared holds their failures.")
    failed = [row.name for row in comparison.rows if row.runs and row.failures > least * len(row.runs)]
    if failed:
        found.append(f"Files failed under {joined(failed)}: their times hold pauses and tries, and are not comparable.")
    if not known:
        found.append(
            "The time budget was spent before each median was known to 5 %, so small differences mean nothing: raise --budget."
        )
    return found


def _server_was_the_limit(comparison: Comparison, cores: int) -> list[str]:
    row = comparison.winner
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


def _share(row: Row, seconds: float, cores: float) -> float:
    return min(1.0, seconds / (row.elapsed * cores)) if row.elapsed else 0.0
