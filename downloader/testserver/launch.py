"""Starts the test server in a separate process, which ends when the process that started it ends."""

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

from downloader.testserver.queries import FileOptions, ListedFile, checked_lists
from downloader.testserver.served import Served, available_cores
from downloader.testserver.server_errors import CannotStart
from downloader.testserver.serving import AUTHORITY_AT, LOOPBACK, ListenAddress, check_installed, reserve, resolve

MAX_SERVER_CORES = 1.1
"""The cores that the server uses at full load (`benchmarks/server.py`): it has three threads that mostly wait for each
other."""
_TIMEOUT = 20.0
"""Seconds for the start of the server, and for a request to it."""


class TestServer(Served):
    """The built-in server, see `downloader.testserver.app`, in a separate process. It accepts connections after construction.

    ``tls``: serve https only, with a certificate that is made at the start. ``lists``: the queries of the lists ``/list/NAME``,
    by name. ``host``: the address to listen on. ``port``: the port; 0: any free port. Raises CannotStart (NotInstalled if a
    module is missing), and WrongQuery for an invalid list.
    """

    def __init__(
        self, *, tls: bool = False, lists: Mapping[str, str] | None = None, host: str = LOOPBACK, port: int = 0
    ) -> None:
        check_installed(tls=tls)
        self.named = checked_lists(lists or {})
        self.cacert = ""
        address = resolve(ListenAddress(host, port))
        if port:
            reserve(address).close()  # fail in this process, where the reason can be reported
        command = [sys.executable, "-m", "downloader.testserver", "--until-eof", f"--host={address.host}", f"--port={port}"]
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
        """The lines that the server prints when it listens. Raises CannotStart."""
        stream = cast(IO[bytes], self.process.stdout)
        output = b""
        deadline = time.monotonic() + _TIMEOUT
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while output.count(b"\n") < lines:
                readable = selector.select(max(0.0, deadline - time.monotonic()))
                more = os.read(stream.fileno(), 4096) if readable else b""
                if not more:
                    raise CannotStart("the test server does not start")
                output += more
        return output.decode().splitlines()

    @property
    def cores(self) -> float:
        """The maximum number of cores that the server can use on this machine."""
        return min(MAX_SERVER_CORES, available_cores())

    def reset(self) -> None:
        """Reset the counters of the faults. Raises OSError if the server does not answer."""
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.cacert:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.cacert)))
        with urllib.request.build_opener(*handlers).open(f"{self.url}/reset", timeout=_TIMEOUT):
            pass

    def _provide(self, entries: Iterable[ListedFile], options: FileOptions) -> None:
        """Do nothing: the server makes each file when it is requested."""

    def close(self) -> None:
        """End the process. May be called twice."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.cacert:  # the server removes the folder itself, unless it was killed
            shutil.rmtree(Path(self.cacert).parent, ignore_errors=True)
