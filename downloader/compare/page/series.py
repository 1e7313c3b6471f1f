"""What each strategy and peer looks like, the same in every chart, table and button.

Colours are custom properties of the page's style sheet (``--series-1`` …), so that they follow light and dark. They are
those of Okabe and Ito, moved so that each stands out 3 to 1 from the page, and never the only thing that tells two apart:
bars bear names, lines have symbols, peers are hatched.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from downloader.compare.peers import DEFAULTS
from downloader.compare.results import ResultRow, Study

KNOWN = ("serial", "threads", "processes", "async", "multiplex", "hybrid", "gevent", "auto", "dask")
SYMBOLS = (
    *("circle", "square", "diamond", "triangle-up", "star", "cross", "triangle-down", "x", "hexagon"),
    *("pentagon", "hexagram", "bowtie", "hourglass"),
)
"""One for each colour: those of `KNOWN`, and some for plug-ins."""
HATCHES = ("/", "x", "-", ".", "\\", "|", "+")
PEER = "var(--peer)"


class Series(NamedTuple):
    """One strategy or peer. ``hatch``: plotly's name of a pattern; empty for strategies."""

    name: str
    peer: bool
    colour: str
    symbol: str
    hatch: str = ""

    @property
    def fill(self) -> dict[str, Any]:
        """The ``marker`` of its bars."""
        if not self.hatch:
            return {"color": self.colour}
        pattern = {"shape": self.hatch, "fgcolor": self.colour, "bgcolor": "var(--surface)", "size": 7, "solidity": 0.35}
        return {"color": self.colour, "pattern": pattern, "line": {"color": self.colour, "width": 1}}


def label(row: ResultRow) -> str:
    """What it is called on the page: a peer as it comes by its name alone, else with its number of connections."""
    return row.strategy if not row.peer or row.how == DEFAULTS else f"{row.strategy} {row.jobs}"


def rows_of(study: Study) -> list[ResultRow]:
    """Every row, those of comparisons first."""
    rows = [row for item in study.comparisons for row in item.rows]
    return rows + [row for sweep in study.sweeps for point in sweep.points for row in point.rows]


def of_study(study: Study) -> dict[str, Series]:
    """All of a study by their name: strategies first, in the order in which they were measured."""
    return of_rows(rows_of(study))


def of_rows(rows: Iterable[ResultRow]) -> dict[str, Series]:
    """The same of these."""
    found = {label(row): row for row in rows}
    others = [name for name, row in found.items() if not row.peer and name not in KNOWN]
    programs = list(dict.fromkeys(row.strategy for row in found.values() if row.peer))
    free = [place for place in range(len(SYMBOLS)) if place >= len(KNOWN) or KNOWN[place] not in found]
    free = sorted(free, key=lambda place: place < len(KNOWN)) or [*range(len(SYMBOLS))]  # first what is never a built-in's
    places = {name: place for place, name in enumerate(KNOWN)}
    places |= {name: free[number % len(free)] for number, name in enumerate(others)}
    ours = {name: _ours(name, places[name]) for name, row in found.items() if not row.peer}
    theirs = {name: _peer(name, programs.index(row.strategy)) for name, row in found.items() if row.peer}
    return ours | theirs


def _ours(name: str, place: int) -> Series:
    return Series(name, False, f"var(--series-{place + 1})", SYMBOLS[place])


def _peer(name: str, place: int) -> Series:
    return Series(name, True, PEER, f"{SYMBOLS[place % len(SYMBOLS)]}-open", HATCHES[place % len(HATCHES)])
