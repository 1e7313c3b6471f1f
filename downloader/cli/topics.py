"""`dl help`: what the options alone do not explain, a page for each topic."""

from collections.abc import Iterator

from downloader import errors

WIDTH = 79

_LISTS = """\
dl LIST...: each LIST is a file, a URL, or - for standard input.

A file has one URL a line. Blank lines and lines that begin with # are passed
over. The encoding is UTF-8, or UTF-16 with a byte order mark.

    https://example.org/readme.txt
    https://example.org/big.iso    https://mirror.example.net/big.iso
      out=images/big.iso
      checksum=sha-256=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c...
      header=Referer: https://example.org/

Further URLs on a line, separated by TAB, are mirrors of the same file.
Indented lines are options of the URL above them, in the format of aria2:

    out=NAME               the name of the file, below dir= and --dir
    dir=FOLDER             the folder of the file, below --dir
    checksum=KIND=DIGEST   sha-256, sha-512, sha-384, sha-224, sha-1 or md5
    header=NAME: VALUE     a header for this URL; may be repeated
    referer=URL            the same as header=Referer: URL
    user-agent=TEXT        the same as header=User-Agent: TEXT

Other options of aria2 are passed over. A name without out= is the last part
of the path of the URL. Two URLs with one name are told apart by a short digest
of the URL, which is the same on every run. A URL that is listed twice is
fetched once. Nothing is written outside of --dir.

A wrong line is told with its file and number, and nothing is started;
--skip-bad-lines goes on past wrong lines. --dry-run prints what would be
fetched and where to. --failed FILE writes the entries that failed, with their
options, as a list to be fed back.

For one URL: dl URL -o NAME.
A list whose name is a command is given with its folder: dl ./compare.
"""

_RESUMING = """\
Run the same command again. What is complete is skipped, what was begun is
resumed, what failed is tried again. No option is needed.

A file gets its name when it is complete and, where a checksum is known,
verified. Until then it is NAME.part, with NAME.part.meta beside it: the
validator of the server (a strong ETag, or Last-Modified) and what is complete.

A resume asks for the missing bytes with If-Range and the validator. If the
file changed on the server meanwhile, the server sends the whole file, and dl
begins at zero: two versions are never mixed. Without a validator dl begins at
zero, too.

Ctrl-C (or SIGTERM) once: nothing more is started, running files get --grace
seconds to end. Twice: the run ends at once. After either, and after a crash,
the same command goes on.

What is done where a file is there already (--on-exists):

    skip        keep the file, ask for nothing (the default)
    refresh     fetch the file again where the server has a newer one
    overwrite   fetch the file again
    rename      keep the file, and name the new one NAME.1.EXT
    fail        report an error

With --checksums, or checksum= in a list, a file that is there is verified
first, and fetched again where it is wrong.

Within a run, dl tries again after refused and reset connections, stalls, cut
bodies, 408, 425, 429, 500, 502, 503, 504 and 520 to 529: --retries N times,
after pauses that grow from --retry-wait, or that the server names in
Retry-After (at most --max-retry-after).
"""

_POLITENESS = """\
Servers that are not yours have other users. dl limits itself:

    hosts elsewhere     at most 16 connections to one host, and 6 for one file
    loopback, private   as many as help

--per-host N and --segments N say other numbers. --aggressive takes these
limits away for all hosts.

    --per-host N                at most N connections to one host
    --segments 1                never more than one connection for one file
    --wait TIME                 a pause between two requests to one host
    --max-requests-per-second N at most N requests a second to one host
    --obey-robots               keep the Crawl-delay of each host's robots.txt
    --limit-rate-per-host SIZE  at most so many bytes a second from one host
    --limit-rate SIZE           at most so many bytes a second in all
    --user-agent TEXT           who asks: a name, and an address to complain to

For one connection and one request every two seconds:

    dl urls.txt --per-host 1 --segments 1 --wait 2

What dl always does: 429, 503, time-outs and refused connections halve the
number of requests that run at once. A pause that a server asks for in
Retry-After is kept, up to --max-retry-after. Pauses between tries grow, and
are random in length, so that many clients do not come back at one moment.
Hosts take turns, so that a list of many hosts does not burden one host at a
time. A host that has never answered is given up for the whole list after N
time-outs (--host-failures N); one that refuses, or answers 503, is not.
"""

_CODES_HEAD = """\
0 when every file is there: fetched now, or skipped as it was there already.
Otherwise the code says what kind of failure there was. It does not depend on
the order in which the files end.

"""

_CODES_TAIL = """
1 stands for failures of several kinds, too. --report FILE has the kind of each
failure, as "error": {"class": ...}.

    130  ended by Ctrl-C
    141  the reader of standard output went away
    143  ended by SIGTERM
"""


def _kinds(root: type[errors.DownloadError]) -> Iterator[type[errors.DownloadError]]:
    """The classes that have an exit code of their own, in the order of `downloader.errors`."""
    for cls in root.__subclasses__():
        if "exit_code" in vars(cls):
            yield cls
        yield from _kinds(cls)


def _exit_codes() -> str:
    """Each code with the class of errors and its first line, from the classes themselves."""
    import textwrap

    kinds = {cls.exit_code: cls for cls in _kinds(errors.DownloadError) if cls.exit_code < 128}
    kinds[errors.WorkerError.exit_code] = errors.WorkerError
    rows = []
    for code, cls in sorted(kinds.items()):
        about = (cls.__doc__ or "").replace("``", "").partition("\n")[0]
        start = f"    {code:>3}  {cls.__name__:<17} "
        indent = " " * len(start)
        rows += textwrap.wrap(about, WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False)
    return _CODES_HEAD + "\n".join(rows) + "\n" + _CODES_TAIL


TOPICS = {
    "lists": "what a list may hold",
    "resuming": "what is kept, skipped and tried again",
    "politeness": "how hard servers are asked, and how to ask less",
    "exit-codes": "what the exit code says",
}


def topic(name: str) -> str:
    """The text of a topic. Raises KeyError."""
    return _exit_codes() if name == "exit-codes" else {"lists": _LISTS, "resuming": _RESUMING, "politeness": _POLITENESS}[name]


def overview(commands: dict[str, str]) -> str:
    """The topics and the commands, each with a line about it."""
    rows = [f"    dl help {name:<12} {about}" for name, about in (*TOPICS.items(), *commands.items())]
    return "\n".join(["dl --help lists the options. Topics and commands:", "", *rows, ""])
