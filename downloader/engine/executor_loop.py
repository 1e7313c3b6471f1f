"""The one loop that drives any concurrent.futures.Executor.

`serial`, `threads` and `processes` differ in their executors only: where a batch is submitted, and what happens when a worker
dies. A slot runs one batch of Attempts at a time.
"""

import queue
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Protocol

from downloader.core.limits.batches import MedianDuration, batch_size
from downloader.core.model import Outcome
from downloader.core.scheduling.lost_batch import unstarted
from downloader.engine.blocking_driver import Batch
from downloader.engine.contract import Run


class ExecutorSlot(Protocol):
    """One worker's place in the loop. ``usable``: whether the slot may get further batches."""

    usable: bool

    def submit(self, batch: Batch) -> "Future[list[Outcome]]":
        """Start a batch."""

    def recover(self, batch: Batch, error: BaseException) -> list[Outcome]:
        """The batch's future has failed with this error: replace the worker, and tell how each Attempt ended.

        Raises DownloadError where no worker can take the place.
        """


def none_started(batch: Batch) -> "Future[list[Outcome]]":
    """What a slot that gets no worker answers: the Attempts are for other slots."""
    answer: Future[list[Outcome]] = Future()
    answer.set_result(unstarted(batch))
    return answer


def drive(run: Run, slots: Sequence[ExecutorSlot], batches: bool = False, on_tick: Callable[[], None] | None = None) -> None:
    """Keep the slots busy until the run is finished.

    Args:
        run: gives the Attempts.
        slots: the workers.
        batches: whether to submit many small Attempts at a time, because submitting is costly.
        on_tick: called in each turn of the loop.
    """
    try:
        _drive(run, slots, batches, on_tick)
    except BaseException as error:
        run.fail(error)  # so that the Attempts that run elsewhere end too, and can be waited for
        raise


def _drive(run: Run, slots: Sequence[ExecutorSlot], batches: bool, on_tick: Callable[[], None] | None) -> None:
    done: queue.SimpleQueue[tuple[ExecutorSlot, Batch, Future[list[Outcome]]]] = queue.SimpleQueue()
    idle = deque(slots)
    durations = MedianDuration()

    def start(slot: ExecutorSlot, batch: Batch) -> None:
        slot.submit(batch).add_done_callback(lambda future: done.put((slot, batch, future)))

    while not run.finished:
        run.tick()
        if on_tick is not None:
            on_tick()
        while idle:
            attempts = run.take(batch_size(durations.value, run.ready, len(slots)) if batches else 1)
            if not attempts:
                break
            start(idle.popleft(), attempts)
        try:
            slot, batch, future = done.get(timeout=run.wait())
        except queue.Empty:
            continue
        error = future.exception()
        outcomes = future.result() if error is None else slot.recover(batch, error)
        for outcome in outcomes if batches else ():
            if outcome.elapsed:
                durations.add(outcome.elapsed)
        if slot.usable:
            idle.append(slot)
        run.settle(outcomes)
