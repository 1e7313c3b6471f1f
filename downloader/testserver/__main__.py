"""``python -m downloader.testserver`` (``dl-testserver``): the command of the test server.

Exit codes: 0 after Ctrl-C, SIGTERM or, with ``--until-eof``, the end of standard input; 2 for wrong usage, or if the server
cannot listen; 1 if the server failed.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from downloader.testserver import queries
from downloader.testserver.server_errors import CannotStart, NotInstalled, WrongQuery
from downloader.testserver.serving import LOOPBACK, ListenAddress, exposure, resolve, run

NAME = "dl-testserver"
USAGE_ERROR = 2


def pip_command(*modules: str) -> str:
    """The command that installs these modules."""
    return f"pip install {' '.join(modules)}"


def main(arguments: Sequence[str] | None = None, hint_for: Callable[..., str] = pip_command) -> None:
    """Run the command and exit. ``hint_for``: returns how to install the modules with the given names."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        named = _named(given.lists)
    except WrongQuery as error:
        parser.error(str(error))
    try:
        address = resolve(ListenAddress(given.host, given.port))
        if not given.until_eof and (warning := exposure(address)):  # with --until-eof, the parent process warns
            print(f"{NAME}: {warning}", file=sys.stderr)  # noqa: T201
        run(address, named, tls=given.tls, until_eof=given.until_eof)
    except NotInstalled as error:
        print(f"{NAME}: {error} ({hint_for(*error.modules) or pip_command(*error.modules)})", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE_ERROR)
    except CannotStart as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:  # before the server handles signals
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        NAME, description="Serve test files over HTTP until Ctrl-C. The page / explains the URLs.", allow_abbrev=False
    )
    parser.add_argument("--host", default=LOOPBACK, help=f"address to listen on  [{LOOPBACK}]")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on; 0: any free port  [0]")
    parser.add_argument("--tls", action="store_true", help="serve https only, with a certificate that is made at the start")
    parser.add_argument(
        "--list",
        dest="lists",
        metavar="NAME=QUERY",
        action="append",
        default=[],
        help="serve this list as /list/NAME; may be repeated",
    )
    parser.add_argument("--until-eof", action="store_true", help="also end when standard input ends")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _named(texts: Sequence[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise WrongQuery(f"--list: expected NAME=QUERY, got {text!r}")
    return queries.checked_lists({name: query for name, _, query in (text.partition("=") for text in texts)})


if __name__ == "__main__":
    main()
