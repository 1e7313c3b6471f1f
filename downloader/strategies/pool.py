"""The one loop that drives any concurrent.futures.Executor, and the one driver of an exchange that blocks.

`serial`, `threads` and `processes` differ in their lanes only: what a lane submits to, and what it does when its executor
breaks. A lane runs one batch of Attempts at a time, so it holds one slot.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from downloader.core.limits import batch_size
from downloader.core.messages import Request
from downloader.core.model import Attempt, End, Outcome
from downloader.errors import DownloadError
from downloader.progress.counters import Lane
from downloader.storage.folder import Folder
from downloader.strategies.base import YIELD_AFTER, Job
from downloader.strategies.exchange import exchange
from downloader.strategies.meter import Meter
from downloader.strategies.run import Run
from downloader.strategies.steps import READ, Answer, Command, Pause, Steps, Work, Write
from downloader.transports.blocking import BlockingClient

Batch = Sequence[Attempt]


def perform(steps: Steps, client: BlockingClient) -> Outcome:
    """Take the steps of one exchange, waiting for each."""
    try:
        command = next(steps)
        while True:
            try:
                answer = _obey(command, client)
            except (DownloadError, OSError) as error:
                command = steps.throw(error)
            else:
                command = steps.send(answer)
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome
    finally:
        client.drop()


def _obey(command: Command, client: BlockingClient) -> Answer:
    if command is READ:
        return client.read()
    if isinstance(command, Request):
        return client.send(command)
    if isinstance(command, Write):
        command.part.write(command.block)
    elif isinstance(command, Work):
        command.call()
    elif isinstance(command, Pause):
        client.pause(command.seconds)
    else:
        client.drop(drain=True)
    return None


def run_batch(
    batch: Batch,
    job: Job,
    folder: Folder,
    client: BlockingClient,
    lane: Lane,
    stopped: Callable[[], bool],
    begun: Callable[[int], None] | None = None,
    meter: Meter | None = None,
) -> list[Outcome]:
    """Run Attempts one after the other; those not begun when it is time to come back are returned unstarted."""
    outcomes: list[Outcome] = []
    started = time.monotonic()

    def unwanted() -> bool:
        return bool(lane.stop) and lane.done >= lane.stop

    for index, attempt in enumerate(batch):
        now = time.monotonic()
        if stopped() or (index and now - started > YIELD_AFTER):
            outcomes += [Outcome(left.key, End.UNSTARTED) for left in batch[index:]]
            break
        if begun is not None:
            begun(index)
        client.begin(now + job.policy.timeout if job.policy.timeout else 0.0, unwanted)
        outcomes.append(perform(exchange(attempt, job, folder, lane, time.monotonic, time.time, meter), client))
        error = outcomes[-1].error
        if error is not None and error.ends_run:
            return outcomes + [Outcome(left.key, End.UNSTARTED) for left in batch[index + 1 :]]
    return outcomes


class PoolLane(Protocol):
    """One worker's place in the loop."""

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch."""

    def lost(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """The executor broke with this batch: make it whole again, and say what became of each Attempt.

        Raises DownloadError where it is of no use to go on.
        """


def drive(run: Run, lanes: Sequence[PoolLane], batches: bool = False) -> None:
    """Keep the lanes busy until the run is finished. ``batches``: hand out many small Attempts at a time."""
    try:
        _drive(run, lanes, batches)
    except BaseException as error:
        run.fail(error)  # so that what is under way elsewhere ends, too, and can be waited for
        raise


def _drive(run: Run, lanes: Sequence[PoolLane], batches: bool) -> None:
    done: queue.SimpleQueue[tuple[PoolLane, Batch, Future[list[Outcome]]]] = queue.SimpleQueue()
    idle = deque(lanes)
    seconds_each = 1.0  # until it is known better: one at a time

    def start(lane: PoolLane, batch: Batch) -> None:
        lane.submit(batch).add_done_callback(lambda future: done.put((lane, batch, future)))

    while not run.finished:
        while idle:
            most = batch_size(seconds_each, run.scheduler.waiting, len(lanes)) if batches else 1
            attempts = run.take(most)
            if not attempts:
                break
            start(idle.popleft(), attempts)
        try:
            lane, batch, future = done.get(timeout=run.wait())
        except queue.Empty:
            continue
        error = future.exception()
        outcomes = future.result() if error is None else lane.lost(batch, error)
        for outcome in outcomes:
            if outcome.elapsed:
                seconds_each += 0.2 * (outcome.elapsed - seconds_each)
        idle.append(lane)
        run.settle(outcomes)
