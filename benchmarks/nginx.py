"""nginx as the server of the benchmarks, on loopback only, in a folder of its own. Shared by them; not to be run.

Needs nginx (Debian: ``apt-get install nginx-light``); for what answers late also its echo module
(``libnginx-mod-http-echo``), for the cap on each connection its stream module (``libnginx-mod-stream``), for https the
package trustme. It serves the folder ``files`` under these prefixes:

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
what fits into the first second comes at once.
"""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

ALIASES = ("late", "faulty", "hosts")
MODULES = {"http_echo": "libnginx-mod-http-echo", "stream": "libnginx-mod-stream"}
"""What may be loaded, and the Debian package that holds it."""
SECRET_MODE = 0o600

CONFIG = """
{load}
{user}
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    default_type application/octet-stream;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server_tokens off;
    split_clients $request_id $faulty {{ 1% 1; * ""; }}
    map $server_addr $host_rate {{ default 0; {rates} }}
    map $server_addr $host_delay {{ default 0; {delays} }}
    server {{
        {listen}
        {tls}
        root {content};
        location / {{ }}
        location /faulty/ {{ if ($faulty) {{ return 503; }} }}
        location /tiny/ {{ return 200 $uri; }}
        {late}
    }}
}}
{capped}
"""

LATE = """
        location /late/ { echo_sleep 0.1; echo_exec @file; }
        location /hosts/ { echo_sleep $host_delay; echo_exec @host; }
        location @file { }
        location @host { limit_rate $host_rate; }
"""

TLS = """
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_session_cache shared:tls:10m;
"""

CAPPED = """
stream {{
    server {{
        listen 127.0.0.1:{capped_port} backlog=4096;
        proxy_pass 127.0.0.1:{port};
        proxy_download_rate 10m;
    }}
}}
"""


class Nginx:
    """A running nginx; a context manager. `folder` takes its configuration, `content` is what it serves."""

    def __init__(self, folder: Path, content: Path, *, workers: str = "auto", hosts: int = 0, tls: bool = False) -> None:
        program = find()
        if program is None:
            raise SystemExit("nginx is not installed here (Debian: apt-get install nginx-light)")
        self.program = program
        self.folder = folder
        self.addresses = ["127.0.0.1", *(f"127.0.0.{2 + number}" for number in range(hosts))]
        self.port, self.tls_port, self.capped_port = _free_ports(3)
        self.cacert = folder / "ca.pem" if tls else None
        self.process: subprocess.Popen[bytes] | None = None
        for name in ALIASES:
            if not (content / name).exists():
                (content / name).symlink_to("files")
        if tls:
            self._certify()
        (folder / "nginx.conf").write_text(self._config(content, workers))

    def url(self, path: str, *, host: int = 0, tls: bool = False, capped: bool = False) -> str:
        """The address of `path`; `host` counts from 0, which is 127.0.0.1."""
        scheme, port = ("https", self.tls_port) if tls else ("http", self.capped_port if capped else self.port)
        return f"{scheme}://{self.addresses[host]}:{port}/{path}"

    def __enter__(self) -> "Nginx":
        log, config = self.folder / "error.log", self.folder / "nginx.conf"
        command = [self.program, "-p", str(self.folder), "-c", str(config), "-e", str(log)]
        with (self.folder / "told").open("wb") as told:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, start_new_session=True)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        """Its workers end with it; those that do not are in its process group."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _wait_until_it_answers(self) -> None:
        assert self.process is not None
        for _ in range(100):
            if self.process.poll() is not None:
                said = (self.folder / "told").read_text() or (self.folder / "error.log").read_text()
                raise SystemExit(f"nginx did not start: {said.strip()}")
            with suppress(OSError), socket.create_connection((self.addresses[-1], self.port), 1):
                return
            time.sleep(0.05)
        raise SystemExit("nginx does not answer")

    def _config(self, content: Path, workers: str) -> str:
        """The whole configuration file."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = min(hard if hard != resource.RLIM_INFINITY else 65536, 65536)
        modules = {name: path for name in MODULES if (path := module(name))}
        many = self.addresses[1:]
        listen = [f"listen {address}:{self.port} backlog=4096;" for address in self.addresses]
        if self.cacert:
            listen.append(f"listen 127.0.0.1:{self.tls_port} ssl backlog=4096;")
        return CONFIG.format(
            load="\n".join(f"load_module {path};" for path in modules.values()),
            user="user root;" if os.geteuid() == 0 else "",  # the folder is readable by its owner only
            workers=workers,
            files=max(files, soft if soft != resource.RLIM_INFINITY else 0),
            connections=min(8192, files // 2),
            folder=self.folder,
            content=content,
            rates=" ".join(f"{address} 128k;" for address in many[::5]),
            delays=" ".join(f"{address} {_delay(number)};" for number, address in enumerate(many)),
            listen="\n        ".join(listen),
            tls=TLS.format(folder=self.folder) if self.cacert else "",
            late=LATE if "http_echo" in modules else "",
            capped=CAPPED.format(capped_port=self.capped_port, port=self.port) if "stream" in modules else "",
        )

    def _certify(self) -> None:
        """A certificate authority that lives as long as this server."""
        try:
            import trustme
        except ImportError:
            raise SystemExit("https needs the package trustme: pip install trustme") from None
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(self.folder / "ca.pem")
        key = self.folder / "server.key"
        key.touch(SECRET_MODE)
        certificate.private_key_pem.write_to_path(key)
        for number, part in enumerate(certificate.cert_chain_pems):
            part.write_to_path(self.folder / "server.pem", append=number > 0)


def find() -> str | None:
    """The program; Debian keeps it where users do not look."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def version() -> str:
    """What it says of itself; empty where it is not installed."""
    program = find()
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr if program else ""
    return said.strip().rpartition("/")[2]


def module(name: str) -> Path | None:
    """Where one of `MODULES` is, if it is installed."""
    program = find()
    if program is None:
        return None
    said = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    found = re.search(r"--modules-path=(\S+)", said)
    path = Path(found[1] if found else "/usr/lib/nginx/modules") / f"ngx_{name}_module.so"
    return path if path.exists() else None


def has_address(address: str) -> bool:
    """Whether this machine answers there: Linux has all of 127.0.0.0/8."""
    with suppress(OSError), socket.socket() as one:
        one.bind((address, 0))
        return True
    return False


def _delay(host: int) -> str:
    """Seconds that this host waits before it answers."""
    return {0: "0", 1: "0.2"}.get(host % 5, f"{host % 5 * 0.01:.2f}")


def _free_ports(count: int) -> list[int]:
    """Some that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
