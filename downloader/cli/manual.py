"""The manual page ``dl(1)``, in roff (man(7)), generated from the command, its options and the topics of `dl help`.

The page is generated when the package is built, so this module may import nothing but click and msgspec, also indirectly.
"""

import click

from downloader._version import __version__
from downloader.cli.main import COMMANDS, fetch_command
from downloader.cli.options import GroupedCommand
from downloader.cli.topics import TOPICS, topic

_EXAMPLES = (
    ("Fetch a list into a folder; the same command resumes after an interruption:", "dl urls.txt --dir data"),
    ("One URL, under another name:", "dl 'https://example.org/file?id=5' -o file.pdf"),
    ("Fetch again what failed:", "dl urls.txt --failed failed.txt; dl failed.txt"),
    ("A list from another program:", "grep -o 'https://[^\"]*' page.html | dl - --dir data"),
)


def page() -> str:
    """The text of the page."""
    command = fetch_command()
    context = click.Context(command, info_name="dl")
    assert isinstance(command, GroupedCommand)  # noqa: S101 - it is made so
    lines = [
        '.\\" Made from the options of dl when the package was built: do not edit.',
        f'.TH DL 1 "" "dl {__version__}" "User Commands"',
        *(".SH NAME", "dl \\- fetch a long list of URLs: parallel, resumable, verified"),
        *(".SH SYNOPSIS", ".B dl", "[\\fIOPTIONS\\fR] \\fILIST\\fR...", ".br"),
        *(".B dl", f"{{{' | '.join(_escaped(name) for name in COMMANDS)}}} [\\fIOPTIONS\\fR]"),
        *(".SH DESCRIPTION", _escaped(command.help or "")),
        ".SH OPTIONS",
    ]
    for heading, options in command.grouped(context):
        lines.append(f".SS {_escaped(heading)}")
        for option in options:
            names, text = option.get_help_record(context) or ("", "")
            lines += [".TP", f"\\fB{_escaped(names)}\\fR", _escaped(text)]
    lines.append(".SH COMMANDS")
    for name, text in COMMANDS.items():
        lines += [".TP", f"\\fBdl {name}\\fR", _escaped(text)]
    for name in TOPICS:
        lines += [f".SH {_escaped(name.upper())}", *_verbatim(topic(name))]
    lines.append(".SH ENVIRONMENT")
    lines += [
        ".TP",
        "\\fBDL_\\fINAME\\fR",
        _escaped("the option --NAME, with _ instead of -; the option itself overrides it"),
    ]
    lines += [".TP", "\\fBDL_TARGET_DIR\\fR", _escaped("the same as --dir")]
    lines += [".TP", "\\fBDL_CONFIG\\fR", _escaped("the same as --config")]
    lines += [".TP", "\\fBDL_PROFILE\\fR", _escaped("the same as --profile; several names are separated by commas")]
    lines += [".TP", "\\fBDL_PASSWORD\\fR", _escaped("the password of --user")]
    lines += [
        ".TP",
        "\\fBhttp_proxy\\fR, \\fBhttps_proxy\\fR, \\fBall_proxy\\fR, \\fBno_proxy\\fR",
        "the proxies to use if \\-\\-proxy is not given",
    ]
    lines.append(".SH EXAMPLES")
    for purpose, example in _EXAMPLES:
        lines += [".TP", _escaped(purpose), f"\\fB{_escaped(example)}\\fR"]
    lines += [".SH SEE ALSO", "\\fBaria2c\\fR(1), \\fBcurl\\fR(1), \\fBwget\\fR(1)"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """The text on one line, with roff's special characters escaped."""
    return _escape_characters(" ".join(text.split()))


def _escape_characters(text: str) -> str:
    """The text with roff's special characters escaped. Spaces are kept; hyphens and quotes are printed as in ASCII."""
    special = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
    escaped = "".join(special.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _verbatim(text: str) -> list[str]:
    """The lines of a topic in roff: plain paragraphs are refilled, indented ones keep their line breaks."""
    lines: list[str] = []
    for paragraph in text.strip("\n").split("\n\n"):
        rows = paragraph.split("\n")
        if any(row.startswith(" ") for row in rows):
            lines += [".PP", ".nf", *(_escape_characters(row) for row in rows), ".fi"]
        else:
            lines += [".PP", _escaped(" ".join(rows))]
    return lines[1:]  # a heading begins a paragraph by itself
