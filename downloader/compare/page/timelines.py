"""The traced run of a strategy as a picture: each Attempt a line of its own, thinned where there are thousands.

Times are seconds since the command was started. Which lines go where on the screen is `timelines.js`'s to say.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from downloader.compare.page.series import label
from downloader.compare.results import ResultRow, Stretch

MOST = 400
"""Attempts drawn for each strategy: as many as a picture has lines of pixels."""

GOOD = frozenset({"complete", "segment", "named", "not modified", "exists"})
"""Ends that are no mishap: values of `downloader.core.model.End`."""


class Timeline(NamedTuple):
    """One traced run. ``shown`` is ordered by start; ``begin``: the first start of any Attempt; ``most``: in flight at once.

    ``since``: when a retry began to wait, by file, segment and number; all others wait from ``begin`` on.
    """

    name: str
    total: int
    shown: list[Stretch]
    workers: list[str]
    begin: float
    end: float
    most: int
    unlucky: int
    since: Mapping[tuple[str, int, int], float]

    @property
    def data(self) -> dict[str, Any]:
        """As plain values, in columns: a third of what plotly's own form takes. Seconds, to 0.1 ms."""
        places = {name: place for place, name in enumerate(self.workers)}
        return {
            "name": self.name,
            "total": self.total,
            "begin": round(self.begin, 4),
            "end": round(self.end, 4),
            "workers": self.workers,
            "file": [item.file for item in self.shown],
            "number": [item.number for item in self.shown],
            "worker": [places[item.worker] for item in self.shown],
            "since": [round(self.since.get(_key(item), self.begin), 4) for item in self.shown],
            "started": [round(item.started, 4) for item in self.shown],
            "head": [round(item.head, 4) for item in self.shown],
            "ended": [round(item.ended, 4) for item in self.shown],
            "mishap": ["" if item.end in GOOD else item.end for item in self.shown],
        }


def timeline(row: ResultRow, most: int = MOST) -> Timeline:
    """The picture of a row that has stretches."""
    ordered = sorted(row.stretches, key=lambda item: (item.started, item.ended))
    return Timeline(
        name=label(row),
        total=len(ordered),
        shown=thinned(ordered, most),
        workers=list(dict.fromkeys(item.worker for item in ordered)),
        begin=ordered[0].started,
        end=max(item.ended for item in ordered),
        most=at_once(ordered),
        unlucky=sum(item.end not in GOOD for item in ordered),
        since={(item.file, item.segment, item.number + 1): item.ended for item in ordered},
    )


def _key(item: Stretch) -> tuple[str, int, int]:
    return item.file, item.segment, item.number


def thinned(ordered: Sequence[Stretch], most: int) -> list[Stretch]:
    """At most so many, evenly spread over the order, first and last among them; mishaps before others."""
    if len(ordered) <= most:
        return list(ordered)
    bad = [place for place, item in enumerate(ordered) if item.end not in GOOD]
    kept = set(_evenly(bad, most // 2))
    rest = [place for place in range(len(ordered)) if place not in kept]
    return [ordered[place] for place in sorted(kept.union(_evenly(rest, most - len(kept))))]


def _evenly(places: Sequence[int], most: int) -> list[int]:
    if len(places) <= most:
        return list(places)
    return [places[round(index * (len(places) - 1) / (most - 1))] for index in range(most)]


def at_once(stretches: Sequence[Stretch]) -> int:
    """The most Attempts that were in flight at the same time; one that ends as another starts is not."""
    changes = sorted([(item.started, 1) for item in stretches] + [(item.ended, -1) for item in stretches])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
