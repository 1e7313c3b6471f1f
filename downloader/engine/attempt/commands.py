"""The commands that the steps of an Attempt yield, what the driver does for each, and what the driver answers.

| command | the driver | and sends back |
| --- | --- | --- |
| a `Request` | sends the request and waits for the head of the answer | a `Head`, or `CUT` |
| `READ` | waits for the next bytes of the body | the bytes (empty at the end), or several pieces, or `CUT` |
| `DROP` | reads no more of this answer; the connection may serve again | None |
| a `Write` | writes a large block to the part file; in a thread, where the storage is slow | None |
| a `Call` | makes a call that takes long (``long``: perhaps seconds; ``waits``: for the storage) | None |
| a `Pause` | reads nothing for so many seconds | None |

The driver throws a DownloadError into the steps where a command failed (OSError for Write and Call), and the error of
`downloader.engine.deadlines.error_of` where the Attempt must end. `CUT` is the answer where nothing failed, but another Attempt
fetches the rest: `downloader.engine.deadlines.Verdict.CUT`.
"""

from collections.abc import Callable, Generator
from enum import Enum
from typing import NamedTuple

from downloader.core.http.messages import Head, Request
from downloader.core.model import Outcome
from downloader.engine.deadlines import Verdict
from downloader.storage.part import PartFile


class Step(Enum):
    """Commands without a value."""

    READ = "read"
    DROP = "drop"


READ, DROP = Step.READ, Step.DROP

STORAGE_THREADS = 32
"""Threads of one event loop that wait for slow storage, at most. Ten thousand files a second, where each takes 3 ms."""


class Write(NamedTuple):
    """Write a large block to the part file: `PartFile.write`. ``data``: the block, or its pieces."""

    part: PartFile
    data: bytes | list[bytes]

    @property
    def block(self) -> bytes:
        """The block as one object; pieces are copied for this."""
        return self.data if isinstance(self.data, bytes) else b"".join(self.data)


class Call(NamedTuple):
    """Make a call that keeps a processor or a disk busy.

    ``long``: the call may take so long that an event loop makes it in a thread. ``waits``: the call waits for slow storage, and
    keeps no processor busy meanwhile, so that many such calls may run at the same time.
    """

    call: Callable[[], object]
    long: bool = False
    waits: bool = False


class Pause(NamedTuple):
    """Read nothing for so many seconds, to keep a rate limit."""

    seconds: float


Command = Request | Step | Write | Call | Pause
CUT = Verdict.CUT
Answer = Head | bytes | list[bytes] | Verdict | None
Steps = Generator[Command, Answer, Outcome]
Substeps = Generator[Command, Answer, None]
