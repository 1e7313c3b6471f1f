"""Run the test server: in this process (`serve`), or in one of its own that ends with its owner (`TestServer`)."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def serve(port: int) -> None:
    """Serve on loopback until standard input ends, and the process with it: so the server never outlives its owner."""
    from granian.constants import HTTPModes
    from granian.server.embed import Server  # here: only the server's own process pays for it

    from downloader.testserver.app import application

    server = Server(
        application, address=LOOPBACK, port=port, http=HTTPModes.http1, websockets=False, backlog=4096, log_enabled=False
    )

    def wait_for_owner() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        os._exit(0)  # there is nothing to tidy up, and granian's threads do not take an orderly end well

    threading.Thread(target=wait_for_owner, name="owner", daemon=True).start()
    await server.serve()


class TestServer:
    """The server in a process of its own, ready to answer. A context manager; ``url`` has no slash at its end."""

    __test__ = False  # not a test, whatever pytest makes of its name

    def __init__(self) -> None:
        for _ in range(5):
            self.port = free_port()
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-m", "downloader.testserver", str(self.port)], stdin=subprocess.PIPE, start_new_session=True
            )
            if self._ready():
                return
            self.close()
        raise RuntimeError("the test server does not start")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def file(self, number: int, size: int, delay: float = 0.0, rate: float = 0.0) -> str:
        """The URL of a file; ``delay`` in seconds, ``rate`` in bytes a second (0: as fast as it goes)."""
        wishes = [f"{name}={value:f}".rstrip("0").rstrip(".") for name, value in (("delay", delay), ("rate", rate)) if value]
        return f"{self.url}/file/{size}/{number}.bin" + (f"?{'&'.join(wishes)}" if wishes else "")

    def _ready(self, patience: float = 20.0) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with opener.open(f"{self.url}/ready", timeout=1) as answer:
                    return bool(answer.status == 204)
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        return False

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
