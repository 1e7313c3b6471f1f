"""Text from the network that is safe to print on a terminal or to use in a file name."""

import unicodedata

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def is_unsafe(char: str) -> bool:
    """Whether a character must not be in a file name: separators, control characters, and bidirectional ones."""
    return char in "/\\\0" or char in _BIDI or unicodedata.category(char) in _UNSAFE_CATEGORIES


def printable(text: str) -> str:
    """The text with control, bidirectional and invisible characters escaped, so that a terminal shows it as it is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and c not in _BIDI else c.encode("unicode_escape", "replace").decode() for c in text)


def is_text(text: str) -> bool:
    """Whether the text can be encoded as UTF-8: it has no surrogates, which stand for bytes that were no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
