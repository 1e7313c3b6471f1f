"""What the benchmarks fetch from: the nginx of `downloader.testserver`, with further URLs. Shared by them; not to be run.

Needs nginx (Debian: ``apt-get install nginx-light``); for late answers also its echo module (``libnginx-mod-http-echo``), for
the cap on each connection its stream module (``libnginx-mod-stream``). Below a folder that is given, it serves ``files``
under these prefixes:

=========== ==========================================================================================================
/files/     as fast as it can
/late/      after 100 ms
/faulty/    one request in a hundred is answered with 503; the next try for the same file is another request
/hosts/     by the address that was asked (127.0.0.2 and following): a fifth of them 128 KiB a second, a fifth of them
            after 200 ms, the others after 0 to 40 ms
/tiny/      no file at all: the body is the path that was asked for
=========== ==========================================================================================================

A port of its own leads to the same through a cap of 10 MiB a second for each connection. (`limit_rate` counts each
request anew, and small ranges, one after the other on one connection, pass it by.) nginx counts rates in whole seconds:
what fits into the first second comes at once. https is HTTP/1.1, as http is: what is compared is the same for all.
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
"""Modules of nginx that some URLs need, and the Debian packages that hold them."""

ALIASES = ("late", "faulty", "hosts")
"""Prefixes that lead to the folder ``files``."""

SERVER = """
        location /files/ {{ root {content}; }}
        location /faulty/ {{ if ($faulty) {{ return 503; }} root {content}; }}
        location /tiny/ {{ return 200 $uri; }}
        {late}
"""
LATE = """
        location /late/ {{ echo_sleep 0.1; echo_exec @plain; }}
        location /hosts/ {{ echo_sleep $host_delay; echo_exec @host; }}
        location @plain {{ root {content}; }}
        location @host {{ root {content}; limit_rate $host_rate; }}
"""
HTTP = """
    split_clients $request_id $faulty {{ 1% 1; * ""; }}
    map $server_addr $host_rate {{ default 0; {rates} }}
    map $server_addr $host_delay {{ default 0; {delays} }}
"""
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
    """A running nginx, for https a second one; a context manager. ``content``: the folder above ``files``.

    ``hosts``: so many further addresses. ``workers``: processes of each nginx; 0: one for each core.
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
        """The address of `path`; `host` counts from 0, which is 127.0.0.1."""
        if tls:
            return f"{self._secure_url}/{path}"
        return f"http://{self.addresses[host]}:{self._capped_port if capped else self._port}/{path}"

    def _additions(self, content: Path, *, https: bool = False) -> Additions:
        """What is served beyond the test files of the package; without https also where."""
        modules = {name: path for name in MODULES if (path := module(name))}
        many = self.addresses[1:]
        rates = " ".join(f"{address} 128k;" for address in many[::5])
        delays = " ".join(f"{address} {_delay(number)};" for number, address in enumerate(many))
        server = SERVER.format(content=content, late=LATE.format(content=content) if "http_echo" in modules else "")
        http = HTTP.format(rates=rates, delays=delays)
        if https:
            return Additions(server, http)
        listen = "\n".join(f"        listen {address}:{self._port} backlog=4096;" for address in many)
        capped = CAPPED.format(address=LOOPBACK, capped_port=self._capped_port, port=self._port) if "stream" in modules else ""
        return Additions(server + listen, http, capped, (modules["stream"],) if capped else ())


def version() -> str:
    """The version of nginx, as 1.22.1. Ends the program where nginx is not installed."""
    try:
        return ".".join(map(str, find().version))
    except Unsupported as error:
        raise SystemExit(str(error)) from None


def problem(name: str) -> str:
    """Why a URL that needs this module of nginx cannot be had here; empty if it can."""
    try:
        return "" if module(name) else f"nginx has no module {name} here (Debian: apt-get install {MODULES[name]})"
    except Unsupported as error:
        return str(error)


def has_address(address: str) -> bool:
    """Whether this machine answers there: Linux has all of 127.0.0.0/8."""
    with suppress(OSError), socket.socket() as one:
        one.bind((address, 0))
        return True
    return False


def _delay(host: int) -> str:
    """Seconds that this host waits before it answers."""
    return {0: "0", 1: "0.2"}.get(host % 5, f"{host % 5 * 0.01:.2f}")
