"""Runs the test server in this process; ``python -m downloader.testserver`` calls `run`.

granian listens with SO_REUSEPORT, which would let two servers share a port and answer half of the requests each. So the port is
reserved with a socket that never listens.
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

from downloader.testserver.server_errors import CannotStart, NotInstalled

LOOPBACK = "127.0.0.1"
AUTHORITY_AT = "certificate authority: "
"""With https, the second line that is printed is this text and the path of the authority's certificate."""
_BACKLOG = 4096


class ListenAddress(NamedTuple):
    """The address to listen on: an IP address or a host name, and a port (0: any free port)."""

    host: str = LOOPBACK
    port: int = 0


def resolve(address: ListenAddress) -> ListenAddress:
    """Replace a host name by its IP address. Raises CannotStart."""
    try:
        candidates = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotStart(f"cannot listen on {address.host!r}: {_reason(error)}") from None
    addresses = [str(item[4][0]) for item in sorted(candidates, key=lambda item: item[0] != socket.AF_INET)]
    return ListenAddress(addresses[0], address.port)


def reserve(address: ListenAddress) -> socket.socket:
    """A bound socket that reserves the port as long as it is open. Raises CannotStart."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignore connections in TIME_WAIT of an ended server
        _bind(probe, address)
    keeper = socket.socket(family)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        _bind(keeper, address)
    except CannotStart:
        keeper.close()
        raise
    return keeper


def _bind(bound: socket.socket, address: ListenAddress) -> None:
    try:
        bound.bind(address)
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot listen on {address.host}, port {address.port}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is in use"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def reachable(address: ListenAddress) -> ListenAddress:
    """The address under which this machine reaches a server: the loopback address if the server listens on all addresses."""
    every = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - looked up, not listened on
    return ListenAddress(every.get(address.host, address.host), address.port)


def base_url(address: ListenAddress, tls: bool) -> str:
    """The URL of a server with this address, without a final slash."""
    host, port = reachable(address)
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def exposure(address: ListenAddress) -> str:
    """A warning that other machines can reach the server; empty for a loopback address. ``address``: resolved."""
    if ipaddress.ip_address(address.host).is_loopback:
        return ""
    return f"listening on {address.host}: other machines can reach the server, and use up this machine's processor and network"


def check_installed(*, tls: bool) -> None:
    """Raises NotInstalled if a module that the built-in server needs is missing. ``tls``: whether https is needed."""
    missing = [name for name in ("granian", *(("trustme",) if tls else ())) if find_spec(name) is None]
    if missing:
        raise NotInstalled(*missing)


def run(address: ListenAddress, named: Mapping[str, str], *, tls: bool, until_eof: bool) -> NoReturn:
    """Serve until SIGINT or SIGTERM, or with ``until_eof`` until standard input ends; then end the process with code 0.

    ``named``: the queries of the named lists. Prints the URL when the server listens, and with https the path of the
    authority's certificate. Raises CannotStart.
    """
    check_installed(tls=tls)
    address = resolve(address)
    keeper = reserve(address)
    address = ListenAddress(address.host, keeper.getsockname()[1])
    if sys.platform != "linux":
        keeper.close()  # other systems may not allow a second socket on the port
    folder = Path(tempfile.mkdtemp(prefix="dl-testserver-")) if tls else None
    finish = partial(_finish, folder)
    if until_eof:
        threading.Thread(target=_wait_for_owner, args=(finish,), name="owner", daemon=True).start()
    try:
        asyncio.run(_serve(address, named, folder, finish))
    except KeyboardInterrupt:  # before the loop handles signals
        finish()
    except BaseException:  # noqa: BLE001 - granian's panics have no public exception class
        traceback.print_exc()
    finish(1)


def _finish(folder: Path | None, code: int = 0) -> NoReturn:
    """End the process at once. Nothing else needs to be cleaned up, and granian's threads may hang at a normal exit."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)


def _wait_for_owner(finish: Callable[[], NoReturn]) -> None:
    """Call ``finish`` at the end of standard input, so that the server ends with the process that started it."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    finish()


async def _serve(address: ListenAddress, named: Mapping[str, str], folder: Path | None, finish: Callable[[], NoReturn]) -> None:
    from granian.constants import HTTPModes
    from granian.server.embed import Server  # here: only the server's process needs it

    from downloader.testserver.app import Application
    from downloader.testserver.certificate import issue

    files = issue(folder, address.host) if folder is not None else None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, finish)
    _allow_many_connections()
    server = Server(
        Application(named),
        address=address.host,
        port=address.port,
        http=HTTPModes.auto,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
        ssl_cert=files and files.certificate,
        ssl_key=files and files.key,
    )
    greeting = [base_url(address, tls=files is not None)]
    if files is not None:
        greeting.append(f"{AUTHORITY_AT}{files.authority}")
    greeting_task = loop.create_task(_greet(address, "\n".join(greeting)))
    await server.serve()
    await greeting_task


async def _greet(address: ListenAddress, greeting: str) -> None:
    """Print the greeting as soon as the server accepts connections."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(*reachable(address))
            writer.close()
            break
        await asyncio.sleep(0.005)
    print(greeting, flush=True)  # noqa: T201 - the process that started the server reads it


def _allow_many_connections() -> None:
    """Raise the limit of open files to the maximum of this user."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
