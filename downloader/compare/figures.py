"""Formats figures the same way in tables, sentences and charts. Pure.

`downloader.core.amounts` formats the amounts of a download run: bytes in decimal units and clock times. Here sizes are in
binary units, because the scenarios define them so, and times have significant digits, because they are compared.
"""

from collections.abc import Sequence


def seconds(value: float) -> str:
    """A duration for a sentence, with two or three significant digits: ``12.3 s``, ``0.31 s``, ``48 ms``, ``70 µs``."""
    if value >= 0.0995 or value <= 0:
        return f"{significant(value, 2 if value < 0.995 else 3)} s"
    if value >= 0.000995:
        return f"{significant(value * 1000, 2)} ms"
    return f"{significant(value * 1e6, 2)} µs"


def span(shortest: float, longest: float) -> str:
    """A range of durations: ``0.25 to 0.31 s``; a single duration if both are formatted the same."""
    low, high = seconds(shortest), seconds(longest)
    if low == high:
        return high
    same_unit = low.partition(" ")[2] == high.partition(" ")[2]
    return f"{low.partition(' ')[0] if same_unit else low} to {high}"


def significant(value: float, digits: int = 3) -> str:
    """A number with at least ``digits`` significant digits, without exponent: ``0.0312``, ``3.12``, ``312``, ``3120``."""
    if not value:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded value: 9.996 becomes 10.0
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def decimal(value: float) -> str:
    """A number for a column: three digits, at most three of them after the point: ``0.008``, ``0.312``, ``31.2``, ``312``."""
    return f"{value:.3f}" if value < 0.0995 else significant(value)


def ratio(value: float) -> str:
    """A ratio, with more digits near 1: ``1.04``, ``1.3``, ``7.4``, ``23``."""
    return f"{value:.2f}" if abs(value - 1) < 0.095 else f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def share(value: float) -> str:
    """A fraction of 1 as a percentage: ``92 %``, ``<1 %``."""
    return f"{value * 100:.0f} %" if value >= 0.0095 or value <= 0 else "<1 %"


def size(count: float) -> str:
    """A number of bytes in binary units: ``10 KiB``, ``2.5 MiB``, ``500 B``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.1f}".removesuffix(".0") + f" {unit}"


def number(value: float) -> str:
    """A short number: ``0.44``, ``950``, ``12.3k``, ``4.5M``."""
    if value < 9.95:
        return f"{value:.2g}"
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if value >= limit * 0.9995:
            return f"{significant(value / (limit if unit == 'M' else 1e3))}{unit}"
    return f"{value:.0f}"


def count(amount: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``1,500 files``."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def joined(names: Sequence[str]) -> str:
    """The names as a list in words: ``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
