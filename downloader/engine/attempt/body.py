"""The body of an answer: read piece by piece, counted by the Transfer, and written to the part file in large blocks."""

from downloader.core.http.transfer import Transfer
from downloader.core.scheduling.segment_layout import ABORT
from downloader.engine.attempt.commands import DROP, READ, Call, Pause, Substeps, Write
from downloader.engine.attempt.workspace import Workspace
from downloader.errors import FolderFull, NetworkError
from downloader.storage.checksum import Verifier
from downloader.storage.folder import Folder

FLUSH_SECONDS = 1.0
"""Seconds after which collected bytes are written even if they are few: what is on disk survives a kill."""

FLUSH_BYTES = 1 << 20
"""Bytes that are collected before they are written in one block. What is left at the end of a body is written in line."""

SPACE_CHECK_BYTES = 1 << 16
"""A body of so many bytes is begun only if the disk has space for it; a smaller one is begun without a look."""


def receive_body(transfer: Transfer, work: Workspace) -> Substeps:
    """Write the body to the part file, up to its end or to the byte where another Attempt goes on."""
    part, lane, clock = work.part, work.lane, work.clock
    _open_part(transfer, work)
    verifier = work.verifier
    if verifier is not None and transfer.offset:
        yield Call(lambda: verifier.hash_existing(part.descriptor, transfer.offset), long=True)
    lane.heard = work.flushed_at = clock()
    transfer.start_body(work.flushed_at)
    lane.done = transfer.offset
    lane.size = transfer.total or 0
    while True:
        try:
            data = yield READ
        except NetworkError:
            if not lane.stop or transfer.size < lane.stop:
                raise
            break  # it ends here in any case: that end was set meanwhile
        if not data:
            break
        assert isinstance(data, bytes)  # noqa: S101 - what READ is answered with
        now = clock()
        count = len(data)
        part.collect(data)
        lane.heard = now
        lane.received += count
        lane.done += count
        transfer.on_data(count, now)
        if work.rate_limiter is not None and (wait := work.rate_limiter.pay(transfer.url, count, now)):
            lane.heard = 0.0
            lane.paused += wait
            yield Pause(wait)
            transfer.paused(wait)
            lane.heard = now = clock()
        if lane.stop and transfer.size >= lane.stop:
            break
        if part.buffered >= FLUSH_BYTES or now - work.flushed_at >= FLUSH_SECONDS:
            yield from _flush(transfer, work)
            lane.heard = work.flushed_at = clock()
    lane.heard = 0.0
    if lane.stop and transfer.size >= lane.stop:
        transfer.cut()
        yield DROP
        yield from _flush(transfer, work)
    else:
        transfer.on_end()
        if part.is_open and part.buffered:
            block = part.take()
            if verifier is not None:
                verifier.update(block)
            part.write(block)


def _open_part(transfer: Transfer, work: Workspace) -> None:
    """Open the part file if one exists, or will be needed for certain; a small file gets none at all."""
    part = work.part
    if transfer.expected is not None and transfer.expected >= SPACE_CHECK_BYTES:
        _check_space(transfer.expected, work.folder, transfer.public_url)
    if not part.is_open and (transfer.offset or part.may_exist):
        part.open(transfer.offset)
    if transfer.digests and not part.shared:
        work.verifier = Verifier(transfer.digests)


def _check_space(needed: int, folder: Folder, url: str) -> None:
    """Raises FolderFull where so many bytes are not free: better now than after they have come."""
    room = folder.room()
    if room is not None and needed > room:
        hint = "free some space and run the same command again: what is there is kept"
        raise FolderFull(f"not enough space: {needed} bytes are to come, {room} are free", url, hint, needed)


def _flush(transfer: Transfer, work: Workspace) -> Substeps:
    """Write what was collected. From the first block on, other Attempts may join, if the file may be split."""
    part = work.part
    if not part.is_open:
        part.open(0)
    part.vouch(transfer.resume_info)
    block, verifier = part.take(), work.verifier
    if verifier is not None:
        yield Call(lambda: verifier.update(block))
    if work.lane.stop == ABORT or part.over:
        return
    yield Write(part, block)
    if transfer.splittable and not part.shared:
        part.share(transfer.resume_info)
        work.lane.splittable = True


def receive_in_memory(transfer: Transfer, work: Workspace) -> Substeps:
    """Read the body, up to the most bytes that are useful, and hand it back with the Outcome: there is no file."""
    from downloader.core.http.robots import LARGEST  # here: few runs need it

    body = b""
    work.lane.heard = work.clock()
    transfer.start_body(work.lane.heard)
    while len(body) < LARGEST:
        data = yield READ
        if not data:
            break
        assert isinstance(data, bytes)  # noqa: S101 - what READ is answered with
        body += data
        work.lane.heard = work.clock()
        transfer.on_data(len(data), work.lane.heard)
    else:
        yield DROP
    transfer.body_returned(body[:LARGEST])
