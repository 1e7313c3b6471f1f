"""Serves in this process, from start to end: `run` is what ``python -m downloader.testserver`` does.

The port is reserved with a socket of our own that never listens: granian listens beside it (SO_REUSEPORT), which would
also let two servers share a port, each answering half of the requests.
"""

import asyncio
import errno
import ipaddress
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, NoReturn

from downloader.testserver.errors import CannotStart, NotInstalled

LOOPBACK = "127.0.0.1"
AUTHORITY_AT = "certificate authority: "
"""What stands before the path in the second line that is printed, with https."""
_BACKLOG = 4096


class Place(NamedTuple):
    """Where to listen: an IP address, and a port (0: any that is free)."""

    host: str = LOOPBACK
    port: int = 0


def resolve(place: Place) -> Place:
    """The place with an IP address instead of a name. Raises CannotStart."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotStart(f"cannot listen on {place.host!r}: {_why(error)}") from None
    addresses = [str(item[4][0]) for item in sorted(found, key=lambda item: item[0] != socket.AF_INET)]
    return Place(addresses[0], place.port)


def reserve(place: Place) -> socket.socket:
    """A bound socket that keeps a port for its owner, as long as it is open. Raises CannotStart."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a closed server left behind is no hindrance
        _bind(probe, place)
    keeper = socket.socket(family)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        _bind(keeper, place)
    except CannotStart:
        keeper.close()
        raise
    return keeper


def _bind(one: socket.socket, place: Place) -> None:
    try:
        one.bind(place)
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot listen on {place.host}, port {place.port}: {_why(error)}") from None


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def reachable(place: Place) -> Place:
    """Where this machine reaches a server that listens there: loopback for one on all addresses."""
    every = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - looked up, not listened on
    return Place(every.get(place.host, place.host), place.port)


def base_url(place: Place, tls: bool) -> str:
    """The URL of a server there, without a slash at its end."""
    host, port = reachable(place)
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def exposure(place: Place) -> str:
    """What to be warned of; empty on loopback. ``place``: resolved."""
    if ipaddress.ip_address(place.host).is_loopback:
        return ""
    return f"listening on {place.host}: whoever reaches this machine there can use up its processor and its network"


def check_installed(*, tls: bool) -> None:
    """Raises NotInstalled where a module is missing that the built-in server needs, for https if ``tls``."""
    missing = [name for name in ("granian", *(("trustme",) if tls else ())) if find_spec(name) is None]
    if missing:
        raise NotInstalled(*missing)


def run(place: Place, named: Mapping[str, str], *, tls: bool, until_eof: bool) -> NoReturn:
    """Serve until SIGINT or SIGTERM, or also until standard input ends; then end the process, with 0.

    Prints the URL once it listens, and with https where the certificate of its authority is. Raises CannotStart.
    """
    check_installed(tls=tls)
    place = resolve(place)
    keeper = reserve(place)
    place = Place(place.host, keeper.getsockname()[1])
    if sys.platform != "linux":
        keeper.close()  # whether listening beside it is possible there is not known
    folder = Path(tempfile.mkdtemp(prefix="dl-testserver-")) if tls else None
    finish = partial(_finish, folder)
    if until_eof:
        threading.Thread(target=_wait_for_owner, args=(finish,), name="owner", daemon=True).start()
    try:
        asyncio.run(_serve(place, named, folder, finish))
    except KeyboardInterrupt:  # before the loop had taken it over
        finish()
    except BaseException:  # noqa: BLE001 - granian's panics are of no class that has a name
        traceback.print_exc()
    finish(1)


def _finish(folder: Path | None, code: int = 0) -> NoReturn:
    """End the process at once: there is nothing else to tidy up, and granian's threads do not take an orderly end well."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


def _wait_for_owner(finish: Callable[[], NoReturn]) -> None:
    """So the server never outlives its owner, however that ends."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    finish()


async def _serve(place: Place, named: Mapping[str, str], folder: Path | None, finish: Callable[[], NoReturn]) -> None:
    from granian.constants import HTTPModes
    from granian.server.embed import Server  # here: only the server's own process pays for it

    from downloader.testserver.app import Application
    from downloader.testserver.certificate import issue

    files = issue(folder, place.host) if folder is not None else None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, finish)
    _allow_many_connections()
    server = Server(
        Application(named),
        address=place.host,
        port=place.port,
        http=HTTPModes.auto,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
        ssl_cert=files and files.certificate,
        ssl_key=files and files.key,
    )
    greeting = [base_url(place, tls=files is not None)]
    if files is not None:
        greeting.append(f"{AUTHORITY_AT}{files.authority}")
    told = loop.create_task(_greet(place, "\n".join(greeting)))
    await server.serve()
    await told


async def _greet(place: Place, greeting: str) -> None:
    """Print it as soon as connections are accepted."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(*reachable(place))
            writer.close()
            break
        await asyncio.sleep(0.005)
    print(greeting, flush=True)  # noqa: T201 - what the command is for


def _allow_many_connections() -> None:
    """As many open files as the system lets this user have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
