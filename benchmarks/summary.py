"""The table of all cells in Markdown, with which docs/benchmarks.md begins. Shared by the benchmarks; not to be run."""

from collections.abc import Callable, Iterable

from contest import Contender, Contest, Run, good, median, seconds

HEADER = (
    "cell",
    "dl",
    "best peer (its settings)",
    "dl / best, time",
    "CPU per file or GB: dl, best",
    "in the kernel: dl, best",
    "best default",
    "dl / best default",
)
NONE = "-"


def row(name: str, files: int, size: int, contest: Contest, ours: Contender, *, by_bytes: bool) -> list[str]:
    """The row of one cell. ``size``: bytes of all files. ``by_bytes``: CPU time is stated per GB, not per file."""
    best, default = contest.leader(), contest.leader(defaults_only=True)

    def cost(figure: Callable[[Run], float]) -> str:
        pair = [good(contest.runs.get(each, [])) for each in (ours, best) if each]
        return ", ".join(_amount(median(map(figure, runs)) / (size / 1e9 if by_bytes else files)) for runs in pair)

    return [
        name,
        _time(contest, ours),
        f"{_time(contest, best)} ({best})" if best else NONE,
        _ratio(contest.ratios(ours, best)) if best else NONE,
        cost(lambda run: run.cpu),
        cost(lambda run: run.kernel),
        f"{_time(contest, default)} ({default.who})" if default else NONE,
        _ratio(contest.ratios(ours, default)) if default else NONE,
    ]


def row_without_peers(name: str, contest: Contest, ours: Contender) -> list[str]:
    """The row of a command for which there is nothing to compare."""
    return [name, _time(contest, ours), *[NONE] * (len(HEADER) - 2)]


def markdown(rows: Iterable[list[str]]) -> str:
    """The table with its header."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADER, ["---"] * len(HEADER), *rows))


def _time(contest: Contest, contender: Contender) -> str:
    """The median time of a contender."""
    runs = good(contest.runs.get(contender, []))
    return f"{seconds(median(run.elapsed for run in runs))} s" if runs else NONE


def _ratio(ratios: list[float]) -> str:
    """The median, and in brackets the smallest and the largest value."""
    return f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else NONE


def _amount(value: float) -> str:
    """A CPU time with its unit."""
    if value >= 0.3:
        return f"{value:.2f} s"
    return f"{value * 1e6:.0f} µs" if value < 1e-3 else f"{value * 1e3:.{0 if value >= 0.01 else 1}f} ms"
