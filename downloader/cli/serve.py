"""`dl serve`: starts the test server, with the scenarios of `dl compare` as named lists."""

import signal
import threading
from types import FrameType

import click

from downloader.cli.options import read_as
from downloader.compare.scenarios import SCENARIOS
from downloader.compare.servers import BUILT_IN, KINDS
from downloader.errors import NetworkError, UsageError
from downloader.extras import hint_for
from downloader.settings.values import Form
from downloader.testserver.launch import TestServer
from downloader.testserver.nginx import Nginx, objection
from downloader.testserver.served import Served
from downloader.testserver.server_errors import CannotStart, NotInstalled, ServerError
from downloader.testserver.serving import LOOPBACK, ListenAddress, exposure, resolve

DEFAULT_PORT = 8080
POLL_INTERVAL = 0.5
"""Seconds between two checks of whether the server's process still runs."""
_read_port = read_as(Form("whole", minimum=0, maximum=65535))


@click.command("serve", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", metavar="ADDRESS", default=LOOPBACK, help=f"address to listen on  [{LOOPBACK}]")
@click.option(
    "--port",
    metavar="N",
    type=str,
    callback=_read_port,
    default=str(DEFAULT_PORT),
    help=f"port to listen on; 0: any free port  [{DEFAULT_PORT}]",
)
@click.option("--tls", is_flag=True, help="serve https only, with a certificate that is made at the start")
@click.option(
    "--server",
    "kind",
    metavar="|".join(KINDS),
    callback=read_as(Form("choice", choices=KINDS)),
    shell_complete=lambda context, parameter, text: [kind for kind in KINDS if kind.startswith(text)],
    default=BUILT_IN,
    help="nginx, if it is installed, sends large files faster, but supports no faults  [built-in]",
)
def command(host: str, port: int, tls: bool, kind: str) -> int:
    """Serve test files and the lists of `dl compare` until Ctrl-C.

    The URL of a file sets its size, delay, rate and faults; the page / of the server explains how. The server listens on
    the loopback address unless --host is given.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _start(ListenAddress(host, port), tls, kind) as server:
            click.echo(_greeting(server))
            while not ended.wait(POLL_INTERVAL):
                if server.process.poll() is not None:
                    raise NetworkError("the test server ended unexpectedly")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _start(address: ListenAddress, tls: bool, kind: str) -> Served:
    try:
        if warning := exposure(resolve(address)):
            click.echo(f"dl serve: {warning}", err=True)
        named = {scenario.name: scenario.query for scenario in SCENARIOS}
        if kind == BUILT_IN:
            return TestServer(tls=tls, lists=named, host=address.host, port=address.port)
        unsupported = {name: reason for name, query in named.items() if (reason := objection(query))}
        for name, reason in unsupported.items():
            click.echo(f"dl serve: without the list {name}: {reason}", err=True)
        supported = {name: query for name, query in named.items() if name not in unsupported}
        return Nginx(tls=tls, lists=supported, host=address.host, port=address.port)
    except NotInstalled as error:
        raise UsageError(str(error), hint=hint_for(*error.modules)) from None
    except CannotStart as error:
        raise UsageError(str(error), hint="give another --port, or --port 0 for any free port") from None
    except ServerError as error:
        raise UsageError(str(error), hint="--server built-in needs no other program") from None


def _greeting(server: Served) -> str:
    """The text that is printed when the server is ready: its lists, and how to fetch and verify one."""
    trust = f" --cacert {server.cacert}" if server.cacert else ""
    purposes = {scenario.name: scenario.isolates for scenario in SCENARIOS}
    width = max(map(len, server.named))
    lists = (f"  {server.url}/list/{name:<{width}}  {purposes[name]}" for name in server.named)
    return "\n".join(
        [
            f"Serving test files on {server.url} until Ctrl-C. Lists:",
            *lists,
            "Fetch a list, and verify the files against the server's digests:",
            f"  curl -fsS{trust} {server.url}/list/small | dl - -d files{trust}",
            f"  (cd files && curl -fsS{trust} {server.url}/sums/small | sha256sum --check --quiet)",
        ]
    )
