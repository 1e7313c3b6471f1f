"""One Attempt from its first request to its Outcome, as steps that any driver can take.

`attempt_steps` is a generator. It yields commands (`downloader.engine.attempt.commands`), receives their answers, and returns
the Outcome. `Transfer` makes the decisions, `PartFile` keeps the bytes, and the driver waits: on a socket, on a disk, in a
thread, in an event loop. So the sequence is written once, for blocking and for asynchronous strategies alike.
"""

import os
import threading
from collections.abc import Generator

from downloader.core.http.messages import Head, HeadAction
from downloader.core.http.transfer import Transfer
from downloader.core.model import NOTHING_TO_RESUME, WHOLE, Attempt, End, Returned
from downloader.core.spans import byte_count_after, first_gap
from downloader.core.trace import Trace
from downloader.engine.attempt.commands import DROP, READ, Answer, Call, Command, Pause, Steps, Substeps, Write
from downloader.engine.attempt.failure import failed
from downloader.engine.attempt.finish import File, finish
from downloader.engine.contract import AttemptContext, Slot
from downloader.engine.deadlines import Verdict
from downloader.engine.stats import SlotStats
from downloader.errors import (
    DownloadError,
    FolderFull,
    NetworkError,
    StorageError,
)
from downloader.storage.checksum import ChecksumVerifier
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile

FLUSH_AFTER = 1.0
"""Seconds after which collected bytes are written even if they are few: what is on disk survives a kill."""


WORTH_A_LOOK = 1 << 16
"""Bytes of a body for which it is looked at the space on the disk before they are taken."""

LARGE = 1 << 20
"""Bytes collected before they are written in one go. Fewer at the end of a file are written at once, in line."""


def attempt_steps(attempt: Attempt, context: AttemptContext, slot: Slot) -> Steps:
    """The steps of one Attempt. ``slot``: where the Attempt counts what it does, and is ordered to end earlier."""
    config, folder, clock = context.config, context.folder, context.clock
    stats = slot.stats
    started = clock()
    part = PartFile(folder, attempt.path, attempt.primary_url)
    held = NOTHING_TO_RESUME if folder.was_empty and attempt.number == 1 else part.resume_info()
    transfer = Transfer(attempt, config.policy, held, started, context.epoch_now())
    stats.done = stats.size = stats.beyond = 0
    stats.paused = 0.0
    stats.splittable = False
    slot.cut.clear()
    stats.key = attempt.key  # from here on, the run may order this Attempt to end earlier
    stats.since = started
    file = File(part, folder, stats, slot.cut, attempt.key, attempt.segment.stop, clock, config, context.rate_limiter)
    path = ""
    error: DownloadError | None = None
    try:
        try:
            if attempt.verify_existing and (yield from _is_good(transfer, folder)):
                transfer.decided, transfer.digests = End.EXISTS, attempt.checksums
            elif transfer.held.spans or attempt.segment != WHOLE:
                yield from _gaps(transfer, file)
            elif (yield from _ask(transfer, file)) is HeadAction.BODY:
                yield from (_keep if attempt.keep_body else _body)(transfer, file)
                _come_to(transfer, part)
            elif transfer.decided is End.COMPLETE:
                part.open(transfer.size)
            if transfer.decided is End.COMPLETE:
                path = yield from finish(transfer, file)
        except FileExistsError as failure:
            if config.on_exists == "fail":
                raise StorageError("the file was created meanwhile", transfer.public, "see --on-exists") from failure
            transfer.decided = End.EXISTS
            part.discard()
        except OSError as failure:
            left = max(part.buffered, (transfer.total or transfer.size) - part.written)
            raise folder.error(failure, attempt.path, transfer.public, left) from failure
    except DownloadError as failure:
        error = failed(transfer, part, failure)
    finally:
        if part.is_open or part.buffered:
            part.keep(transfer.promised)
            part.close()
        stats.since = stats.heard = 0.0
        stats.splittable = False
    ended = clock()
    if config.traced:
        transfer.trace = _trace(transfer, stats, started, ended)
    return transfer.outcome(ended - started, path, error)


def _trace(transfer: Transfer, stats: SlotStats, started: float, ended: float) -> Trace:
    attempt, thread = transfer.attempt, threading.get_native_id()  # gevent's greenlets each have a name of their own
    at = attempt.segment.start
    return Trace(attempt.number, at, os.getpid(), thread, stats.place, started, transfer.answered, ended)


def _keep(transfer: Transfer, file: File) -> Substeps:
    """Take the body as it is, so much of it as may be of use: it goes back with the Outcome."""
    from downloader.core.http.robots import LARGEST  # here: few runs need it

    body = b""
    file.stats.heard = file.clock()
    transfer.begin_body(file.stats.heard)
    while len(body) < LARGEST:
        data = yield READ
        if not data:
            break
        assert isinstance(data, bytes)  # noqa: S101 - the answer to READ; nobody orders this Attempt to end
        body += data
        file.stats.heard = file.clock()
        transfer.on_data(len(data), file.stats.heard)
    else:
        yield DROP
    transfer.returned, transfer.decided = Returned(body[:LARGEST]), End.NAME_LEARNED


def _is_good(transfer: Transfer, folder: Folder) -> Generator[Command, Answer, bool]:
    """Whether the file that is there has the checksum that is known for it."""
    verifier = ChecksumVerifier(transfer.attempt.checksums)
    yield Call(lambda: verifier.hash_file(folder, transfer.attempt.path), long=True)
    transfer.bad_before = not verifier.matches
    transfer.size = verifier.count if verifier.matches else 0
    return verifier.matches


def _ask(transfer: Transfer, file: File) -> Generator[Command, Answer, HeadAction | Verdict]:
    """Send requests until an answer is no redirect. What the last answer means, or `Verdict.CUT`."""
    while True:
        asked = file.clock()
        head = yield transfer.request()
        if head is Verdict.CUT:
            return Verdict.CUT
        assert isinstance(head, Head)  # noqa: S101 - the other answer to a Request
        now = file.clock()
        transfer.waited = now - asked
        transfer.answered = transfer.answered or now
        try:
            move = transfer.on_head(head)
        except DownloadError:
            yield DROP  # so that the connection serves again
            raise
        if move is HeadAction.BODY:
            return move
        yield DROP
        if move is HeadAction.STOP:
            return move


def _gaps(transfer: Transfer, file: File) -> Substeps:
    """Fetch what is missing of a Segment, one gap after the other; other Attempts may be at other Segments."""
    part, stats, held, segment = file.part, file.stats, transfer.held, transfer.attempt.segment
    if held.total is None or not held.validator.if_range:
        transfer.decided = End.SEGMENT_DONE  # what it was a Segment of has gone: it got its name, or begins again
        return
    stats.done, stats.size = segment.start, held.total
    part.open_shared(held)
    stats.splittable = segment != WHOLE
    transfer.rely_on(held)
    while not part.is_finished and (gap := first_gap(part.spans, segment.start, int(min(file.stop, held.total)))) is not None:
        transfer.again(*gap)
        try:
            action = yield from _ask(transfer, file)
        except NetworkError:
            if gap[0] < file.stop:
                raise
            break  # another Attempt fetches these bytes meanwhile
        if action is Verdict.CUT:
            break
        if action is HeadAction.STOP:
            return
        if not transfer.resuming:  # all of it, for it has changed
            part.close()
            yield from _body(transfer, file)
            break
        part.seek(gap[0])
        stats.beyond = byte_count_after(part.spans, gap[0])
        stats.splittable = file.config.segments != 1
        yield from _body(transfer, file)
    _come_to(transfer, part)


def _come_to(transfer: Transfer, part: PartFile) -> None:
    """Others may have been writing, too: exactly one ends the file."""
    if part.is_shared:
        transfer.decided = End.COMPLETE if part.try_finish() else End.SEGMENT_DONE
        transfer.size = transfer.total or 0


def _begin(transfer: Transfer, file: File) -> Substeps:
    """Open the part file where there is one, or will be for certain; a small file gets none at all."""
    part, stats = file.part, file.stats
    if transfer.expected is not None and transfer.expected >= WORTH_A_LOOK:
        _check_room(transfer.expected, file.folder, transfer.public)
    if not part.is_open and (transfer.offset or part.may_exist):
        part.open(transfer.offset)
    if transfer.digests and not part.is_shared:
        file.verifier = verifier = ChecksumVerifier(transfer.digests)
        if transfer.offset:
            yield Call(lambda: verifier.hash_existing(part.descriptor, transfer.offset), long=True)
    stats.heard = file.flushed = file.clock()
    transfer.begin_body(file.flushed)
    stats.done = transfer.offset
    stats.size = transfer.total or 0


def _check_room(needed: int, folder: Folder, url: str) -> None:
    """Raises FolderFull where so many bytes are not free: better now than after they have come."""
    room = folder.free_bytes()
    if room is not None and needed > room:
        hint = "free some space and run the same command again: incomplete files are kept"
        raise FolderFull(f"not enough space: {needed} bytes are needed, {room} are free", url, hint, needed)


def _body(transfer: Transfer, file: File) -> Substeps:
    part, stats, cut, clock = file.part, file.stats, file.cut, file.clock
    yield from _begin(transfer, file)
    stop = file.stop
    while True:
        try:
            data = yield READ
        except NetworkError:
            if transfer.size < file.stop:
                raise
            break  # another Attempt fetches the rest
        if not data or not isinstance(data, bytes):  # the end of the body, or `Verdict.CUT`
            break
        now = clock()
        count = len(data)
        part.collect(data)
        stats.heard = now
        stats.received += count
        stats.done += count
        transfer.on_data(count, now)
        if file.rate_limiter is not None and (wait := file.rate_limiter.pay(transfer.url, count, now)):
            stats.heard = 0.0
            stats.paused += wait
            yield Pause(wait)
            transfer.excuse(wait)
            stats.heard = now = clock()
        if cut.order is not None:
            stop = file.stop
        if transfer.size >= stop:
            break
        if part.buffered >= LARGE or now - file.flushed >= FLUSH_AFTER:
            yield from _flush(transfer, file)
            stats.heard = file.flushed = clock()
    stats.heard = 0.0
    if transfer.size >= file.stop:  # the rest is another Attempt's
        yield DROP
        yield from _flush(transfer, file)
    else:
        transfer.on_end()
        if part.is_open and part.buffered:
            block = part.take()
            if file.verifier is not None:
                file.verifier.update(block)
            part.write(block)


def _flush(transfer: Transfer, file: File) -> Substeps:
    part = file.part
    if not part.is_open:
        part.open(0)
    part.write_sidecar(transfer.promised)
    block, verifier = part.take(), file.verifier
    if verifier is not None:
        yield Call(lambda: verifier.update(block))
    if file.stop == 0 or part.is_finished:
        return
    yield Write(part, block)
    if transfer.splittable and not part.is_shared and file.config.segments != 1:
        part.allow_sharing(transfer.promised)
        file.stats.splittable = True
