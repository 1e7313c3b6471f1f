"""One Attempt from its first request to its Outcome, as steps that any driver can take.

`attempt_steps` is a generator. It yields commands (`downloader.engine.attempt.commands`), receives their answers, and returns
the Outcome. `Transfer` makes the decisions, `PartFile` keeps the bytes, and the driver waits: on a socket, on a disk, in a
thread, in an event loop. So the sequence is written once, for blocking and for asynchronous strategies alike.
"""

import os
import threading
from collections.abc import Generator

from downloader.core.facts import NOTHING_TO_RESUME, WHOLE
from downloader.core.http.messages import Head, HeadAction
from downloader.core.http.transfer import Transfer
from downloader.core.http.transfer_states import State
from downloader.core.model import Attempt
from downloader.core.spans import byte_count_after, first_gap
from downloader.core.trace import Trace
from downloader.engine.attempt.body import receive_body, receive_in_memory
from downloader.engine.attempt.commands import CUT, DROP, Answer, Call, Command, Steps, Substeps
from downloader.engine.attempt.failure import failed
from downloader.engine.attempt.finish import finish
from downloader.engine.attempt.workspace import Workspace
from downloader.engine.contract import AttemptContext, Slot
from downloader.engine.stats import SlotStats
from downloader.errors import DownloadError, NetworkError
from downloader.storage.part import PartFile

# As globals, members of an Enum are read ten times as fast as through their class.
_READY, _AWAITING_HEAD, _STOPPED, _COMPLETE = State.READY, State.AWAITING_HEAD, State.STOPPED, State.COMPLETE
_BODY, _FOLLOW = HeadAction.BODY, HeadAction.FOLLOW


def attempt_steps(attempt: Attempt, context: AttemptContext, slot: Slot) -> Steps:
    """The steps of one Attempt. ``slot``: where the Attempt counts what it does, and is ordered to end earlier."""
    config, folder, clock, stats = context.config, context.folder, context.clock, slot.stats
    started = clock()
    part = PartFile(folder.local, attempt.path, attempt.primary_url)
    earlier = NOTHING_TO_RESUME if folder.has_nothing_of(attempt) else part.resume_info()
    policy = config.policy if config.own_policies is None else config.policy_for(attempt.url)
    transfer = Transfer(attempt, policy, earlier, context.epoch_now())
    stats.done = stats.size = stats.beyond = 0
    stats.paused = 0.0
    stats.splittable = False
    slot.cut.clear()
    stats.key = attempt.key  # from here on, the run may order this Attempt to end earlier
    stats.since = started
    work = Workspace(attempt, part, slot, context)
    path = ""
    error: DownloadError | None = None
    try:
        if attempt.verify_existing:
            yield from _check_existing(transfer, work)
        if transfer.state is _READY:
            if transfer.earlier.spans or attempt.segment != WHOLE:
                yield from _fetch_ranges(transfer, work)
            elif (yield from _exchange(transfer, work)):
                yield from (receive_in_memory if attempt.keep_body else receive_body)(transfer, work)
                _end_segment(transfer, part)
            elif transfer.state is _COMPLETE:
                part.open(transfer.size)
        if transfer.state is _COMPLETE:
            path = yield from finish(transfer, work)
    except (DownloadError, OSError) as failure:
        error = failed(transfer, part, folder, failure)
    finally:
        if part.is_open or part.buffered:
            part.keep(transfer.resume_info)
            part.close()
        stats.since = stats.heard = 0.0
        stats.splittable = False
    ended = clock()
    trace = _trace(transfer, stats, started, ended) if config.traced else None
    return transfer.outcome(ended - started, path, error, trace)


def _trace(transfer: Transfer, stats: SlotStats, started: float, ended: float) -> Trace:
    attempt, thread = transfer.attempt, threading.get_native_id()  # gevent's greenlets each have a name of their own
    start = attempt.segment.start
    return Trace(attempt.number, start, os.getpid(), thread, stats.place, started, transfer.first_head_at, ended)


def _check_existing(transfer: Transfer, work: Workspace) -> Substeps:
    """Hash the file that stands under the name, and tell the Transfer whether it is right."""
    from downloader.storage.checksum import ChecksumVerifier  # here: few runs need it

    attempt, config, folder = work.attempt, work.context.config, work.context.folder
    verifier = ChecksumVerifier(attempt.checksums, config.digest, None if attempt.checksums else attempt.pieces)
    yield Call(lambda: folder.read(attempt.path, verifier.update), long=True)
    if verifier.matches:
        transfer.already_there(verifier.count, verifier.digests)
    else:
        transfer.existing_corrupt()


def _exchange(transfer: Transfer, work: Workspace) -> Generator[Command, Answer, bool]:
    """Send a request and read the head of its answer; again for each redirect. Whether a body follows."""
    clock = work.context.clock
    while True:
        head = yield transfer.request(clock())
        if head is CUT:
            transfer.cut()
            return False
        assert isinstance(head, Head)  # noqa: S101 - the other answer to a Request
        action, refusal = HeadAction.STOP, None
        try:
            action = transfer.on_head(head, clock())
        except DownloadError as error:
            refusal = error  # no `yield` here: in compiled code, the exception would become that of other generators, too
        if action is _BODY:
            return True
        yield DROP  # so that the connection serves again
        if refusal is not None:
            try:
                raise refusal
            finally:
                refusal = None  # else the exception and this frame would refer to each other
        if action is not _FOLLOW:
            return False


def _fetch_ranges(transfer: Transfer, work: Workspace) -> Substeps:
    """Fetch the missing ranges of a Segment, one after the other; other Attempts may be fetching other Segments."""
    part, stats, segment, total = work.part, work.slot.stats, work.attempt.segment, transfer.earlier.resumable_total
    if total is None:
        transfer.segment_end(finishes_file=False)  # another Attempt has completed the part file, or begun it again
        return
    stats.done, stats.size = segment.start, total
    part.open_shared(transfer.earlier)
    transfer.resume_with_gaps()
    stats.splittable = transfer.splittable
    while not part.is_finished and (gap := first_gap(part.spans, segment.start, int(min(work.stop, total)))) is not None:
        transfer.next_range(*gap)
        try:
            has_body = yield from _exchange(transfer, work)
        except NetworkError:
            if gap[0] < work.stop or transfer.state is not _AWAITING_HEAD:
                raise
            transfer.cut()  # another Attempt fetches this range meanwhile
        if transfer.state is _STOPPED:
            break
        if not has_body:
            return
        if not transfer.resuming:  # the file has changed, and comes as a whole
            part.close()
            yield from receive_body(transfer, work)
            break
        part.seek(gap[0])
        stats.beyond = byte_count_after(part.spans, gap[0])
        stats.splittable = transfer.splittable
        yield from receive_body(transfer, work)
    _end_segment(transfer, part)


def _end_segment(transfer: Transfer, part: PartFile) -> None:
    """Of the Attempts at a shared part file, exactly one finishes the file: the one that finds every byte present."""
    if part.is_shared:
        transfer.segment_end(finishes_file=part.try_finish())
