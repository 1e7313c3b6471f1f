"""Run the test server in a process of its own that ends with its owner."""

import os
import selectors
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, cast

from downloader.testserver.errors import CannotStart
from downloader.testserver.lists import Entry, Wishes, named
from downloader.testserver.served import Served, available_cores
from downloader.testserver.serving import AUTHORITY_AT, LOOPBACK, Place, check_installed, reserve, resolve

CORES = 1.1
"""What it used while it answered all it could (`benchmarks/server.py`): three threads that mostly wait for each other."""
_PATIENCE = 20.0


class TestServer(Served):
    """The built-in server: see `downloader.testserver.app`. Ready to answer once it is there.

    ``tls``: https only, with a certificate made at start. ``lists``: queries by name, for ``/list/NAME``. ``port`` 0: any
    that is free. Raises CannotStart (NotInstalled where a module is missing), and WrongQuery for a list that cannot be.
    """

    def __init__(
        self, *, tls: bool = False, lists: Mapping[str, str] | None = None, host: str = LOOPBACK, port: int = 0
    ) -> None:
        check_installed(tls=tls)
        self.named = named(lists or {})
        self.cacert = ""
        place = resolve(Place(host, port))
        if port:
            reserve(place).close()  # so that it is an error here that says what is wrong
        command = [sys.executable, "-m", "downloader.testserver", "--until-eof", f"--host={place.host}", f"--port={port}"]
        command += [f"--list={name}={query}" for name, query in self.named.items()]
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*command, *(["--tls"] if tls else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.url, *more = self._greeting(1 + tls)
        except BaseException:
            self.close()
            raise
        self.port = int(self.url.rpartition(":")[2])
        if more:
            self.cacert = more[0].removeprefix(AUTHORITY_AT)

    def _greeting(self, lines: int) -> list[str]:
        """What it prints once it listens."""
        stream = cast(IO[bytes], self.process.stdout)
        said = b""
        deadline = time.monotonic() + _PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while said.count(b"\n") < lines:
                readable = selector.select(max(0.0, deadline - time.monotonic()))
                more = os.read(stream.fileno(), 4096) if readable else b""
                if not more:
                    raise CannotStart("the test server does not start")
                said += more
        return said.decode().splitlines()

    @property
    def cores(self) -> float:
        """The most cores that it can keep busy, on this machine."""
        return min(CORES, available_cores())

    def reset(self) -> None:
        """Begin anew with the counts that faults depend on."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.cacert:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.cacert)))
        with urllib.request.build_opener(*handlers).open(f"{self.url}/reset", timeout=_PATIENCE):
            pass

    def _provide(self, entries: Iterable[Entry], asked: Wishes) -> None:
        """Nothing: files are made as they are asked for."""

    def close(self) -> None:
        """End the process."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.cacert:  # it does so itself, unless it was killed
            shutil.rmtree(Path(self.cacert).parent, ignore_errors=True)
