"""The steps of an exchange: what it yields, what the driver does about it, and what it is sent back.

| yields | the driver | and sends back |
| --- | --- | --- |
| a `Request` | sends it and waits for the head | a `Head` |
| `READ` | waits for a piece of the body | the bytes; none at the end |
| `DROP` | is done with this answer | None |
| a `Write` | writes a large block to the part file | None |
| a `Call` | runs a call that takes long (``long``: that may take seconds) | None |
| a `Pause` | takes nothing more for so many seconds | None |
"""

from collections.abc import Callable, Generator
from enum import Enum
from typing import NamedTuple

from downloader.core.http.messages import Head, Request
from downloader.core.model import Outcome
from downloader.storage.part import PartFile


class Step(Enum):
    """Steps without a value."""

    READ = "read"
    DROP = "drop"


READ, DROP = Step.READ, Step.DROP


class Write(NamedTuple):
    """A large block for the part file."""

    part: PartFile
    block: bytes


class Call(NamedTuple):
    """A call that keeps a processor or a disk busy."""

    call: Callable[[], object]
    long: bool = False


class Pause(NamedTuple):
    """So many seconds in which nothing is to be read: there is a limit to the rate."""

    seconds: float


Command = Request | Step | Write | Call | Pause
Answer = Head | bytes | None
Steps = Generator[Command, Answer, Outcome]
Substeps = Generator[Command, Answer, None]
