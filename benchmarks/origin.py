"""The server of the benchmarks: the nginx of `downloader.testserver`, with further URLs. Shared by them; not to be run.

It needs nginx (Debian: ``apt-get install nginx-light``); its echo module for delays (``libnginx-mod-http-echo``); its stream
module for the maximum rate of each connection (``libnginx-mod-stream``). It serves the subfolder ``files`` of a given folder
under these prefixes:

=========== ==========================================================================================================
/files/     without a delay and without a limit
/late/      after 100 ms
/faulty/    2 % of the answers are 503; a retry of the same file is a new request
/hosts/     depends on the address of the server (127.0.0.2 and following): a fifth of them 128 KiB a second, a fifth of them
            after 200 ms, the others after 0 to 40 ms
/tiny/NAME  not a file: a body of 100 bytes that depends on the path, see `tiny_body`
=========== ==========================================================================================================

A second port leads to the same files with a maximum rate of 10 MiB a second for each connection. (nginx applies `limit_rate` to
each request. A client that asks for small ranges, one after the other, on one connection is not limited by it.) nginx counts
rates in whole seconds: the bytes of the first second arrive at once. https is HTTP/1.1, like http, so that all clients
use the same protocol.
"""

import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from downloader.testserver.nginx import Nginx, find, module
from downloader.testserver.nginx_config import Additions
from downloader.testserver.server_errors import ServerError, Unsupported
from downloader.testserver.serving import LOOPBACK, ListenAddress, reserve

MODULES = {"http_echo": "libnginx-mod-http-echo", "stream": "libnginx-mod-stream"}
"""Modules of nginx that some URLs need, and their Debian packages."""

ALIASES = ("late", "faulty", "hosts")
"""Prefixes that lead to the folder ``files``."""

SERVER = """
        location /files/ {{ root {content}; }}
        location /faulty/ {{ if ($faulty) {{ return 503; }} root {content}; }}
        location /tiny/ {{ return 200 "{tiny}"; }}
        {late}
"""
LATE = """
        location /late/ {{ echo_sleep 0.1; echo_exec @plain; }}
        location /hosts/ {{ echo_sleep $host_delay; echo_exec @host; }}
        location @plain {{ root {content}; }}
        location @host {{ root {content}; limit_rate $host_rate; }}
"""
HTTP = """
    split_clients $request_id $faulty {{ 2% 1; * ""; }}
    map $server_addr $host_rate {{ default 0; {rates} }}
    map $server_addr $host_delay {{ default 0; {delays} }}
"""
TINY_REPEATS, TINY_PADDING = 7, ".."
CAPPED = """
stream {{
    server {{
        listen {address}:{capped_port} backlog=4096;
        proxy_pass {address}:{port};
        proxy_download_rate 10m;
    }}
}}
"""


class Origin:
    """A running nginx, and a second one for https; a context manager. ``content``: the folder that contains ``files``.

    ``hosts``: the number of further addresses. ``workers``: the worker processes of each nginx; 0: one for each core.
    """

    def __init__(self, content: Path, *, workers: int = 0, hosts: int = 0, tls: bool = False) -> None:
        self.addresses = [LOOPBACK, *(f"127.0.0.{2 + number}" for number in range(hosts))]
        self.cacert: Path | None = None
        for name in ALIASES:
            if not (content / name).exists():
                (content / name).symlink_to("files")
        with reserve(ListenAddress(LOOPBACK, 0)) as one, reserve(ListenAddress(LOOPBACK, 0)) as other:
            self._port, self._capped_port = (int(keeper.getsockname()[1]) for keeper in (one, other))
        with ExitStack() as stack:
            try:
                stack.enter_context(Nginx(port=self._port, workers=workers, added=self._additions(content)))
                if tls:
                    added = self._additions(content, https=True)
                    secure = stack.enter_context(Nginx(tls=True, http2=False, workers=workers, added=added))
                    self._secure_url, self.cacert = secure.url, Path(secure.cacert)
            except ServerError as error:
                raise SystemExit(str(error)) from None
            self._running = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def url(self, path: str, *, host: int = 0, tls: bool = False, capped: bool = False) -> str:
        """The URL of a path. ``host``: the number of an address; 0 is 127.0.0.1."""
        if tls:
            return f"{self._secure_url}/{path}"
        return f"http://{self.addresses[host]}:{self._capped_port if capped else self._port}/{path}"

    def _additions(self, content: Path, *, https: bool = False) -> Additions:
        """The directives for these URLs; without https, the further addresses and the second port, too."""
        modules = {name: path for name in MODULES if (path := module(name))}
        many = self.addresses[1:]
        rates = " ".join(f"{address} 128k;" for address in many[::5])
        delays = " ".join(f"{address} {_delay(number)};" for number, address in enumerate(many))
        late = LATE.format(content=content) if "http_echo" in modules else ""
        server = SERVER.format(content=content, late=late, tiny=TINY_REPEATS * "$uri" + TINY_PADDING)
        http = HTTP.format(rates=rates, delays=delays)
        if https:
            return Additions(server, http)
        listen = "\n".join(f"        listen {address}:{self._port} backlog=4096;" for address in many)
        capped = CAPPED.format(address=LOOPBACK, capped_port=self._capped_port, port=self._port) if "stream" in modules else ""
        return Additions(server + listen, http, capped, (modules["stream"],) if capped else ())


def tiny_body(name: str) -> bytes:
    """The body of ``/tiny/NAME``: the path seven times, and two dots. It has 100 bytes if the name has 8 characters."""
    return (TINY_REPEATS * f"/tiny/{name}" + TINY_PADDING).encode()


def version() -> str:
    """The version of nginx, as 1.22.1. Ends the program where nginx is not installed."""
    try:
        return ".".join(map(str, find().version))
    except Unsupported as error:
        raise SystemExit(str(error)) from None


def problem(name: str) -> str:
    """Why URLs that need this module of nginx cannot be served; empty if they can."""
    try:
        return "" if module(name) else f"nginx has no module {name} here (Debian: apt-get install {MODULES[name]})"
    except Unsupported as error:
        return str(error)


def has_address(address: str) -> bool:
    """Whether this machine has the address. Linux has all of 127.0.0.0/8."""
    with suppress(OSError), socket.socket() as one:
        one.bind((address, 0))
        return True
    return False


def _delay(host: int) -> str:
    """The delay of this host in seconds, as text."""
    return {0: "0", 1: "0.2"}.get(host % 5, f"{host % 5 * 0.01:.2f}")
