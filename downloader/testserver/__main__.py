"""``python -m downloader.testserver`` (``dl-testserver``): the test server as a command of its own.

Exit codes: 0 after Ctrl-C, SIGTERM or, with ``--until-eof``, the end of standard input; 2 for wrong usage, or where it
cannot listen; 1 where the server itself gave up.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from downloader.testserver import lists
from downloader.testserver.errors import CannotStart, NotInstalled, WrongQuery
from downloader.testserver.serving import LOOPBACK, Place, exposure, resolve, run

NAME = "dl-testserver"
USAGE_ERROR = 2


def pip_command(*modules: str) -> str:
    """How to install these modules, as far as the test server knows."""
    return f"pip install {' '.join(modules)}"


def main(arguments: Sequence[str] | None = None, hint_for: Callable[..., str] = pip_command) -> None:
    """The entry point of the command. Does not return. ``hint_for``: says how to install the modules that it is given."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        named = _named(given.lists)
    except WrongQuery as error:
        parser.error(str(error))
    try:
        place = resolve(Place(given.host, given.port))
        if not given.until_eof and (warning := exposure(place)):  # else it is for the owner to say
            print(f"{NAME}: {warning}", file=sys.stderr)  # noqa: T201
        run(place, named, tls=given.tls, until_eof=given.until_eof)
    except NotInstalled as error:
        print(f"{NAME}: {error} ({hint_for(*error.modules) or pip_command(*error.modules)})", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE_ERROR)
    except CannotStart as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(USAGE_ERROR)
    except KeyboardInterrupt:  # before the server has taken signals over
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        NAME, description="Serve test files over HTTP until Ctrl-C. Its / says what can be asked.", allow_abbrev=False
    )
    parser.add_argument("--host", default=LOOPBACK, help=f"address to listen on  [{LOOPBACK}]")
    parser.add_argument("--port", type=_port, default=0, help="0: any that is free  [0]")
    parser.add_argument("--tls", action="store_true", help="https only, with a certificate made at start")
    parser.add_argument(
        "--list",
        dest="lists",
        metavar="NAME=QUERY",
        action="append",
        default=[],
        help="serve this list as /list/NAME; repeatable",
    )
    parser.add_argument("--until-eof", action="store_true", help="end with standard input too")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _named(texts: Sequence[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise WrongQuery(f"--list {text!r}: NAME=QUERY is wanted")
    return lists.named({name: query for name, _, query in (text.partition("=") for text in texts)})


if __name__ == "__main__":
    main()
