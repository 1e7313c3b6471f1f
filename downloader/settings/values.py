"""Reads values as users write them: sizes, times, numbers, switches, lists. Also composes the messages for wrong values.

This module knows neither the settings nor where a value comes from. Its messages name no type of Python or TOML.
"""

import math
import operator
import os
import re
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

Kind = Literal["text", "texts", "statuses", "switch", "choice", "whole", "auto", "number", "size", "time"]

MAX_BYTES = 9 * 10**18
"""The largest size: file systems count bytes in 63 bits."""

MAX_SECONDS = 24 * 86_400
"""The longest time: systems count the milliseconds of a wait in 31 bits."""

MAX_COUNT = 10**9
AUTO_MESSAGE = "must be at least 1; write auto for as many as help"
_MAX_CHARACTERS = 1000
"""A longer text is no number, size or time."""

_SHOWN_CHARACTERS = 40

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_SIZE = rf"(?i)([+-]?)({_NUMBER})(?: ?(?:([kmgtpe])(i?))?(b?))"  # compiled at its first use, as all patterns here
_UNITS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}
_TIME = r"(?i)([+-]?)" + "".join(rf"(?:({_NUMBER}) ?{unit} ?)?" for unit in ("d", "h", "m(?:in)?", "s(?:ec)?", "ms"))
_PLAIN = rf"(?i)[+-]?{_NUMBER}(?:e[+-]?[0-9]{{1,3}})?"
_WHOLE = r"[+-]?[0-9]+"
_SWITCHES = {
    **dict.fromkeys(("yes", "on", "true", "1"), True),
    **dict.fromkeys(("no", "off", "false", "0", ""), False),
}


class WrongValue(ValueError):
    """A value that a setting does not accept. The text says what was expected, or which bound the value exceeds."""


class Form(Struct, frozen=True):
    """The values of one setting: from ``minimum`` to ``maximum``, and greater than ``exclusive_minimum``."""

    kind: Kind = "text"
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


def read(form: Form, value: Any, text: bool = False) -> Any:
    """The value in the unit of settings: bytes for a size, seconds for a time, 0 for ``auto``. Raises WrongValue.

    ``text``: the value comes from a place where everything is text (a command line, the environment).
    """
    parsed = _READERS[form.kind](form, value, text)
    if parsed is None:
        expected = "true or false" if form.kind == "switch" and not text else _EXPECTED[form.kind]
        raise WrongValue(f"expected {expected}{', '.join(form.choices)}, got {_described(form, value)}")
    if isinstance(parsed, int | float) and not isinstance(parsed, bool):
        _check_bounds(form, parsed)
    return parsed


def parse_size(text: str) -> int | None:
    """The bytes of a text such as ``10M``, ``64Ki``, ``1.5 GB`` or ``500``. None if it is no size."""
    match = re.fullmatch(_SIZE, text.strip()) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        return None
    sign, digits, letter, binary, _ = match.groups()
    number, scale = _exact(digits)
    if not letter and number % scale:
        return None  # a fraction of a byte
    factor: int = (1024 if binary else 1000) ** (" kmgtpe".index(letter.lower()) if letter else 0)
    count = max((2 * number * factor + scale) // (2 * scale), 1 if number else 0)  # 0 may stand for "no limit"
    return -count if sign == "-" else count


def parse_time(text: str) -> float | None:
    """The seconds of a text such as ``90``, ``1.5h``, ``200ms`` or ``1m30s``; infinity if too many. None if it is no time."""
    text = text.strip()
    if (plain := _number(text)) is not None:
        return plain
    match = re.fullmatch(_TIME, text) if len(text) <= _MAX_CHARACTERS else None
    if match is None or not any(match.groups()[1:]):
        return None
    numerator, denominator = 0, 1
    for digits, unit in zip(match.groups()[1:], _UNITS.values(), strict=True):
        if digits:
            number, scale = _exact(digits)
            numerator, denominator = numerator * scale + number * unit * denominator, denominator * scale
    seconds = _divided(numerator, denominator * 1000)
    return -seconds if match[1] == "-" else seconds


def _exact(digits: str) -> tuple[int, int]:
    """Digits, with or without a decimal point, as the numerator and denominator of a fraction: without rounding."""
    whole, _, parts = digits.partition(".")
    return int(whole + parts), 10 ** len(parts)


def _divided(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf


def _number(text: str) -> float | None:
    return float(text) if len(text) <= _MAX_CHARACTERS and re.fullmatch(_PLAIN, text) else None


def _check_bounds(form: Form, value: float) -> None:
    """Raises WrongValue if the value is out of bounds."""
    if form.exclusive_minimum is not None and value <= form.exclusive_minimum:
        raise WrongValue(f"must be more than {form.exclusive_minimum:g}")
    if form.minimum is not None and value < form.minimum:
        raise WrongValue(AUTO_MESSAGE if form.kind == "auto" else f"must be at least {form.minimum:g}")
    maximum, shown = _MAXIMA.get(form.kind, (math.inf, ""))
    if form.maximum is not None and form.maximum < maximum:
        maximum, shown = form.maximum, f"{form.maximum:g}"
    if value > maximum:
        raise WrongValue(f"must be at most {shown}")


_MAXIMA: dict[Kind, tuple[float, str]] = {
    "whole": (MAX_COUNT, str(MAX_COUNT)),
    "auto": (MAX_COUNT, str(MAX_COUNT)),
    "number": (MAX_COUNT, str(MAX_COUNT)),
    "size": (MAX_BYTES, "9E"),
    "time": (MAX_SECONDS, f"{MAX_SECONDS // 86_400}d"),
}
"""The greatest value of each kind, and how a message shows it."""

_EXPECTED: dict[Kind, str] = {
    "text": "a text",
    "texts": 'a list of texts, such as ["a", "b"]',
    "statuses": "a list of statuses, such as [403, 404]",
    "switch": "yes or no",
    "choice": "one of ",
    "whole": "a whole number",
    "auto": "a whole number, or auto",
    "number": "a number, such as 2 or 0.5",
    "size": "a size, such as 500, 64Ki or 10M",
    "time": "a time, such as 30, 5m or 200ms",
}


def _described(form: Form, value: Any) -> str:
    """A value in words. A text is shown only for kinds of settings that are never secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"
        return "a text" if form.kind in ("text", "texts", "statuses") else repr(shown)
    if isinstance(value, int | float):
        short = isinstance(value, float) or abs(value) <= MAX_BYTES
        return f"{value!r}" if short and form.kind not in ("text", "texts") else "a number"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list of other values" if form.kind in ("texts", "statuses") else "a list"
    return "nothing" if value is None else "a table" if isinstance(value, dict) else "something else"


def _text(form: Form, value: Any, text: bool) -> str | None:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return value if isinstance(value, str) else None


def _texts(form: Form, value: Any, text: bool) -> tuple[str, ...] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def _statuses(form: Form, value: Any, text: bool) -> tuple[str, ...] | None:
    if isinstance(value, str) or type(value) is int:
        value = [value]
    if not isinstance(value, list | tuple):
        return None
    return _texts(form, [str(item) if type(item) is int and 0 <= item < 1000 else item for item in value], text)


def _switch(form: Form, value: Any, text: bool) -> bool | None:
    if isinstance(value, bool):
        return value
    return _SWITCHES.get(value.strip().lower()) if text and isinstance(value, str) else None


def _choice(form: Form, value: Any, text: bool) -> str | None:
    if isinstance(value, float) or type(value) is int:  # TOML: http-version = 2
        value = repr(value)
    return value if isinstance(value, str) and value in form.choices else None


def _whole(form: Form, value: Any, text: bool) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        return int(value) if text and len(value) <= _MAX_CHARACTERS and re.fullmatch(_WHOLE, value) else None
    return _count(value)


def _auto(form: Form, value: Any, text: bool) -> int | None:
    return 0 if isinstance(value, str) and value == "auto" else _whole(form, value, True)


def _size(form: Form, value: Any, text: bool) -> int | None:
    return parse_size(value) if isinstance(value, str) else _count(value)


def _time(form: Form, value: Any, text: bool) -> float | None:
    return parse_time(value) if isinstance(value, str) else _float(value)


def _rate(form: Form, value: Any, text: bool) -> float | None:
    if isinstance(value, str):
        return _number(value.strip()) if text else None
    return _float(value)


def _count(value: Any) -> int | None:
    """A whole number, also of another library's type, or a float such as 10e6. None for anything else, and for a bool."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _float(value: Any) -> float | None:
    """A finite number, also a Decimal or of another library's type. None for anything else, and for a bool."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


_READERS: dict[Kind, Callable[[Form, Any, bool], Any]] = {
    "text": _text,
    "texts": _texts,
    "statuses": _statuses,
    "switch": _switch,
    "choice": _choice,
    "whole": _whole,
    "auto": _auto,
    "number": _rate,
    "size": _size,
    "time": _time,
}
