"""An installed nginx with the URLs of the built-in server: for large bodies, where the built-in one would be the limit.

What differs: the files must be there before they are asked for (`Nginx.listing` and `Nginx.file` see to that), in memory
where the system has a folder there; no faults; no ``Repr-Digest``; only named lists over HTTP. ``rate=`` is nginx's
``limit_rate``, which counts in whole seconds: what fits into the first one comes at once. ``delay=`` needs nginx's echo module.
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

from downloader.testserver import certificate, content, lists, nginx_config
from downloader.testserver.answers import MODIFIED_AT
from downloader.testserver.errors import CannotStart, Unsupported
from downloader.testserver.lists import named
from downloader.testserver.served import Served, available_cores
from downloader.testserver.serving import LOOPBACK, Place, base_url, reachable, reserve, resolve

__all__ = ["Nginx", "Unsupported"]

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - files go into a new folder of our own below it
_WATCH = 'folder=$1; shift; "$@" & server=$!; cat >/dev/null; kill $server; wait $server; rm -rf -- "$folder"'
"""The shell that nginx runs under: when its input ends, with its owner, so does nginx, and its folder goes."""
_BLOCK = 4096
_PATIENCE = 5.0
_MOST_FILES = 65536


class Nginx(Served):
    """A running nginx. Raises Unsupported where it is not installed, or cannot do what a list asks for; CannotStart.

    ``tls``, ``lists``, ``host``, ``port``: see `TestServer`. ``http2``: whether it offers HTTP/2 where there is TLS.
    ``workers``: how many processes answer; 0: one for each core. ``added``: further directives of its configuration.
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
        self._limits = nginx_config.Limits(workers or available_cores(), _open_files())
        self._added = added or nginx_config.Additions()
        place = resolve(Place(host, port))
        self.named = named(lists or {})
        self._folder = Path(tempfile.mkdtemp(prefix="dl-nginx-", dir=_room_in_memory()))
        self._content = self._folder / "content"
        self._there: set[Path] = set()
        self.cacert = ""
        try:
            with reserve(place) as keeper:
                place = Place(place.host, keeper.getsockname()[1])
                self.port, self.url = place.port, base_url(place, tls)
                files = certificate.issue(self._folder, place.host) if tls else None
                self.cacert = str(files.authority) if files else ""
                self._write_lists()
                self.process = self._start(place, files)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        try:
            self._wait(place)
        except BaseException:
            self.close()
            raise

    def _start(self, place: Place, files: certificate.Files | None) -> "subprocess.Popen[bytes]":
        program = self._program
        config = self._folder / "nginx.conf"
        config.write_text(
            nginx_config.text(program, place, self._folder, self._content, files, self._limits, os.geteuid() == 0, self._added)
        )
        command = [program.path, "-p", str(self._folder), "-c", str(config), "-e", str(self._folder / "error.log")]
        checked = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False)  # noqa: S603
        if checked.returncode:
            raise CannotStart(f"nginx does not start: {checked.stderr.strip()[-500:]}")
        shell = ["/bin/sh", "-c", _WATCH, "sh", str(self._folder), *command]
        return subprocess.Popen(  # noqa: S603 - nginx, under a shell that watches over it
            shell, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def _wait(self, place: Place) -> None:
        """Until it accepts connections."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(reachable(place), 1):
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
        """The most cores that it can keep busy, on this machine."""
        return float(available_cores())

    def _provide(self, entries: Iterable[lists.Entry], asked: lists.Wishes) -> None:
        """Write them, those that are not there yet. Raises Unsupported."""
        if said := _objection(asked):
            raise Unsupported(said)
        self._write(entries, asked.seed)

    def listing(self, query: str) -> str:
        """The URLs of a list, whose files are there afterwards. Raises WrongQuery, Unsupported."""
        self.prepare(query)
        return super().listing(query)

    def prepare(self, query: str) -> None:
        """Write the files of a list, those that are not there yet. Raises WrongQuery; Unsupported, also for want of room."""
        self._provide(lists.entries(query), lists.listed(query).wishes)

    def _write(self, entries: Iterable[lists.Entry], seed: int) -> None:
        """Those that are not there yet."""
        paths = {self._content / str(seed) / "file" / str(item.size) / item.name: item for item in entries}
        missing = {path: item for path, item in paths.items() if path not in self._there}
        needed = sum(-(-item.size // _BLOCK) * _BLOCK for item in missing.values())
        if needed > (free := shutil.disk_usage(self._folder).free):
            raise Unsupported(f"nginx needs {needed:,} bytes in {self._folder.parent} for that, and {free:,} are free")
        try:
            for path, item in missing.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    file.writelines(content.pieces(item.number, 0, item.size, seed))
                os.utime(path, (MODIFIED_AT, MODIFIED_AT))
                self._there.add(path)
        except OSError as error:
            raise Unsupported(f"nginx's files cannot be written in {self._folder.parent}: {error.strerror}") from None

    def reset(self) -> None:
        """Nothing: it has no faults."""

    def close(self) -> None:
        """End it, and remove its files."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own, with nginx in it
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def objection(query: str) -> str:
    """Why the nginx that is installed here cannot serve such a list; empty where it can. Raises WrongQuery, Unsupported."""
    return _objection(lists.listed(query).wishes)


def _objection(asked: lists.Wishes) -> str:
    if asked.fail:
        return "nginx does not fail on demand: the built-in server does"
    if asked.delay and find().echo is None:
        return "nginx answers late only with its echo module (Debian: apt-get install libnginx-mod-http-echo)"
    if not math.isclose(asked.delay * 1000, round(asked.delay * 1000)):
        return f"nginx's delays are whole milliseconds, which {asked.delay:g} s is not"
    if asked.rate % 1:
        return f"nginx's rates are whole numbers of bytes a second, which {asked.rate:g} is not"
    return ""


@lru_cache(maxsize=1)
def find() -> nginx_config.Program:
    """The nginx that is installed here. Raises Unsupported where there is none."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")  # Debian keeps it there
    if path is None:
        raise Unsupported("nginx is not installed here (Debian: apt-get install nginx-light)")
    said = subprocess.run([path, "-V"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    version = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", said)
    modules = re.search(r"--modules-path=(\S+)", said)
    folder = Path(modules[1]) if modules else nginx_config.MODULES
    return nginx_config.Program(
        path,
        tuple(int(item) for item in version.groups()) if version else (),
        "--with-http_v2_module" in said,
        _module(folder, "http_echo"),
        folder,
    )


def module(name: str) -> Path | None:
    """The file of a dynamic module of the nginx that is installed here; None where it is not. Raises Unsupported.

    ``name``: as in ``ngx_NAME_module``, ``stream`` for example.
    """
    return _module(find().modules, name)


def _module(folder: Path, name: str) -> Path | None:
    path = folder / f"ngx_{name}_module.so"
    return path if path.exists() else None


def _room_in_memory() -> Path | None:
    return _IN_MEMORY if _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK) else None


def _open_files() -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
