"""Warnings about a comparison: what the reader must know before believing the figures, one short sentence each."""

from collections.abc import Sequence

from downloader.compare import certainty
from downloader.compare.figures import joined, share
from downloader.compare.measurements import Comparison, ResultRow, least_failures
from downloader.compare.scenarios import MIB

SERVER_SATURATION = 0.85
"""The share of its processors above which the server limits the speed."""
NOTABLE_NOISE = 0.1
"""The noise above which there is a warning."""
MACHINE_SATURATION = 0.95
"""The share of all cores above which the server and a strategy compete for them."""
MAX_TRACE_SLOWDOWN = 1.25
"""How much longer a traced run may take than the median run before its timeline is called stretched."""


def caveats(comparison: Comparison, cores: int) -> list[str]:
    """The warnings for this comparison. ``cores``: the number of cores of the machine."""
    warnings = [*uncertain(comparison.rows), *_server_warnings(comparison, cores)]
    slowed = [row.name for row in comparison.rows if row.traced > MAX_TRACE_SLOWDOWN * row.elapsed > 0]
    if slowed:
        warnings.append(f"The traced run of {joined(slowed)} took over 25 % longer than usual: its timeline is stretched.")
    warnings += [
        f"{row.elsewhere} processes of the cluster are on other machines: the CPU time and memory of {row.name} lack theirs."
        for row in comparison.rows
        if row.elsewhere
    ]
    least = least_failures(comparison.rows)
    if least:
        warnings.append("Some files failed under every strategy: the times include these failures.")
    failed = [row.name for row in comparison.rows if row.runs and row.failures > least * len(row.runs)]
    if failed:
        warnings.append(f"Files failed under {joined(failed)}: their times are not comparable.")
    return warnings


def uncertain(rows: Sequence[ResultRow]) -> list[str]:
    """Warnings that there is no winner, or how large a difference must be to mean something."""
    doubt = certainty.doubt(rows)
    warnings = [f"{doubt[0].upper()}{doubt[1:]}: no winner is named, and nothing is advised."] if doubt else []
    if certainty.noise(rows) > NOTABLE_NOISE:
        warnings.append(f"{noise_text(rows)}: smaller differences mean nothing.")
    return warnings


def noise_text(rows: Sequence[ResultRow]) -> str:
    """The noise in words, as a clause."""
    noise = share(certainty.noise(rows))
    if certainty.is_range(rows):
        return f"Runs of one strategy differ by up to {noise}"
    return f"The interval of a median is up to {noise} wide"


def _server_warnings(comparison: Comparison, cores: int) -> list[str]:
    row = comparison.quickest
    if row is None or not comparison.server_cores:
        return []
    used = _share(row, row.median("server"), comparison.server_cores)
    if used > SERVER_SATURATION:
        advice = "; `--server nginx` may help" if comparison.scenario.size >= MIB else ""
        return [f"The server used {100 * used:.0f} % of its processors while {row.name} ran: it was the limit{advice}."]
    both = _share(row, row.median("server") + row.median("cpu"), cores)
    if both > MACHINE_SATURATION:
        return [f"The server and {row.name} together used {100 * both:.0f} % of all cores: they slowed each other down."]
    return []


def _share(row: ResultRow, seconds: float, cores: float) -> float:
    return min(1.0, seconds / (row.elapsed * cores)) if row.elapsed else 0.0
