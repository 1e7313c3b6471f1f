"""Prints text and bars on a console, without control characters and without characters that its encoding lacks."""

from rich.console import Console
from rich.text import Text

from downloader.core.text import printable

INDENT = "  "
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PLAIN = str.maketrans({"·": "-", "µ": "u", "…": "..."})


def is_ascii(console: Console) -> bool:
    """Whether the console may be unable to show characters other than ASCII."""
    return console.options.ascii_only or console.options.legacy_windows


def safe(console: Console, text: str) -> str:
    """The text with escapes for characters that are not printable, or that the encoding of the console lacks."""
    text = printable(text)
    return text.translate(_PLAIN).encode("ascii", "backslashreplace").decode() if is_ascii(console) else text


def head(console: Console, name: str, text: str) -> None:
    """Print a line with a name in bold type, and a text."""
    line = Text.assemble((safe(console, name), "bold"), f": {safe(console, text)}")
    console.print(line)


def say(console: Console, text: str, lead: str = "", style: str = "") -> None:
    """Print an indented text, wrapped between words. ``lead``: precedes the first line. ``style``: a style of rich."""
    room = max(1, console.width - len(INDENT + lead))
    for number, line in enumerate(Text(safe(console, text)).wrap(console, room)):
        line.rstrip()
        console.print(Text.assemble(INDENT, " " * len(lead) if number else lead, line), style=style or None)


def bar(part: float, width: int, ascii_only: bool) -> str:
    """A bar whose length is the share ``part`` of ``width`` characters, to an eighth of a character (in ASCII: to a whole one).

    It is never empty.
    """
    if ascii_only:
        return "#" * max(1, round(part * width))
    eighths = max(1, round(part * width * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
