"""Text and bars as a console can show them: nothing that controls a terminal, nothing that its encoding lacks."""

from rich.console import Console
from rich.text import Text

from downloader.core.text import printable

INDENT = "  "
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_PLAIN = str.maketrans({"·": "-", "µ": "u", "…": "..."})


def is_ascii(console: Console) -> bool:
    """Whether nothing but ASCII is sure to come out."""
    return console.options.ascii_only or console.options.legacy_windows


def safe(console: Console, text: str) -> str:
    """The text as this console may be sent it: what is not printable is escaped, and so is what is not in its encoding."""
    text = printable(text)
    return text.translate(_PLAIN).encode("ascii", "backslashreplace").decode() if is_ascii(console) else text


def head(console: Console, name: str, about: str) -> None:
    """Print a line that begins with a name."""
    line = Text.assemble((safe(console, name), "bold"), f": {safe(console, about)}")
    console.print(line)


def say(console: Console, text: str, lead: str = "", style: str = "") -> None:
    """Print text beside its lead, indented, broken between words. ``style``: as rich has them."""
    room = max(1, console.width - len(INDENT + lead))
    for number, line in enumerate(Text(safe(console, text)).wrap(console, room)):
        line.rstrip()
        console.print(Text.assemble(INDENT, " " * len(lead) if number else lead, line), style=style or None)


def bar(part: float, width: int, ascii_only: bool) -> str:
    """A bar of this part of a width in characters, by eighths of a character; of whole ones in ASCII. Never empty."""
    if ascii_only:
        return "#" * max(1, round(part * width))
    eighths = max(1, round(part * width * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
