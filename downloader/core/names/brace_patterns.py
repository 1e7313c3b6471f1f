"""Patterns with braces that stand for many texts, as in the shell: ``{001..100}``, ``{1..9..2}``, ``{a..e}`` and ``{a,b}``.

==================  ========================================================================================================
``{001..100}``      the numbers from 001 to 100. If a limit begins with 0, all have the length of the longer limit
``{9..1..2}``       9, 7, 5, 3, 1: a third number is the step; the sign of the step has no meaning
``{a..e}``          the letters from a to e, in the order of their code points
``{a,b,}``          a, b, and nothing. An alternative may contain braces
``\\{ \\} \\, \\\\``      the character itself
==================  ========================================================================================================

The last pattern of a text varies fastest: ``{a,b}{1,2}`` is a1, a2, b1, b2. Each text is computed from its number, so a pattern
of 10^9 texts needs no more memory than one of two.
"""

import re

from msgspec import Struct

from downloader.errors import UsageError

MAX_TEXTS = 10**12
"""Texts that a pattern may stand for."""

MAX_DEPTH = 16
"""Braces within braces."""

_SPECIAL = "{},\\"
_NUMBERS = r"([+-]?\d{1,18})\.\.([+-]?\d{1,18})(?:\.\.([+-]?\d{1,18}))?"  # compiled at its first use, as the next one
_LETTERS = r"([A-Za-z])\.\.([A-Za-z])(?:\.\.([+-]?\d{1,18}))?"
_HINT = r"write \{ and \} for braces that stand for themselves"


class NumberRange(Struct, frozen=True):
    """``{001..100}``. ``width``: characters of each number at least."""

    values: range
    width: int

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return len(self.values)

    def nth(self, index: int) -> str:
        """The number with this index, from 0."""
        return f"{self.values[index]:0{self.width}d}"


class LetterRange(Struct, frozen=True):
    """``{a..e}``. ``values``: code points."""

    values: range

    @property
    def count(self) -> int:
        """How many letters there are."""
        return len(self.values)

    def nth(self, index: int) -> str:
        """The letter with this index, from 0."""
        return chr(self.values[index])


class Alternatives(Struct, frozen=True):
    """``{a,b}``. ``count``: of the texts of all alternatives."""

    patterns: "tuple[Pattern, ...]"
    count: int

    def nth(self, index: int) -> str:
        """The text with this index, from 0: all texts of the first alternative come first."""
        for pattern in self.patterns:
            if index < pattern.count:
                return pattern.nth(index)
            index -= pattern.count
        raise IndexError(index)


class Pattern(Struct, frozen=True):
    """A text with patterns in it. ``parts``: literal text, and what stands in braces; ``count``: of the texts."""

    parts: tuple[str | NumberRange | LetterRange | Alternatives, ...]
    count: int

    def nth(self, index: int) -> str:
        """The text with this index, from 0."""
        texts = []
        for part in reversed(self.parts):
            if isinstance(part, str):
                texts.append(part)
            else:
                index, at = divmod(index, part.count)
                texts.append(part.nth(at))
        return "".join(reversed(texts))


def has_pattern(text: str) -> bool:
    """Whether `parse_pattern` may make anything else of the text than the text itself."""
    return "{" in text or "}" in text or "\\" in text


def parse_pattern(text: str) -> Pattern:
    """The pattern of a text. Raises UsageError; the message shows the braces that are wrong, and not the whole text."""
    pattern, end = _parse(text, 0, 0)
    if end < len(text):
        raise UsageError("a } without a { before it", hint=_HINT)
    return pattern


def _parse(text: str, at: int, depth: int) -> tuple[Pattern, int]:
    """The pattern that begins at this index, and the index of the ``,`` or ``}`` that ends it, or of the end of the text."""
    parts: list[str | NumberRange | LetterRange | Alternatives] = []
    literal: list[str] = []
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in tuple(_SPECIAL):
            literal.append(text[at + 1])
            at += 2
        elif char == "{":
            if literal:
                parts.append("".join(literal))
                literal = []
            group, at = _parse_group(text, at, depth + 1)
            parts.append(group)
        elif char == "}" or (char == "," and depth):
            break
        else:
            literal.append(char)
            at += 1
    if literal:
        parts.append("".join(literal))
    count = 1
    for part in parts:
        if not isinstance(part, str):
            count *= part.count
    return Pattern(tuple(parts), _checked_count(count)), at


def _parse_group(text: str, start: int, depth: int) -> tuple[NumberRange | LetterRange | Alternatives, int]:
    """What stands in the braces that begin at this index, and the index after them."""
    if depth > MAX_DEPTH:
        raise UsageError(f"more than {MAX_DEPTH} braces within braces", hint=_HINT)
    patterns = []
    at = start
    while at == start or text[at] == ",":
        pattern, at = _parse(text, at + 1, depth)
        if at == len(text):
            raise UsageError(f"a {{ without a }}: {text[start : start + 20]!r}", hint=_HINT)
        patterns.append(pattern)
    if len(patterns) > 1:
        return Alternatives(tuple(patterns), _checked_count(sum(pattern.count for pattern in patterns))), at + 1
    inner = text[start + 1 : at]
    return _parse_range(inner), at + 1


def _parse_range(inner: str) -> NumberRange | LetterRange:
    """The range that stands in braces. Raises UsageError if it is none."""
    shown = f"{{{inner[:40]}}}"
    if match := re.fullmatch(_NUMBERS, inner, re.ASCII):
        first, last, step = match.groups()
        padded = any(len(digits) > 1 and digits.startswith("0") for digits in (first.lstrip("+-"), last.lstrip("+-")))
        width = max(len(first.lstrip("+")), len(last.lstrip("+"))) if padded else 0
        return NumberRange(_range(int(first), int(last), step, shown), width)
    if match := re.fullmatch(_LETTERS, inner, re.ASCII):
        first, last, step = match.groups()
        return LetterRange(_range(ord(first), ord(last), step, shown))
    raise UsageError(f"{shown} is neither a range nor a choice", hint=f"as {{001..100}} or {{a,b}}; {_HINT}")


def _range(first: int, last: int, step: str | None, shown: str) -> range:
    distance = abs(int(step or 1))
    if not distance:
        raise UsageError(f"the step of {shown} is 0")
    values = range(first, last + 1, distance) if first <= last else range(first, last - 1, -distance)
    _checked_count(len(values))
    return values


def _checked_count(count: int) -> int:
    if count > MAX_TEXTS:
        raise UsageError(f"the braces stand for more than {MAX_TEXTS:,} URLs")
    return count
