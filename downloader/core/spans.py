"""Arithmetic with byte ranges: which bytes of a file are there, and which are missing."""

from collections.abc import Iterable

from downloader.core.facts import Span


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same bytes as the fewest spans, in order, with a gap between any two."""
    result: list[Span] = []
    for start, stop in sorted(spans):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], stop))
        elif stop > start:
            result.append((start, stop))
    return tuple(result)


def without(spans: Iterable[Span], holes: Iterable[Span]) -> tuple[Span, ...]:
    """The bytes of ``spans`` that are in none of the ``holes``, as merged spans."""
    left: list[Span] = []
    cuts, number = merged(holes), 0
    for start, stop in merged(spans):
        while number < len(cuts) and cuts[number][0] < stop:
            first, end = cuts[number]
            if start < first:
                left.append((start, first))
            start = max(start, end)
            if end > stop:
                break  # this hole reaches into the next span
            number += 1
        if start < stop:
            left.append((start, stop))
    return tuple(left)


def first_gap(spans: tuple[Span, ...], start: int, stop: int) -> Span | None:
    """The first range of bytes between ``start`` and ``stop`` that is in none of the spans; None if there is none.

    Args:
        spans: merged spans (see `merged`).
        start: first byte that is wanted.
        stop: the byte behind the last one that is wanted.
    """
    for first, end in spans:
        if first > start:
            stop = min(stop, first)
            break
        start = max(start, end)
    return (start, stop) if start < stop else None


def byte_count(spans: tuple[Span, ...]) -> int:
    """How many bytes are in these spans, which must not overlap."""
    return sum(stop - start for start, stop in spans)


def byte_count_after(spans: tuple[Span, ...], position: int) -> int:
    """How many bytes of these spans are at ``position`` or behind it."""
    return sum(stop - max(start, position) for start, stop in spans if stop > position)
