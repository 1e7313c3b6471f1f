"""The appearance of each strategy and peer, the same in every chart, table and button.

Colours are custom properties of the page's style sheet (``--series-1`` …), so they follow the light or dark theme. They are the
colours of Okabe and Ito, changed so that each has a contrast of 3 to 1 with the page. Colour is never the only difference: bars
have names, lines have symbols, and peers are hatched.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from downloader.compare.measurements import ResultRow, Study
from downloader.compare.peers import DEFAULTS
from downloader.strategies.registry import BUILT_IN

KNOWN = (*(name for name in BUILT_IN if name != "auto"), "auto")
"""Built-in strategies, in the order of their colours. Plug-ins get the colours that follow."""

SYMBOLS = (
    *("circle", "square", "diamond", "triangle-up", "star", "cross", "triangle-down", "x", "hexagon"),
    *("pentagon", "hexagram", "bowtie", "hourglass"),
)
"""One symbol for each colour: those of `KNOWN`, and further ones for plug-ins."""
HATCHES = ("/", "x", "-", ".", "\\", "|", "+")
PEER = "var(--peer)"


class Series(NamedTuple):
    """The appearance of one strategy or peer. ``hatch``: a pattern of plotly; empty for strategies."""

    name: str
    peer: bool
    colour: str
    symbol: str
    hatch: str = ""

    @property
    def fill(self) -> dict[str, Any]:
        """The ``marker`` of its bars, in plotly's format."""
        if not self.hatch:
            return {"color": self.colour}
        pattern = {"shape": self.hatch, "fgcolor": self.colour, "bgcolor": "var(--surface)", "size": 7, "solidity": 0.35}
        return {"color": self.colour, "pattern": pattern, "line": {"color": self.colour, "width": 1}}


def label(row: ResultRow) -> str:
    """The name of a row on the page: a peer with other options than its defaults includes its number of connections."""
    return row.strategy if not row.peer or row.how == DEFAULTS else f"{row.strategy} {row.jobs}"


def rows_of(study: Study) -> list[ResultRow]:
    """All rows of a study, those of comparisons first."""
    rows = [row for item in study.comparisons for row in item.rows]
    return rows + [row for sweep in study.sweeps for point in sweep.points for row in point.rows]


def of_study(study: Study) -> dict[str, Series]:
    """The appearance of all rows of a study by their name: strategies first, in the order of their measurement."""
    return of_rows(rows_of(study))


def of_rows(rows: Iterable[ResultRow]) -> dict[str, Series]:
    """The appearance of these rows by their name, see `of_study`."""
    rows_by_name = {label(row): row for row in rows}
    plug_ins = [name for name, row in rows_by_name.items() if not row.peer and name not in KNOWN]
    programs = list(dict.fromkeys(row.strategy for row in rows_by_name.values() if row.peer))
    free = [index for index in range(len(SYMBOLS)) if index >= len(KNOWN) or KNOWN[index] not in rows_by_name]
    free = sorted(free, key=lambda index: index < len(KNOWN)) or [*range(len(SYMBOLS))]  # prefer those of no built-in strategy
    indexes = {name: index for index, name in enumerate(KNOWN)}
    indexes |= {name: free[number % len(free)] for number, name in enumerate(plug_ins)}
    strategies = {name: _strategy(name, indexes[name]) for name, row in rows_by_name.items() if not row.peer}
    peers = {name: _peer(name, programs.index(row.strategy)) for name, row in rows_by_name.items() if row.peer}
    return strategies | peers


def _strategy(name: str, index: int) -> Series:
    return Series(name, False, f"var(--series-{index + 1})", SYMBOLS[index])


def _peer(name: str, index: int) -> Series:
    return Series(name, True, PEER, f"{SYMBOLS[index % len(SYMBOLS)]}-open", HATCHES[index % len(HATCHES)])
