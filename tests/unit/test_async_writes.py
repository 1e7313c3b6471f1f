"""What `async` does with a file in a thread, when the task that waits for it is cancelled."""

import asyncio
import threading
from typing import Any

import pytest

from downloader.engine.attempt.commands import Write
from downloader.strategies.async_ import _obey


class Part:
    """A file that several Attempts write; a write lasts until `go_on` is set."""

    is_shared = True

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.written = b""

    def write(self, block: bytes) -> None:
        """See `PartFile`."""
        self.begun.set()
        self.go_on.wait(30)
        self.written += block


def test_a_cancelled_write_ends_before_its_file_is_closed() -> None:
    async def main(part: Any) -> None:
        task = asyncio.create_task(_obey(Write(part, b"block"), None, {}))
        await asyncio.to_thread(part.begun.wait, 30)
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        ended_early = task.done()
        part.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not ended_early
        assert part.written == b"block"

    asyncio.run(main(Part()))
