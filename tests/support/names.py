"""File names that are hard to make safe, and what a safe name is."""

import unicodedata

from hypothesis import strategies as st

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"{d}{n}" for d in ("com", "lpt") for n in "123456789¹²³"}
PIECES = [
    *("a", "é", "e\u0301", "ß", "İ", "ﬁ", "\U0001f600", "名前", "x" * 49, "ü" * 61, "\U0001f600" * 40),
    *(".", "..", " ", "  ", "/", "\\", "~", "-", "_", ":", "\0", "\x1b[31m", "\x7f", "\x85", "\n", "\t", "\u2028", "\u2029"),
    *(BIDI[7], "\ufeff", "\u200b", "\u0301", "\u0338", "<", "\ud800", "\udfff"),
    *("con", "CON", "nul", "Com1", "lpt¹", "aux ", "conin$", "C:", ".txt", ".tar.gz", ".PART", ".part", ".part.meta", ".meta"),
    *("%2F", "%252e", "%00", "." + "y" * 30),
]
HOSTILE = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
TEXT = st.text() | HOSTILE


def is_safe(name: str) -> bool:
    """All that the module promises of a component, said in another way."""
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= 255
    assert not set(name) & set("/\\\0" + BIDI + "\ufeff")
    assert not {unicodedata.category(char) for char in name} & {"Cc", "Cs", "Zl", "Zp"}
    assert name[-1] not in ". "
    assert name[0] != " "
    assert unicodedata.is_normalized("NFC", name)
    assert name.split(".")[0].strip(" ").lower() not in DEVICES
    assert not name.lower().endswith((".part", ".part.meta"))
    return True
