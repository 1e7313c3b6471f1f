"""The driver that blocks: runs Attempts one after the other in one thread (or greenlet), with one `BlockingClient`.

A `Watchdog` is the thread that ends the waits of many such drivers when their time is over.
"""

import threading
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from downloader.core.facts import Timings
from downloader.core.http.messages import Request
from downloader.core.model import Attempt, Outcome
from downloader.core.scheduling.lost_batch import unstarted
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import CUT, READ, Answer, Call, Command, Pause, Steps, Write
from downloader.engine.contract import BATCH_SECONDS, AttemptContext, Slot
from downloader.engine.deadlines import NEVER, Verdict, deadline_of, error_of, verdict
from downloader.errors import DownloadError
from downloader.transports.requests_client import BlockingClient

Batch = Sequence[Attempt]

PAUSE_SECONDS = 0.1
"""A pause looks at least this often whether the Attempt must end."""

Wrap = Callable[[Steps], Steps]


class BlockingDriver:
    """Drives Attempts in one slot. Methods belong to one thread, but for `end_if_due`."""

    def __init__(self, context: AttemptContext, slot: Slot) -> None:
        self.slot = slot
        self._context = context
        self._client = BlockingClient(context.config.client)
        self._lock = threading.Lock()  # so that the end of one Attempt does not hit the next
        self._deadline = NEVER
        self._reason: Verdict | None = None

    def run(self, attempt: Attempt, wrap: Wrap | None = None) -> Outcome:
        """Run one Attempt to its end.

        Args:
            attempt: what to fetch.
            wrap: makes other steps of the Attempt's steps, to have some commands done elsewhere; None: they stay as they are.
        """
        self.slot.stats.name = attempt.path
        timeout = self._context.config.policy.timeout
        began = time.monotonic()
        with self._lock:
            self._deadline = deadline_of(began, timeout)
            self._reason = None
            self._client.begin()
        steps = attempt_steps(attempt, self._context, self.slot)
        outcome = self._perform(steps if wrap is None else wrap(steps))
        if not self._context.config.timed:
            return outcome
        timings = self._timings(began)
        return replace(outcome, elapsed=timings.total, timings=timings)

    def _timings(self, began: float) -> Timings:
        """All from the same start, on one clock, so that no step can be longer than the whole."""
        client, total = self._client, time.monotonic() - began
        ends = (client.resolved_at, client.connected_at, client.encrypted_at, client.answered_at)
        dns, connect, tls, first_byte = [max(0.0, end - began) if end else 0.0 for end in ends]
        return Timings(dns, connect, tls, first_byte, total)

    def run_batch(
        self, batch: Batch, stopping: Callable[[], bool], on_start: Callable[[int], None] | None = None
    ) -> list[Outcome]:
        """Run Attempts one after the other, for about `BATCH_SECONDS`; those that were not started come back unstarted.

        Args:
            batch: the Attempts.
            stopping: whether no further Attempt may start.
            on_start: called with the index of each Attempt as it starts.
        """
        outcomes: list[Outcome] = []
        started = time.monotonic()
        for index, attempt in enumerate(batch):
            if stopping() or (index and time.monotonic() - started > BATCH_SECONDS):
                return outcomes + unstarted(batch[index:])
            if on_start is not None:
                on_start(index)
            outcome = self.run(attempt)
            outcomes.append(outcome)
            if outcome.error is not None and outcome.error.ends_run:
                return outcomes + unstarted(batch[index + 1 :])
        return outcomes

    def _perform(self, steps: Steps) -> Outcome:
        """Do what the steps command, one command after the other."""
        try:
            command = next(steps)
            while True:
                try:
                    answer = self._obey(command)
                except (DownloadError, OSError) as error:
                    command = steps.throw(error)
                else:
                    command = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            self._client.drop()

    def _obey(self, command: Command) -> Answer:
        client = self._client
        if command is READ:
            data = client.read() if self._reason is None else None
            return data if data is not None else self._ended()
        if isinstance(command, Request):
            head = client.send(command) if self._reason is None else None
            return head if head is not None else self._ended()
        if isinstance(command, Write):
            command.part.write(command.data)
        elif isinstance(command, Call):
            command.call()
        elif isinstance(command, Pause):
            self._pause(command.seconds)
        else:
            client.drop(drain=True)
        return None

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._reason is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, PAUSE_SECONDS))
        if self._reason is not None:
            self._ended()

    def _ended(self) -> Verdict:
        """`CUT`, where that is why the Attempt must end; raises the error of any other reason."""
        assert self._reason is not None  # noqa: S101 - only `end_if_due` interrupts a client
        if self._reason is CUT:
            return CUT
        raise error_of(self._reason, self._context.config.client.read_timeout)

    def end_if_due(self, now: float, grace_over: bool) -> None:
        """From any thread: end the present wait, if its Attempt must end. ``now``: monotonic seconds."""
        client, stats = self._client, self.slot.stats
        with self._lock:
            if client.drained_by and now >= client.drained_by:
                client.end_drain()
            if self._reason is not None or not stats.since:
                return
            silent_at = client.silent_at
            self._reason = verdict(now, grace_over, self._deadline, silent_at > 0, silent_at, self.slot.has_reached_cut)
            if self._reason is not None:
                client.interrupt()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


class Watchdog(threading.Thread):
    """Ends the waits of drivers whose time is over. ``grace_over``: whether running Attempts must end now."""

    def __init__(self, grace_over: Callable[[], bool], period: float = 0.1) -> None:
        super().__init__(name="dl-watchdog", daemon=True)
        self._grace_over = grace_over
        self._period = period
        self.drivers: list[BlockingDriver] = []
        self._stopped = threading.Event()

    def watch(self, driver: BlockingDriver) -> None:
        """Look after one more driver."""
        self.drivers.append(driver)

    def run(self) -> None:
        """Look at all drivers every ``period`` seconds, until `stop`."""
        while not self.pause(self._period):
            now, grace_over = time.monotonic(), self._grace_over()
            for driver in self.drivers:
                driver.end_if_due(now, grace_over)

    def pause(self, seconds: float) -> bool:
        """Wait so many seconds. Whether the thread is to end."""
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()
