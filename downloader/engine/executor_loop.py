"""The one loop that drives any concurrent.futures.Executor, and the one driver of an exchange that blocks.

`serial`, `threads` and `processes` differ in their lanes only: what a lane submits to, and what it does when its executor
breaks. A lane runs one batch of Attempts at a time, so it holds one slot.
"""

import queue
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

from downloader.core.limits.batches import batch_size
from downloader.core.model import Outcome
from downloader.engine.blocking_driver import Batch
from downloader.engine.run import Run


class PoolLane(Protocol):
    """One worker's place in the loop. ``usable``: whether it may get further batches."""

    usable: bool

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
        if lane.usable:
            idle.append(lane)
        run.settle(outcomes)
