"""`dl serve`: the test server, with the scenarios of `dl compare` as named lists."""

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
from downloader.testserver.errors import CannotStart, NotInstalled, ServerError
from downloader.testserver.launch import TestServer
from downloader.testserver.nginx import Nginx, objection
from downloader.testserver.served import Served
from downloader.testserver.serving import LOOPBACK, Place, exposure, resolve

PORT = 8080
_PORT = read_as(Form("whole", least=0, most=65535))
_LOOK_EVERY = 0.5


@click.command("serve", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", metavar="ADDRESS", default=LOOPBACK, help=f"listen there  [{LOOPBACK}]")
@click.option("--port", metavar="N", type=str, callback=_PORT, default=str(PORT), help=f"0: any that is free  [{PORT}]")
@click.option("--tls", is_flag=True, help="https only, with a certificate made at start")
@click.option(
    "--server",
    "kind",
    metavar="|".join(KINDS),
    callback=read_as(Form("choice", choices=KINDS)),
    shell_complete=lambda context, parameter, text: [kind for kind in KINDS if kind.startswith(text)],
    default=BUILT_IN,
    help="nginx, where it is installed, moves large files faster; it does not fail on demand  [built-in]",
)
def command(host: str, port: int, tls: bool, kind: str) -> int:
    """Serve test files until Ctrl-C, and the lists that `dl compare` runs.

    Sizes, delays, rates and faults are asked for in the URL; the server's own / tells how. On loopback unless told otherwise.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _start(Place(host, port), tls, kind) as server:
            click.echo(_greeting(server))
            while not ended.wait(_LOOK_EVERY):
                if server.process.poll() is not None:
                    raise NetworkError("the test server ended by itself")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _start(place: Place, tls: bool, kind: str) -> Served:
    try:
        if warning := exposure(resolve(place)):
            click.echo(f"dl serve: {warning}", err=True)
        named = {scenario.name: scenario.query for scenario in SCENARIOS}
        if kind == BUILT_IN:
            return TestServer(tls=tls, lists=named, host=place.host, port=place.port)
        unable = {name: said for name, query in named.items() if (said := objection(query))}
        for name, said in unable.items():
            click.echo(f"dl serve: without the list {name}: {said}", err=True)
        able = {name: query for name, query in named.items() if name not in unable}
        return Nginx(tls=tls, lists=able, host=place.host, port=place.port)
    except NotInstalled as error:
        raise UsageError(str(error), hint=hint_for(*error.modules)) from None
    except CannotStart as error:
        raise UsageError(str(error), hint="another --port, or --port 0 for any that is free") from None
    except ServerError as error:
        raise UsageError(str(error), hint="--server built-in is always there") from None


def _greeting(server: Served) -> str:
    """What it is and how to use it."""
    trust = f" --cacert {server.cacert}" if server.cacert else ""
    about = {scenario.name: scenario.isolates for scenario in SCENARIOS}
    width = max(map(len, server.named))
    lists = (f"  {server.url}/list/{name:<{width}}  {about[name]}" for name in server.named)
    return "\n".join(
        [
            f"Serving test files on {server.url} until Ctrl-C. Lists:",
            *lists,
            "Fetch one, and compare it with the digests of what was served:",
            f"  curl -fsS{trust} {server.url}/list/small | dl - -d files{trust}",
            f"  (cd files && curl -fsS{trust} {server.url}/sums/small | sha256sum --check --quiet)",
        ]
    )
