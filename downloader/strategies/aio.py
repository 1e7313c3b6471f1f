"""asyncio and httpx: one thread, one event loop, a task for each file in flight, all in one task group.

Whatever waits, waits in the loop, so that a thousand files in flight cost a thousand small tasks and no thread. Small
writes are done in line (10 KiB into the page cache: 11 µs; by way of a thread: 186 µs); large blocks go through aiofiles.
"""

import asyncio
import io
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, ClassVar

from aiofiles.threadpool import wrap

from downloader.core.model import Attempt, Outcome
from downloader.core.transfer import Request
from downloader.errors import DownloadError, Interrupted, NetworkError
from downloader.progress.counters import PlainLane
from downloader.strategies.base import Capabilities, Run
from downloader.strategies.exchange import DROP, READ, Answer, Command, Steps, Work, Write, exchange
from downloader.transports.aio import Answer as Response
from downloader.transports.aio import AsyncClient


class AsyncStrategy:
    """An event loop over Attempts."""

    name: ClassVar[str] = "async"
    about: ClassVar[str] = "one event loop, a task for each file in flight"
    library: ClassVar[str] = "asyncio, httpx over aiohttp, aiofiles"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=64)

    def drive(self, run: Run) -> None:
        """See `Strategy`. The loop is one of its own: call it where no other runs."""
        asyncio.run(_Loop(run).main())


class _Loop:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._client = AsyncClient(run.job.client)
        self._changed = asyncio.Event()
        self._lanes: dict[asyncio.Task[None], PlainLane] = {}
        self._spare: list[PlainLane] = []

    async def main(self) -> None:
        """Start a lane for each Attempt that no running lane has taken; see to the end of all."""
        run = self._run
        try:
            async with asyncio.TaskGroup() as group:
                while not run.finished:
                    while len(self._lanes) < run.jobs and (batch := run.take()):
                        self._start(group, batch[0])
                    if run.expired:
                        for task in self._lanes:
                            task.cancel()
                    await self._wait(run.wait())
        finally:
            await self._client.close()

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _start(self, group: asyncio.TaskGroup, attempt: Attempt) -> None:
        if not self._spare:
            self._spare.append(PlainLane())
            self._run.counters.lanes.append(self._spare[-1])
        lane = self._spare.pop()
        task = group.create_task(self._lane(attempt, lane))
        self._lanes[task] = lane
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._spare.append(self._lanes.pop(task))
        self._changed.set()

    async def _lane(self, attempt: Attempt, lane: PlainLane) -> None:
        """One Attempt after the other, for as long as there is one to start."""
        run, job = self._run, self._run.job
        batch = [attempt]
        while batch:
            lane.name = batch[0].path
            steps = exchange(batch[0], job, run.folder, lane, time.monotonic, time.time)
            async with asyncio.timeout(job.policy.timeout or None):
                outcome = await self._perform(steps)
            run.settle((outcome,))
            batch = run.take()

    async def _perform(self, steps: Steps) -> Outcome:
        """Take the steps of one exchange; where the task is cancelled, the exchange is told and ends in good order."""
        response: Response | None = None
        answer: Answer
        try:
            command = next(steps)
            while True:
                try:
                    if command is READ and response is not None:
                        answer = await response.read()
                    elif isinstance(command, Request):
                        response = await self._client.send(command)
                        answer = response.head
                    else:
                        answer = None
                        await _obey(command, response)
                except (DownloadError, OSError) as error:
                    command = steps.throw(error)
                except asyncio.CancelledError:
                    over = NetworkError("the time for one attempt is over", hint="see --timeout")
                    command = steps.throw(Interrupted("stopped") if self._run.expired else over)
                else:
                    command = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            if response is not None:
                await response.drop()


async def _obey(command: Command, response: Response | None) -> None:
    if command is DROP and response is not None:
        await response.drop()
    elif isinstance(command, Write):
        await _to_its_end(_write(command))
    elif isinstance(command, Work):
        await _to_its_end(asyncio.to_thread(command.call))


async def _write(command: Write) -> None:
    part, view = command.part, memoryview(command.block)
    file = wrap(io.FileIO(part.descriptor, "wb", closefd=False))
    while view:
        count = await file.write(view)
        part.written += count
        view = view[count:]


async def _to_its_end(work: Coroutine[Any, Any, object]) -> None:
    """Wait for what a thread does with a file, even when cancelled: the file must not be closed under it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
