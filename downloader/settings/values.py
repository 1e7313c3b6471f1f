"""Values as users write them: sizes, times, numbers, switches, lists; and what is said of a value that is none.

Nothing here knows which settings there are, or where a value came from. The words are those of the people who use `dl`:
no sentence names a type of Python or of TOML.
"""

import math
import operator
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "texts", "statuses", "switch", "choice", "whole", "auto", "number", "size", "time"]

MOST_BYTES = 9 * 10**18
"""What file systems can count: 63 bits."""

MOST_SECONDS = 24 * 86_400
"""What systems can wait for: they count milliseconds in 31 bits."""

MOST_COUNT = 10**9
AUTO_SAID = "must be at least 1, or auto"
_LONGEST = 1000
_SHOWN = 40

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_SIZE = re.compile(rf"([+-]?)({_NUMBER})(?: ?(?:([kmgtpe])(i?))?(b?))", re.IGNORECASE)
_UNITS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}
_TIME = re.compile(
    r"([+-]?)" + "".join(rf"(?:({_NUMBER}) ?{unit} ?)?" for unit in ("d", "h", "m(?:in)?", "s(?:ec)?", "ms")), re.IGNORECASE
)
_PLAIN = re.compile(rf"[+-]?{_NUMBER}(?:e[+-]?[0-9]{{1,3}})?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?[0-9]+")
_SWITCHES = {
    **dict.fromkeys(("yes", "on", "true", "1"), True),
    **dict.fromkeys(("no", "off", "false", "0", ""), False),
}


class WrongValue(ValueError):
    """A value that is not what a setting takes: the text says what was expected, or which bound was passed."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the values of one setting are. ``least``, ``most``: bounds; ``above``: a bound that is itself too low."""

    kind: Kind = "text"
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


def read(form: Form, value: Any, text: bool = False) -> Any:
    """The value that was meant: bytes for a size, seconds for a time, 0 for ``auto``. Raises WrongValue.

    ``text``: all is text where the value comes from (a command line, the environment), numbers and switches too.
    """
    found = _READERS[form.kind](form, value, text)
    if found is None:
        expected = "true or false" if form.kind == "switch" and not text else _EXPECTED[form.kind]
        raise WrongValue(f"expected {expected}{', '.join(form.choices)}, got {_got(form, value)}")
    if isinstance(found, int | float) and not isinstance(found, bool):
        _check(form, found)
    return found


def parse_size(text: str) -> int | None:
    """``10M``, ``64Ki``, ``1.5 GB``, ``500``: bytes. None for what is none of these."""
    match = _SIZE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None:
        return None
    sign, digits, letter, binary, _ = match.groups()
    number, scale = _exact(digits)
    if not letter and number % scale:
        return None  # of bytes there are no parts
    factor: int = (1024 if binary else 1000) ** (" kmgtpe".index(letter.lower()) if letter else 0)
    count = max((2 * number * factor + scale) // (2 * scale), 1 if number else 0)  # 0 may stand for "no limit"
    return -count if sign == "-" else count


def parse_time(text: str) -> float | None:
    """``90``, ``1.5h``, ``200ms``, ``1m30s``: seconds; infinity for more than a number can hold. None for what is no time."""
    text = text.strip()
    if (plain := _number(text)) is not None:
        return plain
    match = _TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or not any(match.groups()[1:]):
        return None
    over, under = 0, 1
    for digits, unit in zip(match.groups()[1:], _UNITS.values(), strict=True):
        if digits:
            number, scale = _exact(digits)
            over, under = over * scale + number * unit * under, under * scale
    seconds = _divided(over, under * 1000)
    return -seconds if match[1] == "-" else seconds


def _exact(digits: str) -> tuple[int, int]:
    """Digits, with a point among them or not, as a fraction: no rounding."""
    whole, _, parts = digits.partition(".")
    return int(whole + parts), 10 ** len(parts)


def _divided(over: int, under: int) -> float:
    try:
        return over / under
    except OverflowError:
        return math.inf


def _number(text: str) -> float | None:
    return float(text) if len(text) <= _LONGEST and _PLAIN.fullmatch(text) else None


def _check(form: Form, value: float) -> None:
    """Raises WrongValue."""
    if form.above is not None and value <= form.above:
        raise WrongValue(f"must be more than {form.above:g}")
    if form.least is not None and value < form.least:
        raise WrongValue(AUTO_SAID if form.kind == "auto" else f"must be at least {form.least:g}")
    most, said = _MOST.get(form.kind, (math.inf, ""))
    if form.most is not None and form.most < most:
        most, said = form.most, f"{form.most:g}"
    if value > most:
        raise WrongValue(f"must be at most {said}")


_MOST: dict[Kind, tuple[float, str]] = {
    "whole": (MOST_COUNT, str(MOST_COUNT)),
    "auto": (MOST_COUNT, str(MOST_COUNT)),
    "number": (MOST_COUNT, str(MOST_COUNT)),
    "size": (MOST_BYTES, "9E"),
    "time": (MOST_SECONDS, f"{MOST_SECONDS // 86_400}d"),
}
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


def _got(form: Form, value: Any) -> str:
    """What a value is, in words; a text itself only where texts are never secret."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        return "a text" if form.kind in ("text", "texts", "statuses") else repr(shown)
    if isinstance(value, int | float):
        short = isinstance(value, float) or abs(value) <= MOST_BYTES
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
    if isinstance(value, float) or type(value) is int:  # `http-version = 2`
        value = repr(value)
    return value if isinstance(value, str) and value in form.choices else None


def _whole(form: Form, value: Any, text: bool) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        return int(value) if text and len(value) <= _LONGEST and _WHOLE.fullmatch(value) else None
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
    """A whole number, also one of another library, and 10e6; but no switch."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _float(value: Any) -> float | None:
    """A number, also one of another library, or a Decimal; but no switch."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        found = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


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
