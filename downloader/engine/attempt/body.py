"""The body of an answer: read piece by piece, counted by the Transfer, and written to the part file in large blocks."""

from typing import TYPE_CHECKING

from downloader.core.facts import ResumeInfo
from downloader.core.http.transfer import Transfer
from downloader.engine.attempt.commands import DROP, READ, Call, Pause, Substeps, Write
from downloader.engine.attempt.workspace import Workspace
from downloader.errors import FolderFull, NetworkError
from downloader.storage.part import PartFile

if TYPE_CHECKING:
    from downloader.storage.base import Storage
    from downloader.storage.checksum import ChecksumVerifier

FLUSH_SECONDS = 1.0
"""Seconds after which collected bytes are written even if they are few: what is on disk survives a kill."""

FLUSH_BYTES = 1 << 20
"""Bytes that are collected before they are written in one block. What is left at the end of a body follows in one block."""

LONG_BODY = 4 << 20
"""A longer body is written in blocks of `LONG_BODY_FLUSH_BYTES`. A shorter one is often complete before its first block."""

LONG_BODY_FLUSH_BYTES = 1 << 18
"""Bytes of a block that is still in the cache of the processor when the block is written, also where many bodies are received
at the same time. The first block is complete sooner, so other Attempts may join sooner."""

SPACE_CHECK_BYTES = 1 << 16
"""A body of so many bytes is begun only if the disk has space for it; a smaller one is begun without a look."""


def receive_body(transfer: Transfer, work: Workspace) -> Substeps:
    """Write the body to the part file, up to its end or to the byte where another Attempt goes on."""
    context, part = work.context, work.part
    clock, rate_limiter, byte_budget = context.clock, context.rate_limiter, context.byte_budget
    stats, cut = work.slot
    _prepare(transfer, work)
    if transfer.offset or part.may_exist:  # else a small file gets no part file at all
        yield from _open_part(transfer, work)
    stats.heard = work.flushed_at = clock()
    transfer.start_body(work.flushed_at)
    stats.done = transfer.offset
    stats.size = transfer.total or 0
    stop = work.stop
    is_long = (transfer.expected or 0) > LONG_BODY and not context.writes_in_threads
    flush_bytes = LONG_BODY_FLUSH_BYTES if is_long else FLUSH_BYTES
    while True:
        try:
            data = yield READ
        except NetworkError:
            if transfer.size < work.stop:
                raise
            break  # every byte has come that this Attempt has to fetch
        if isinstance(data, bytes) and data:
            count = len(data)
            part.collect(data)
        elif isinstance(data, list):
            count = part.collect_pieces(data)
        else:  # the end of the body, or `Verdict.CUT`
            break
        now = clock()
        stats.heard = now
        stats.received += count
        stats.done += count
        transfer.on_data(count, now)
        if byte_budget is not None:
            byte_budget.spend(count)
        if rate_limiter is not None and (wait := rate_limiter.pay(transfer.url, count, now)):
            stats.heard = 0.0
            stats.paused += wait
            yield Pause(wait)
            transfer.paused(wait)
            stats.heard = now = clock()
        if cut.order is not None:
            stop = work.stop
        if transfer.size >= stop:
            break
        if part.buffered >= flush_bytes or now - work.flushed_at >= FLUSH_SECONDS:
            yield from _flush(transfer, work)
            stats.heard = work.flushed_at = clock()
    stats.heard = 0.0
    if transfer.size >= work.stop:
        transfer.cut()
        yield DROP
        yield from _flush(transfer, work)
    else:
        transfer.on_end()
        if part.is_open and part.buffered:
            yield from _write_rest(work)


def _prepare(transfer: Transfer, work: Workspace) -> None:
    """Look whether the body fits on the disk, and begin to hash if that is set."""
    part = work.part
    if transfer.expected is not None and transfer.expected >= SPACE_CHECK_BYTES:
        _check_space(transfer.expected, work.context.folder, transfer.public_url)
    if (transfer.digests or work.context.config.digest or work.attempt.pieces is not None) and not part.is_shared:
        from downloader.engine.attempt.verification import new_verifier  # here: few runs need it

        work.verifier = new_verifier(transfer, work)


def _open_part(transfer: Transfer, work: Workspace) -> Substeps:
    """Open the part file for what is left of the file, and hash what it has."""
    part, verifier = work.part, work.verifier
    if not part.is_open:
        if work.context.folder.local.is_slow:
            yield Call(lambda: part.open(transfer.offset), long=True, waits=True)
        else:
            part.open(transfer.offset)
    if verifier is not None and transfer.offset:
        yield Call(lambda: verifier.hash_existing(part.descriptor, transfer.offset), long=True)


def _check_space(needed: int, folder: "Storage", url: str) -> None:
    """Raises FolderFull where so many bytes are not free: better now than after they have come."""
    room = folder.free_bytes()
    if room is not None and needed > room:
        hint = "free some space and run the same command again: incomplete files are kept"
        raise FolderFull(f"not enough space: {needed} bytes are needed, {room} are free", url, hint, needed)


def _flush(transfer: Transfer, work: Workspace) -> Substeps:
    """Write what was collected. From the first block on, other Attempts may join, if the file may be split."""
    part, info = work.part, transfer.resume_info
    if work.context.folder.local.is_slow and not part.is_shared:
        yield Call(lambda: _begin_part(part, info), long=True, waits=True)
    else:
        _begin_part(part, info)
    pieces, verifier = part.take_pieces(), work.verifier
    if verifier is not None:
        if part.may_have_gaps:  # another Attempt has joined: the file is hashed at its end
            work.verifier = None
        else:
            yield Call(lambda: _hash(verifier, pieces))
    if work.stop == 0 or part.is_finished:  # the Attempt is given up, or the file is finished
        return
    yield Write(part, pieces)
    if transfer.splittable and not part.is_shared:
        part.allow_sharing(transfer.resume_info)
        work.slot.stats.splittable = True


def _write_rest(work: Workspace) -> Substeps:
    """Write what is left at the end of the body."""
    part, verifier = work.part, work.verifier
    pieces = part.take_pieces()
    if verifier is not None:
        _hash(verifier, pieces)
    if work.context.folder.local.is_slow:
        yield Call(lambda: part.write(pieces), long=True, waits=True)
    else:
        part.write(pieces)


def _begin_part(part: PartFile, info: ResumeInfo) -> None:
    """Open the part file, and write its sidecar, if that has not been done."""
    if not part.is_open:
        part.open(0)
    part.write_sidecar(info)


def _hash(verifier: "ChecksumVerifier", pieces: list[bytes]) -> None:
    for piece in pieces:
        verifier.update(piece)


def receive_in_memory(transfer: Transfer, work: Workspace) -> Substeps:
    """Read the first bytes of the body, and return them with the Outcome: there is no file."""
    parts, count, max_bytes = [], 0, work.attempt.keep_body
    stats, clock = work.slot.stats, work.context.clock
    stats.heard = clock()
    transfer.start_body(stats.heard)
    while count < max_bytes:
        data = yield READ
        if not data:
            if transfer.expected is not None and count < transfer.expected:
                raise NetworkError(f"truncated: {count} of {transfer.expected} bytes", transfer.public_url, kind="truncated")
            break
        if isinstance(data, list):
            data = b"".join(data)
        assert isinstance(data, bytes)  # noqa: S101 - the answer to READ; nobody orders this Attempt to end
        parts.append(data)
        count += len(data)
        stats.heard = clock()
        transfer.on_data(len(data), stats.heard)
    else:
        yield DROP
    transfer.body_returned(b"".join(parts)[:max_bytes])
