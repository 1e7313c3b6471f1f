"""The topics of `dl help`: what the help texts of the options do not explain."""

from collections.abc import Iterator

from downloader import errors
from downloader.cli import topic_texts

TERMINAL_WIDTH = 79


_CODES_HEAD = """\
The exit code is 0 if every file is complete: fetched by this run, or skipped
because it existed already. Otherwise it is the code of the kind of failure. It
does not depend on the order in which the files end.

"""

_CODES_TAIL = """
The code is 1 also if there were failures of several kinds. --report FILE
records the kind of each failure, as "error": {"class": ...}.

    130  ended by Ctrl-C
    141  the reader of standard output closed it
    143  ended by SIGTERM
"""


def _kinds(root: type[errors.DownloadError]) -> Iterator[type[errors.DownloadError]]:
    """The subclasses that define an exit code, in the order of `downloader.errors`."""
    for cls in root.__subclasses__():
        if "exit_code" in vars(cls):
            yield cls
        yield from _kinds(cls)


def _exit_codes() -> str:
    """The topic about exit codes: each code with its error class and the first line of the class's docstring."""
    import textwrap

    kinds = {cls.exit_code: cls for cls in _kinds(errors.DownloadError) if cls.exit_code < 128}
    kinds[errors.WorkerError.exit_code] = errors.WorkerError
    rows = []
    for code, cls in sorted(kinds.items()):
        meaning = (cls.__doc__ or "").replace("``", "").partition("\n")[0]
        start = f"    {code:>3}  {cls.__name__:<17} "
        indent = " " * len(start)
        rows += textwrap.wrap(meaning, TERMINAL_WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
    return _CODES_HEAD + "\n".join(rows) + "\n" + _CODES_TAIL


TOPICS = {
    "lists": "the format of lists",
    "names": "how files are named: templates, folders",
    "resuming": "what is skipped, resumed and retried",
    "integrity": "how files are verified, and what is recorded",
    "politeness": "the limits for servers, and how to lower them",
    "settings": "the configuration file, profiles, hosts, proxies",
    "exit-codes": "the exit codes",
}


def topic(name: str) -> str:
    """The text of a topic. Raises KeyError for an unknown name."""
    texts = {
        "lists": topic_texts.LISTS,
        "names": topic_texts.NAMES,
        "resuming": topic_texts.RESUMING,
        "integrity": topic_texts.INTEGRITY,
        "politeness": topic_texts.POLITENESS,
        "settings": topic_texts.SETTINGS,
    }
    return _exit_codes() if name == "exit-codes" else texts[name]


def overview(commands: dict[str, str]) -> str:
    """The list of all topics and commands, one line each. ``commands``: the help text of each command, by name."""
    rows = [f"    dl help {name:<12} {text}" for name, text in (*TOPICS.items(), *commands.items())]
    return "\n".join(["dl --help lists the options. Topics and commands:", "", *rows, ""])
