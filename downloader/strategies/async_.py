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

from downloader.core.http.messages import Request
from downloader.core.limits.stall import silent
from downloader.core.model import Attempt, Outcome
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import DROP, READ, Answer, Call, Command, Pause, Steps, Write
from downloader.engine.contract import Capabilities
from downloader.engine.run import Run
from downloader.engine.stats import Lane
from downloader.errors import DownloadError, Interrupted, NetworkError, NoAnswer
from downloader.transports.httpx_client import AsyncClient, AsyncResponse


class AsyncStrategy:
    """An event loop over Attempts."""

    name: ClassVar[str] = "async"
    about: ClassVar[str] = "one event loop, a task for each file in flight"
    library: ClassVar[str] = "asyncio, httpx over aiohttp, aiofiles"
    capabilities: ClassVar[Capabilities] = Capabilities(default_jobs=40, most_jobs=256, segments=True, limit_rate=True)

    def drive(self, run: Run) -> None:
        """See `Strategy`. The loop is one of its own: call it where no other runs."""
        try:
            asyncio.run(_Loop(run).main())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # one lane broke, the others were ended


class _Loop:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._client = AsyncClient(run.config.client)
        self._changed = asyncio.Event()
        self._lanes: dict[asyncio.Task[None], Lane] = {}
        self._performing: set[asyncio.Task[None]] = set()
        self._listening: set[asyncio.Task[None]] = set()  # for what a server says
        self._spare: list[Lane] = []

    async def main(self) -> None:
        """Start a lane for each Attempt that no running lane has taken; see to the end of all."""
        run = self._run
        try:
            async with asyncio.TaskGroup() as group:
                while not run.finished:
                    while len(self._lanes) < run.jobs and (batch := run.take()):
                        self._start(group, batch[0])
                    self._end_late_ones()
                    await self._wait(run.wait())
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            await self._client.close()

    def _end_late_ones(self) -> None:
        """Cancel those that outlast the grace time, or have heard nothing of their body for too long."""
        run = self._run
        expired, now, allowed = run.expired, run.clock(), run.config.client.read_timeout
        for task in self._performing:
            lane = self._lanes[task]
            unwanted = lane.stop and task in self._listening and lane.done >= lane.stop
            if expired or silent(lane.heard, now, allowed) or unwanted:
                task.cancel()

    async def _wait(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _start(self, group: asyncio.TaskGroup, attempt: Attempt) -> None:
        if not self._spare:
            self._spare.append(self._run.lane())
            self._spare[-1].task = len(self._lanes) + 1
        lane = self._spare.pop()
        task = group.create_task(self._lane(attempt, lane))
        self._lanes[task] = lane
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._spare.append(self._lanes.pop(task))
        self._changed.set()

    async def _lane(self, attempt: Attempt, lane: Lane) -> None:
        """One Attempt after the other, for as long as there is one to start."""
        run, config = self._run, self._run.config
        batch = [attempt]
        try:
            while batch and run.broken is None:
                lane.name = batch[0].path
                steps = attempt_steps(batch[0], config, run.folder, lane, time.monotonic, time.time, run.rate_limiter)
                async with asyncio.timeout(config.policy.timeout or None):
                    outcome = await self._perform(steps, lane)
                run.settle((outcome,))
                batch = run.take()
        except BaseException as error:
            self._run.fail(error)  # the group ends the other lanes
            raise

    async def _perform(self, steps: Steps, lane: Lane) -> Outcome:
        """Take the steps of one exchange; where the task is cancelled, the exchange is told and ends in good order."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine
        self._performing.add(task)
        response: AsyncResponse | None = None
        answer: Answer
        try:
            command = next(steps)
            while True:
                try:
                    if command is READ and response is not None:
                        self._listening.add(task)
                        answer = await response.read()
                    elif isinstance(command, Request):
                        self._listening.add(task)
                        response = await self._client.send(command)
                        answer = response.head
                    else:
                        self._listening.discard(task)
                        answer = None
                        await _obey(command, response)
                except (DownloadError, OSError) as error:
                    command = steps.throw(error)
                except asyncio.CancelledError:
                    command = steps.throw(self._why_cancelled(lane))
                else:
                    command = steps.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            self._performing.discard(task)
            self._listening.discard(task)
            if response is not None:
                await response.drop()

    def _why_cancelled(self, lane: Lane) -> DownloadError:
        if self._run.expired:
            return Interrupted("stopped")
        allowed = self._run.config.client.read_timeout
        if lane.stop and lane.done >= lane.stop:
            return NetworkError("another attempt goes on with it")
        if silent(lane.heard, self._run.clock(), allowed):
            return NoAnswer(f"nothing came for {allowed:g} s", hint="see --low-speed-time")
        return NetworkError("the time for one attempt is over", hint="see --timeout")


async def _obey(command: Command, response: AsyncResponse | None) -> None:
    if command is DROP and response is not None:
        await response.drop()
    elif isinstance(command, Write):
        await _to_its_end(_write(command))
    elif isinstance(command, Pause):
        await asyncio.sleep(command.seconds)
    elif isinstance(command, Call):
        await _to_its_end(asyncio.to_thread(command.call), pass_on=False)


async def _write(command: Write) -> None:
    part, view = command.part, memoryview(command.block)
    if part.is_shared:  # each block at its place, and none once another Attempt has ended the file
        await asyncio.to_thread(part.write, command.block)
        return
    file = wrap(io.FileIO(part.descriptor, "wb", closefd=False))
    while view:
        count = await file.write(view)
        part.advance(count)
        view = view[count:]


async def _to_its_end(work: Coroutine[Any, Any, object], pass_on: bool = True) -> None:
    """Wait for what a thread does with a file, even when cancelled: the file must not be closed under it.

    ``pass_on``: be cancelled then; else what was done counts, and only what waits for the network after it can be late.
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
