"""The timelines of the page: the Attempts of a traced run as values for `timelines.js`, thinned if there are thousands.

Times are seconds since the start of the command. `timelines.js` decides the position of each Attempt on the screen.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from downloader.compare.measurements import AttemptSpan, ResultRow
from downloader.compare.page.series import label

MAX_ATTEMPTS_DRAWN = 400
"""The maximum number of Attempts that are drawn for each strategy: about the height of the chart in pixels."""

SUCCESSFUL_ENDS = frozenset({"complete", "segment", "named", "not modified", "exists"})
"""The ends of an Attempt that are not failures: values of `downloader.core.model.End`."""


class Timeline(NamedTuple):
    """One traced run. ``shown`` is ordered by start; ``begin``: the first start of any Attempt; ``max_in_flight``: in flight
    at once.

    ``since``: when a retry began to wait, by file, segment and number; all others wait from ``begin`` on.
    """

    name: str
    total: int
    shown: list[AttemptSpan]
    workers: list[str]
    begin: float
    end: float
    max_in_flight: int
    unsuccessful: int
    since: Mapping[tuple[str, int, int], float]

    @property
    def data(self) -> dict[str, Any]:
        """The timeline as plain values, in columns: a third of the size of plotly's own format. Seconds, to 0.1 ms."""
        indexes = {name: index for index, name in enumerate(self.workers)}
        return {
            "name": self.name,
            "total": self.total,
            "begin": round(self.begin, 4),
            "end": round(self.end, 4),
            "workers": self.workers,
            "file": [item.file for item in self.shown],
            "number": [item.number for item in self.shown],
            "worker": [indexes[item.worker] for item in self.shown],
            "since": [round(self.since.get(_key(item), self.begin), 4) for item in self.shown],
            "started": [round(item.started, 4) for item in self.shown],
            "head": [round(item.head, 4) for item in self.shown],
            "ended": [round(item.ended, 4) for item in self.shown],
            "mishap": ["" if item.end in SUCCESSFUL_ENDS else item.end for item in self.shown],
        }


def timeline(row: ResultRow, limit: int = MAX_ATTEMPTS_DRAWN) -> Timeline:
    """The timeline of a row with a traced run. ``limit``: the maximum number of Attempts that are drawn."""
    ordered = sorted(row.stretches, key=lambda item: (item.started, item.ended))
    return Timeline(
        name=label(row),
        total=len(ordered),
        shown=thinned(ordered, limit),
        workers=list(dict.fromkeys(item.worker for item in ordered)),
        begin=ordered[0].started,
        end=max(item.ended for item in ordered),
        max_in_flight=max_in_flight(ordered),
        unsuccessful=sum(item.end not in SUCCESSFUL_ENDS for item in ordered),
        since={(item.file, item.segment, item.number + 1): item.ended for item in ordered},
    )


def _key(item: AttemptSpan) -> tuple[str, int, int]:
    return item.file, item.segment, item.number


def thinned(ordered: Sequence[AttemptSpan], limit: int) -> list[AttemptSpan]:
    """At most ``limit`` Attempts, evenly chosen, including the first and the last; up to half of them are unsuccessful ones."""
    if len(ordered) <= limit:
        return list(ordered)
    unsuccessful = [index for index, item in enumerate(ordered) if item.end not in SUCCESSFUL_ENDS]
    kept = set(_evenly(unsuccessful, limit // 2))
    others = [index for index in range(len(ordered)) if index not in kept]
    return [ordered[index] for index in sorted(kept.union(_evenly(others, limit - len(kept))))]


def _evenly(indexes: Sequence[int], limit: int) -> list[int]:
    if len(indexes) <= limit:
        return list(indexes)
    return [indexes[round(index * (len(indexes) - 1) / (limit - 1))] for index in range(limit)]


def max_in_flight(stretches: Sequence[AttemptSpan]) -> int:
    """The largest number of Attempts in flight at the same time.

    An Attempt that ends when another starts does not overlap it.
    """
    changes = sorted([(item.started, 1) for item in stretches] + [(item.ended, -1) for item in stretches])
    current = largest = 0
    for _, change in changes:
        current += change
        largest = max(largest, current)
    return largest
