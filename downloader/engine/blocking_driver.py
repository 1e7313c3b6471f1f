"""The driver of an Attempt's steps that blocks: for threads, processes and greenlets."""

import time
from collections.abc import Callable, Sequence

from downloader.core.http.messages import Request
from downloader.core.model import Attempt, End, Outcome
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import READ, Answer, Call, Command, Pause, Steps, Write
from downloader.engine.contract import YIELD_AFTER, WorkerConfig
from downloader.engine.rate_limiter import RateLimiter
from downloader.engine.stats import Lane
from downloader.errors import DownloadError
from downloader.storage.folder import Folder
from downloader.transports.requests_client import BlockingClient

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
    elif isinstance(command, Call):
        command.call()
    elif isinstance(command, Pause):
        client.pause(command.seconds)
    else:
        client.drop(drain=True)
    return None


def run_batch(
    batch: Batch,
    config: WorkerConfig,
    folder: Folder,
    client: BlockingClient,
    lane: Lane,
    stopped: Callable[[], bool],
    begun: Callable[[int], None] | None = None,
    rate_limiter: RateLimiter | None = None,
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
        client.begin(now + config.policy.timeout if config.policy.timeout else 0.0, unwanted)
        outcomes.append(perform(attempt_steps(attempt, config, folder, lane, time.monotonic, time.time, rate_limiter), client))
        error = outcomes[-1].error
        if error is not None and error.ends_run:
            return outcomes + [Outcome(left.key, End.UNSTARTED) for left in batch[index + 1 :]]
    return outcomes
