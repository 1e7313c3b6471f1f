"""One Attempt from its first request to its Outcome, as steps that any driver can take.

`attempt_steps` is a generator: it yields a command, and is sent the result. `Transfer` decides, the part file keeps the bytes,
and the driver does the waiting: on a socket, on a disk, in a thread, in an event loop. So the sequence is written once, for
blocking and for asynchronous strategies alike.

The commands, and what a driver does about each, stand in `downloader.engine.attempt.commands`. An error is thrown into the
generator as a DownloadError (or OSError, for Write and Call). The generator returns the Outcome.
"""

import os
import threading
from collections.abc import Callable, Generator

from downloader.core.http.messages import Head, HeadAction
from downloader.core.http.transfer import Transfer
from downloader.core.http.transfer_states import State
from downloader.core.model import NOTHING_TO_RESUME, WHOLE, Attempt
from downloader.core.scheduling.segment_layout import held_after, missing
from downloader.core.trace import Trace
from downloader.engine.attempt.body import receive_body, receive_in_memory
from downloader.engine.attempt.commands import DROP, Answer, Call, Command, Steps, Substeps
from downloader.engine.attempt.failure import failed
from downloader.engine.attempt.finish import finish
from downloader.engine.attempt.workspace import Workspace
from downloader.engine.contract import WorkerConfig
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.stats import Lane
from downloader.errors import DownloadError, NetworkError
from downloader.storage.checksum import Verifier
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile

_READY, _COMPLETE, _BODY, _FOLLOW = State.READY, State.COMPLETE, HeadAction.BODY, HeadAction.FOLLOW


def attempt_steps(
    attempt: Attempt,
    config: WorkerConfig,
    folder: Folder,
    lane: Lane,
    clock: Callable[[], float],
    epoch_now: Callable[[], float],
    rate_limiter: RateLimiter | None = None,
) -> Steps:
    """The steps of one Attempt. ``clock`` gives monotonic seconds, ``epoch_now`` seconds since the epoch."""
    started = clock()
    part = PartFile(folder, attempt.path, attempt.source)
    earlier = NOTHING_TO_RESUME if folder.has_nothing_of(attempt) else part.held()
    transfer = Transfer(attempt, config.policy, earlier, epoch_now())
    lane.done = lane.size = lane.beyond = 0
    lane.paused = 0.0
    lane.splittable = False
    lane.stop = attempt.segment.stop or 0
    lane.key = attempt.key  # from here on it may be told of another stop
    lane.since = started
    work = Workspace(part, folder, lane, clock, config, rate_limiter)
    path = ""
    error: DownloadError | None = None
    try:
        if attempt.check:
            yield from _check_existing(transfer, folder)
        if transfer.state is _READY:
            if transfer.earlier.spans or attempt.segment != WHOLE:
                yield from _fetch_ranges(transfer, work)
            elif (yield from _exchange(transfer, work)):
                yield from (receive_in_memory if attempt.kept else receive_body)(transfer, work)
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
        lane.since = lane.heard = 0.0
        lane.splittable = False
    ended = clock()
    trace = _trace(transfer, lane, started, ended) if config.traced else None
    return transfer.outcome(ended - started, path, error, trace)


def _trace(transfer: Transfer, lane: Lane, started: float, ended: float) -> Trace:
    attempt, thread = transfer.attempt, threading.get_native_id()  # gevent's greenlets each have a name of their own
    start = attempt.segment.start
    return Trace(attempt.number, start, os.getpid(), thread, lane.task, started, transfer.first_head_at, ended)


def _check_existing(transfer: Transfer, folder: Folder) -> Substeps:
    """Hash the file that stands under the name, and tell the Transfer whether it is right."""
    verifier = Verifier(transfer.attempt.checksums)
    yield Call(lambda: verifier.take_in(folder, transfer.attempt.path), long=True)
    if verifier.holds:
        transfer.already_there(verifier.count)
    else:
        transfer.existing_corrupt()


def _exchange(transfer: Transfer, work: Workspace) -> Generator[Command, Answer, bool]:
    """Send a request and read the head of its answer; again for each redirect. Whether a body follows."""
    clock = work.clock
    while True:
        head = yield transfer.request(clock())
        assert isinstance(head, Head)  # noqa: S101 - what a Request is answered with
        try:
            action = transfer.on_head(head, clock())
        except DownloadError:
            yield DROP  # so that the connection serves again
            raise
        if action is _BODY:
            return True
        yield DROP
        if action is not _FOLLOW:
            return False


def _fetch_ranges(transfer: Transfer, work: Workspace) -> Substeps:
    """Fetch the missing ranges of a Segment, one after the other; other Attempts may be fetching other Segments."""
    part, lane, earlier, segment = work.part, work.lane, transfer.earlier, transfer.attempt.segment
    if earlier.total is None or not transfer.can_request_ranges:
        transfer.segment_end(finishes_file=False)  # another Attempt has completed the part file, or begun it again
        return
    lane.done, lane.size = segment.start, earlier.total
    part.join(earlier)
    transfer.resume_with_gaps()
    lane.splittable = transfer.splittable
    while not part.over and (gap := missing(part.spans, segment.start, int(lane.stop) or earlier.total)) is not None:
        transfer.next_range(*gap)
        try:
            has_body = yield from _exchange(transfer, work)
        except NetworkError:
            if not lane.stop or gap[0] < lane.stop:
                raise
            transfer.cut()
            break
        if not has_body:
            return
        if not transfer.resuming:  # the file has changed, and comes as a whole
            part.close()
            yield from receive_body(transfer, work)
            break
        part.seek(gap[0])
        lane.beyond = held_after(part.spans, gap[0])
        lane.splittable = transfer.splittable
        yield from receive_body(transfer, work)
    _end_segment(transfer, part)


def _end_segment(transfer: Transfer, part: PartFile) -> None:
    """Of the Attempts at a shared part file, exactly one finishes the file: the one that finds every byte present."""
    if part.shared:
        transfer.segment_end(finishes_file=part.claim())
