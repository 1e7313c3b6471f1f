"""One Attempt from its first request to its Outcome, as steps that any driver can take.

`exchange` is a generator: it yields what is to be done next, and is sent what came of it. It does the deciding (through
`Transfer`) and the file (through `PartFile`); the driver does the waiting: on a socket, on a disk, in a thread, in an
event loop. So the sequence is written once, for blocking and for asynchronous strategies alike.

| yields | the driver | and sends back |
| --- | --- | --- |
| a `Request` | sends it and waits for the head | a `Head` |
| `READ` | waits for a piece of the body | the bytes; none at the end |
| `DROP` | is done with this answer | None |
| a `Write` | writes a large block to the part file | None |
| a `Work` | runs a call that takes long | None |

What goes wrong is thrown into the generator as a DownloadError (or OSError, for Write and Work). It returns the Outcome.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from downloader.core.model import Attempt, End, Outcome
from downloader.core.naming import public_url
from downloader.core.transfer import Head, Move, Request, Transfer
from downloader.errors import DownloadError, IntegrityError, ProtocolError, StorageError
from downloader.progress.counters import Lane
from downloader.storage.checksum import Verifier
from downloader.storage.folder import Folder, storage_error
from downloader.storage.part import PartFile
from downloader.strategies.base import Job

FLUSH_AFTER = 1.0
"""Seconds after which collected bytes are written even if they are few: what is on disk survives a kill."""


class Step(Enum):
    """Steps without a value."""

    READ = "read"
    DROP = "drop"


LARGE = 1 << 20
"""Bytes collected before they are written in one go. Fewer at the end of a file are written at once, in line."""

READ, DROP = Step.READ, Step.DROP


class Write(NamedTuple):
    """A large block for the part file."""

    part: PartFile
    block: bytes


class Work(NamedTuple):
    """A call that keeps a processor or a disk busy."""

    call: Callable[[], object]


Command = Request | Step | Write | Work
Answer = Head | bytes | None
Steps = Generator[Command, Answer, Outcome]
_Substeps = Generator[Command, Answer, None]


@dataclass(slots=True)
class _File:
    """The part file of an Attempt, with what is known of its bytes."""

    part: PartFile
    verifier: Verifier | None = None
    flushed: float = 0.0


def exchange(
    attempt: Attempt, job: Job, folder: Folder, lane: Lane, clock: Callable[[], float], wall: Callable[[], float]
) -> Steps:
    """The steps of one Attempt. ``clock``: monotonic seconds, ``wall``: seconds since the epoch."""
    started = clock()
    part = PartFile(folder, attempt.path, attempt.source)
    transfer = Transfer(attempt, job.policy, part.held(), started, wall())
    lane.done = lane.size = 0
    lane.since = started
    path = ""
    error: DownloadError | None = None
    try:
        try:
            file = _File(part)
            if attempt.check and (yield from _is_good(attempt, folder)):
                transfer.decided, transfer.digests = End.EXISTS, attempt.checksums
            elif (yield from _ask(transfer)):
                yield from _body(transfer, file, lane, clock)
            elif transfer.decided is End.COMPLETE:
                yield from _reopen(transfer, file)
            if transfer.decided is End.COMPLETE:
                path = _finish(transfer, file, job)
        except FileExistsError as failure:
            if job.on_exists == "fail":
                raise StorageError("the file has appeared meanwhile", transfer.public, "see --on-exists") from failure
            transfer.decided = End.EXISTS
            part.discard()
        except OSError as failure:
            raise storage_error(failure, attempt.path, transfer.public) from failure
    except DownloadError as failure:
        error = _bare(failure, transfer.public)
        if isinstance(failure, IntegrityError | ProtocolError):
            part.discard()
    finally:
        part.keep(transfer.promised)
        part.close()
        lane.since = lane.heard = 0.0
    return transfer.outcome(clock() - started, path, error)


def _is_good(attempt: Attempt, folder: Folder) -> Generator[Command, Answer, bool]:
    """Whether the file that is there has the checksum that is known for it."""
    verifier = Verifier(attempt.checksums)
    yield Work(lambda: verifier.take_in(folder, attempt.path))
    try:
        verifier.verify("")
    except IntegrityError:
        return False
    return True


def _ask(transfer: Transfer) -> Generator[Command, Answer, bool]:
    """Ask, as often as redirects want it. Whether there is a body to take."""
    while True:
        head = yield transfer.request()
        assert isinstance(head, Head)  # noqa: S101 - what a Request is answered with
        try:
            move = transfer.on_head(head)
        except DownloadError:
            yield DROP  # so that the connection serves again
            raise
        if move is Move.BODY:
            return True
        yield DROP
        if move is Move.STOP:
            return False


def _body(transfer: Transfer, file: _File, lane: Lane, clock: Callable[[], float]) -> _Substeps:
    part = file.part
    part.open(transfer.offset)
    if transfer.digests:
        verifier = file.verifier = Verifier(transfer.digests)
        if transfer.offset:
            yield Work(lambda: verifier.prime(part.descriptor, transfer.offset))
    file.flushed = clock()
    transfer.begin_body(file.flushed)
    lane.heard = file.flushed
    lane.done = transfer.offset
    lane.size = transfer.total or 0
    while data := (yield READ):
        assert isinstance(data, bytes)  # noqa: S101 - what READ is answered with
        count = len(data)
        now = clock()
        part.collect(data)
        lane.heard = now
        lane.received += count
        lane.done += count
        transfer.on_data(count, now)
        if part.buffered >= LARGE or now - file.flushed >= FLUSH_AFTER:
            yield from _flush(transfer, file)
            lane.heard = file.flushed = clock()
    lane.heard = 0.0
    transfer.on_end()
    if part.buffered:
        block = part.take()
        if file.verifier is not None:
            file.verifier.update(block)
        part.write(block)


def _flush(transfer: Transfer, file: _File) -> _Substeps:
    file.part.vouch(transfer.promised)
    block = file.part.take()
    if file.verifier is not None:
        verifier = file.verifier
        yield Work(lambda: verifier.update(block))
    yield Write(file.part, block)


def _reopen(transfer: Transfer, file: _File) -> _Substeps:
    """The part file was complete already, but for its name."""
    file.part.open(transfer.size)
    if transfer.digests:
        verifier = file.verifier = Verifier(transfer.digests)
        yield Work(lambda: verifier.prime(file.part.descriptor, transfer.size))


def _finish(transfer: Transfer, file: _File, job: Job) -> str:
    if file.verifier is not None:
        file.verifier.verify(transfer.public)
    modified = transfer.last_modified if job.mtime else None
    replace = transfer.attempt.check or job.on_exists not in ("skip", "fail")
    return file.part.commit(modified, job.on_exists == "rename", replace)


def _bare(error: DownloadError, url: str) -> DownloadError:
    """The error as a value: with the URL in it, and without the frames it came through, which hold sockets and buffers."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if error.url:
        return error
    error.args = tuple(public_url(url) if index == 1 else value for index, value in enumerate(error.args))
    error.url = url
    return error
