"""asyncio and httpx: one thread, one event loop, a task for each file in flight, all in one task group.

Whatever waits, waits in the loop, so that a thousand files in flight cost a thousand small tasks and no thread. Small
writes are made in line (10 KiB into the page cache: 11 µs; by way of a thread: 186 µs); large blocks go through aiofiles.
Where the storage is slow, files are named in threads of their own.
"""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar

import aiofiles
from msgspec.structs import replace

from downloader.core.facts import Timings
from downloader.core.http.messages import Request
from downloader.core.model import Attempt, Outcome
from downloader.engine.address_space import possible_threads
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import CUT, DROP, READ, STORAGE_THREADS, Answer, Call, Command, Pause, Steps, Write
from downloader.engine.contract import Capabilities, Run, Slot
from downloader.engine.deadlines import NEVER, Verdict, deadline_of, error_of, verdict
from downloader.errors import DownloadError
from downloader.transports.httpx_client import AsyncClient, AsyncResponse

Writers = dict[int, Any]
"""aiofiles' object for each descriptor of a part file: making one takes a quarter of the time of a large write."""


class AsyncStrategy:
    """An event loop over Attempts."""

    name: ClassVar[str] = "async"
    about: ClassVar[str] = "one event loop, a task for each file in flight"
    library: ClassVar[str] = "asyncio, httpx over aiohttp, aiofiles"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=40, most_jobs=256, segments=True, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`. The loop is one of its own: call it where no other runs."""
        try:
            asyncio.run(_TaskLoop(run).main())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # one task failed, the others were cancelled


class _TaskLoop:
    """The loop: a task for each slot, which runs one Attempt after the other."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._client = AsyncClient(run.context.config.client)
        self._changed = asyncio.Event()
        self._flights: dict[asyncio.Task[None], _Flight] = {}
        self._spare: list[_Flight] = []
        self._writers: Writers = {}
        # A thread is made when a call needs one.
        self._storage_threads = ThreadPoolExecutor(possible_threads(STORAGE_THREADS), "dl-storage")

    async def main(self) -> None:
        """Start a task for each Attempt that no running task has taken; end the Attempts that must end."""
        run = self._run
        try:
            async with asyncio.TaskGroup() as group:
                while not run.finished:
                    run.tick()
                    while len(self._flights) < run.jobs and (batch := run.take()):
                        self._start(group, batch[0])
                    now, grace_over = run.context.clock(), run.grace_over
                    for task, flight in self._flights.items():
                        flight.end_if_due(task, now, grace_over)
                    await self._wait(run.wait())
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            self._storage_threads.shutdown()
            await self._client.close()

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _start(self, group: asyncio.TaskGroup, attempt: Attempt) -> None:
        if not self._spare:
            slot = self._run.new_slot()
            slot.stats.place = len(self._flights) + 1
            self._spare.append(_Flight(self._run, self._client, slot, self._writers, self._storage_threads))
        flight = self._spare.pop()
        task = group.create_task(flight.main(attempt))
        self._flights[task] = flight
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._spare.append(self._flights.pop(task))
        self._changed.set()


class _Flight:
    """One slot: runs one Attempt after the other, in one task."""

    def __init__(
        self, run: Run, client: AsyncClient, slot: Slot, writers: Writers, storage_threads: ThreadPoolExecutor
    ) -> None:
        self._run = run
        self._client = client
        self._slot = slot
        self._writers = writers
        self._storage_threads = storage_threads
        self._context = replace(run.context, writes_in_threads=True)
        self._config = run.context.config
        self._deadline = NEVER
        self._answered_at = 0.0
        self._performing = False  # an Attempt is under way, which can be cancelled
        self._waits_for_head = self._waits_for_body = False
        self._reason: Verdict | None = None

    async def main(self, attempt: Attempt) -> None:
        """Run the Attempt, and further ones as long as there is one to start."""
        run, context = self._run, self._context
        batch = [attempt]
        try:
            while batch:
                self._slot.stats.name = batch[0].path
                timeout = self._config.policy.timeout
                began = context.clock()
                self._deadline = deadline_of(began, timeout)
                self._reason = None
                outcome = await self._perform(attempt_steps(batch[0], context, self._slot))
                if self._config.timed:
                    first_byte = max(0.0, self._answered_at - began)  # httpx tells nothing of names and connections
                    total = context.clock() - began  # from the same start: no step can be longer than the whole
                    outcome = replace(outcome, elapsed=total, timings=Timings(first_byte=first_byte, total=total))
                run.settle((outcome,))
                batch = run.take()
        except BaseException as error:
            run.fail(error)  # the group ends the other tasks
            raise

    def end_if_due(self, task: "asyncio.Task[None]", now: float, grace_over: bool) -> None:
        """Cancel the present wait, if the Attempt must end. ``now``: monotonic seconds."""
        if not self._performing or self._reason is not None:
            return
        stats = self._slot.stats
        reads = self._waits_for_body and stats.heard > 0
        silent_at = stats.heard + self._config.client.read_timeout if reads else NEVER  # the client ends the wait for a head
        waiting, cut = reads or self._waits_for_head, self._slot.has_reached_cut
        self._reason = verdict(now, grace_over, self._deadline, waiting, silent_at, cut)
        if self._reason is not None:
            task.cancel()

    async def _perform(self, steps: Steps) -> Outcome:
        """Do what the steps command; a cancelled wait is answered by the reason, so that the Attempt ends in good order."""
        response: AsyncResponse | None = None
        answer: Answer
        self._performing = True
        try:
            command = next(steps)
            while True:
                try:
                    if command is READ and response is not None:
                        self._waits_for_body = True
                        answer = await response.read()
                    elif isinstance(command, Request):
                        self._waits_for_head = True
                        response = await self._client.send(command)
                        self._answered_at = self._context.clock()
                        answer = response.head
                    else:
                        answer = None
                        await _obey(command, response, self._writers, self._storage_threads)
                except (DownloadError, OSError) as error:
                    self._waits_for_body = self._waits_for_head = False
                    command = steps.throw(error)
                except asyncio.CancelledError:
                    self._waits_for_body = self._waits_for_head = False
                    command = self._after_cancel(steps)
                else:
                    self._waits_for_body = self._waits_for_head = False
                    command = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            self._performing = False
            if response is not None:
                await response.drop()

    def _after_cancel(self, steps: Steps) -> Command:
        reason, self._reason = self._reason, None
        if reason is CUT:
            return steps.send(CUT)
        reason = reason or Verdict.STOPPED  # the whole group is cancelled, because another task has failed
        return steps.throw(error_of(reason, self._config.client.read_timeout))


async def _obey(
    command: Command, response: AsyncResponse | None, writers: Writers, storage_threads: ThreadPoolExecutor | None = None
) -> None:
    if command is DROP and response is not None:
        await response.drop()
    elif isinstance(command, Write):
        await _to_its_end(_write(command, writers))
    elif isinstance(command, Pause):
        await asyncio.sleep(command.seconds)
    elif isinstance(command, Call):
        threads = storage_threads if command.waits else None  # None: asyncio's own, a few more than there are processors
        await _to_its_end(asyncio.get_running_loop().run_in_executor(threads, command.call), pass_on=False)


async def _write(command: Write, writers: Writers) -> None:
    part = command.part
    if part.is_shared:  # each block at its place, and none once another Attempt has ended the file
        await asyncio.to_thread(part.write, command.data)
        return
    file = writers.get(part.descriptor)
    if file is None:  # the object holds only the number of the descriptor, so it stays valid when that is used again
        file = await aiofiles.open(part.descriptor, "wb", buffering=0, closefd=False)
        writers[part.descriptor] = file
    view = memoryview(command.block)
    while view:
        count = await file.write(view)
        part.advance(count)
        view = view[count:]


async def _to_its_end(work: Awaitable[object], pass_on: bool = True) -> None:
    """Wait until a thread has finished its work with a file, even when cancelled: the file must stay open until then.

    ``pass_on``: raise CancelledError then; otherwise the work counts, and the cancel is ignored.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and pass_on:
        raise cancelled
    task.result()
