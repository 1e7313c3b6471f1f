"""An installed nginx with the URLs of the built-in server, for large bodies, where the built-in server would be the limit.

Differences from the built-in server: the files must exist before they are requested (`Nginx.listing` and `Nginx.file` write
them), in memory if the system has an in-memory file system; no faults; no ``Repr-Digest``; only named lists over HTTP.
``rate=`` is nginx's ``limit_rate``, which counts in whole seconds, so the bytes of the first second are sent at once.
``delay=`` requires nginx's echo module.
"""

import math
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from downloader.testserver import certificate, content, nginx_config, queries
from downloader.testserver.answers import MODIFIED_AT
from downloader.testserver.queries import checked_lists
from downloader.testserver.served import Served, available_cores
from downloader.testserver.server_errors import CannotStart, Unsupported
from downloader.testserver.serving import LOOPBACK, ListenAddress, base_url, reachable, reserve, resolve

__all__ = ["Nginx", "Unsupported"]

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - files go into a new folder of our own below it
_WATCHDOG_SCRIPT = 'folder=$1; shift; "$@" & server=$!; cat >/dev/null; kill $server; wait $server; rm -rf -- "$folder"'
"""The shell script that runs nginx: when its input ends, with the process that started it, it ends nginx and removes the
folder."""
_BLOCK = 4096
"""The block size of the file system, in bytes, for an estimate of the space."""
_TIMEOUT = 5.0
"""Seconds for the start and for the end of nginx."""
_MAX_OPEN_FILES = 65536


class Nginx(Served):
    """A running nginx.

    ``tls``, ``lists``, ``host``, ``port``: see `TestServer`. ``http2``: whether to offer HTTP/2 with TLS. ``workers``: the
    number of worker processes; 0: one for each core. ``added``: further directives of the configuration. Raises Unsupported
    if nginx is not installed, or does not support a list; CannotStart; and WrongQuery for an invalid list.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        lists: Mapping[str, str] | None = None,
        host: str = LOOPBACK,
        port: int = 0,
        http2: bool = True,
        workers: int = 0,
        added: nginx_config.Additions | None = None,
    ) -> None:
        program = find()
        self._program = program._replace(http2=program.http2 and http2)
        self._limits = nginx_config.NginxLimits(workers or available_cores(), _open_files())
        self._added = added or nginx_config.Additions()
        address = resolve(ListenAddress(host, port))
        self.named = checked_lists(lists or {})
        self._folder = Path(tempfile.mkdtemp(prefix="dl-nginx-", dir=_memory_folder()))
        self._content = self._folder / "content"
        self._written: set[Path] = set()
        self.cacert = ""
        try:
            with reserve(address) as keeper:
                address = ListenAddress(address.host, keeper.getsockname()[1])
                self.port, self.url = address.port, base_url(address, tls)
                files = certificate.issue(self._folder, address.host) if tls else None
                self.cacert = str(files.authority) if files else ""
                self._write_lists()
                self.process = self._start(address, files)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        try:
            self._wait(address)
        except BaseException:
            self.close()
            raise

    def _start(self, address: ListenAddress, files: certificate.Files | None) -> "subprocess.Popen[bytes]":
        program = self._program
        config = self._folder / "nginx.conf"
        config.write_text(
            nginx_config.text(
                program, address, self._folder, self._content, files, self._limits, os.geteuid() == 0, self._added
            )
        )
        command = [program.path, "-p", str(self._folder), "-c", str(config), "-e", str(self._folder / "error.log")]
        check = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False)  # noqa: S603
        if check.returncode:
            raise CannotStart(f"nginx does not start: {check.stderr.strip()[-500:]}")
        shell = ["/bin/sh", "-c", _WATCHDOG_SCRIPT, "sh", str(self._folder), *command]
        return subprocess.Popen(  # noqa: S603 - nginx, run by the watchdog script
            shell, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def _wait(self, address: ListenAddress) -> None:
        """Wait until nginx accepts connections. Raises CannotStart."""
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(reachable(address), 1):
                return
            time.sleep(0.01)
        with suppress(OSError):
            raise CannotStart(f"nginx does not start: {(self._folder / 'error.log').read_text()[-500:].strip()}")
        raise CannotStart("nginx does not start")

    def _write_lists(self) -> None:
        for kind in ("list", "sums"):
            (self._content / kind).mkdir(parents=True)
        index = "".join(f"{name}  {query}\n" for name, query in self.named.items())
        (self._content / nginx_config.INDEX).write_text(index)
        for name, query in self.named.items():
            (self._content / "list" / name).write_text(self.listing(query))
            sums = "".join(f"{digest}  {file}\n" for file, digest in self.sums(query).items())
            (self._content / "sums" / name).write_text(sums)

    @property
    def cores(self) -> float:
        """The maximum number of cores that nginx can use on this machine."""
        return float(available_cores())

    def _provide(self, entries: Iterable[queries.ListedFile], options: queries.FileOptions) -> None:
        """Write the files that do not exist yet. Raises Unsupported."""
        if reason := _objection(options):
            raise Unsupported(reason)
        self._write(entries, options.seed)

    def listing(self, query: str) -> str:
        """Write the files of a list, and return its URLs, one per line. Raises WrongQuery, Unsupported."""
        self.prepare(query)
        return super().listing(query)

    def prepare(self, query: str) -> None:
        """Write the files of a list that do not exist yet.

        Raises WrongQuery, and Unsupported, also if there is not enough space.
        """
        self._provide(queries.entries(query), queries.list_options(query).file_options)

    def _write(self, entries: Iterable[queries.ListedFile], seed: int) -> None:
        """Write the files that do not exist yet. Raises Unsupported."""
        paths = {self._content / str(seed) / "file" / str(item.size) / item.name: item for item in entries}
        missing = {path: item for path, item in paths.items() if path not in self._written}
        needed = sum(-(-item.size // _BLOCK) * _BLOCK for item in missing.values())
        if needed > (free := shutil.disk_usage(self._folder).free):
            raise Unsupported(f"nginx needs {needed:,} bytes in {self._folder.parent} for these files, and {free:,} are free")
        try:
            for path, item in missing.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    file.writelines(content.pieces(item.number, 0, item.size, seed))
                os.utime(path, (MODIFIED_AT, MODIFIED_AT))
                self._written.add(path)
        except OSError as error:
            raise Unsupported(f"cannot write the files of nginx in {self._folder.parent}: {error.strerror}") from None

    def reset(self) -> None:
        """Do nothing: nginx has no faults."""

    def close(self) -> None:
        """End nginx, and remove its files. May be called twice."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own, with nginx in it
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def objection(query: str) -> str:
    """Why the installed nginx cannot serve this list; empty if it can. Raises WrongQuery, and Unsupported without nginx."""
    return _objection(queries.list_options(query).file_options)


def _objection(options: queries.FileOptions) -> str:
    if options.fail:
        return "nginx does not support faults: the built-in server does"
    if options.delay and find().echo is None:
        return "nginx supports delays only with its echo module (Debian: apt-get install libnginx-mod-http-echo)"
    if not math.isclose(options.delay * 1000, round(options.delay * 1000)):
        return f"nginx supports only delays of whole milliseconds, not {options.delay:g} s"
    if options.rate % 1:
        return f"nginx supports only rates of whole bytes per second, not {options.rate:g}"
    return ""


@lru_cache(maxsize=1)
def find() -> nginx_config.Program:
    """The installed nginx. Raises Unsupported if there is none."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")  # Debian keeps it there
    if path is None:
        raise Unsupported("nginx is not installed (Debian: apt-get install nginx-light)")
    output = subprocess.run([path, "-V"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", output)
    modules = re.search(r"--modules-path=(\S+)", output)
    folder = Path(modules[1]) if modules else nginx_config.MODULES
    return nginx_config.Program(
        path,
        tuple(int(item) for item in version.groups()) if version else (),
        "--with-http_v2_module" in output,
        _module(folder, "http_echo"),
        folder,
    )


def module(name: str) -> Path | None:
    """The file of a dynamic module of the installed nginx; None if it is missing. Raises Unsupported.

    ``name``: as in ``ngx_NAME_module``, ``stream`` for example.
    """
    return _module(find().modules, name)


def _module(folder: Path, name: str) -> Path | None:
    path = folder / f"ngx_{name}_module.so"
    return path if path.exists() else None


def _memory_folder() -> Path | None:
    return _SHARED_MEMORY if _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK) else None


def _open_files() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
