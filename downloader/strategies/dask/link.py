"""The connection to Dask's scheduler: calls of functions in workers, their events, and the leases of the workers.

A thread of its own, with an asyncio loop, does all that: a lease is renewed however long the thread of the run is busy, in a
callback of the user's for example. What comes from the cluster goes to a queue, which the thread of the run reads.

Dask's tasks carry nothing: functions are called with `Client.run`, which asks a worker directly. A task for each worker only
shows that the worker is in use, to Dask's dashboard and to what removes idle workers.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import Any, NamedTuple

import dask
from distributed import Client

from downloader.engine.log import LOG
from downloader.errors import DownloadError, NetworkError, UsageError
from downloader.strategies.dask import remote
from downloader.strategies.dask.address import scheduler_address
from downloader.strategies.dask.messages import RUNNING, TOPIC

RENEWALS = 5
"""How often a lease is renewed within its time."""

_MESSAGES_KEPT = 10
"""Of the last messages, which Dask keeps to debug itself. Each may be of a thousand files, and Dask's default is 1000."""


class News(NamedTuple):
    """Something that has come from the cluster.

    ``kind``: ``report``; ``joined`` or ``left``, of a worker of Dask; ``over``: a worker does not work for the run any more; or
    what was given to `Link.begin`. ``about``: which worker, or what was given to `Link.begin`. ``value``: a report, or an
    answer. ``at``: monotonic seconds.
    """

    kind: str
    about: Any
    value: Any
    at: float


class Link:
    """The client's end of the cluster.

    Args:
        address: of ``--cluster``.
        timeout: seconds that the scheduler, or a worker, may take to answer.
        lease: seconds that a worker goes on without hearing of the client.

    Attributes:
        news: what has come.
        state: of the run; told to the workers with the next renewal.
    """

    def __init__(self, address: str, timeout: float, lease: float) -> None:
        self.address = scheduler_address(address, dask.config.get("scheduler-address", None) or "")
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.state = RUNNING
        self._timeout = timeout
        self._lease = lease
        self._client: Any = None
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: LOG.info("dask: %s", context.get("message")))
        self._thread = threading.Thread(target=self._main, name="dl-cluster", daemon=True)
        self._engaged: dict[str, str] = {}  # the addresses of the workers, by the identity of their opening
        self._signs: dict[str, Any] = {}  # the tasks that show that these workers are in use
        self._running: set[asyncio.Task[Any]] = set()

    # --- from the thread of the run

    def open(self) -> None:
        """Connect to the scheduler. Raises NetworkError, UsageError."""
        self._thread.start()
        try:
            self._wait_for(self._connect())
        except OSError as error:
            what = f"no scheduler of Dask answers at {self.address} within {self._timeout:g} s"
            hint = "check the address, that dask scheduler runs there, and that no firewall is between"
            raise NetworkError(what, hint=hint) from error
        except Exception as error:
            what = f"what answers at {self.address} is no scheduler of Dask, or one of another version ({type(error).__name__})"
            raise UsageError(what, hint="check the address: the dashboard has another port than the scheduler") from error

    def workers(self) -> dict[str, str]:
        """The names of the workers by their addresses. Raises NetworkError."""
        try:
            names: dict[str, str] = self._wait_for(self._workers())
        except Exception as error:
            raise self.lost() from error
        return names

    def begin(self, kind: str, about: Any, worker: str, function: Callable[..., Any], *args: Any, seconds: float = 0.0) -> None:
        """Call a function in a worker. Its answer, or the exception that came instead, is put into ``news``.

        ``seconds``: how long the worker may take; 0: as for all calls.
        """

        async def ask() -> None:
            self._put(kind, about, await self._call(worker, function, *args, seconds=seconds))

        self._submit(ask())

    def engage(self, run: str, worker: str) -> None:
        """Renew the lease of this opening of a worker, from now on."""
        self._submit(self._engage(run, worker))

    def dismiss(self, run: str) -> None:
        """Renew this lease no longer."""
        self._submit(self._dismiss(run))

    def tell(self, state: int) -> None:
        """Tell all workers the state of the run at once."""
        self.state = state
        self._submit(self._renew_all())

    @property
    def is_up(self) -> bool:
        """Whether the scheduler is connected. What workers publish while it is not is lost."""
        return self._client is not None and self._client.status == "running"

    def lost(self) -> DownloadError:
        """The error of a run whose scheduler is gone."""
        hint = "start the cluster again, and run the same command again: it goes on"
        return NetworkError(f"the scheduler of Dask at {self.address} is gone", hint=hint)

    def close(self) -> None:
        """Dismiss all workers, and disconnect."""
        if self._thread.is_alive():
            try:
                self._wait_for(self._disconnect())
            except Exception as error:  # noqa: BLE001 - the run has ended, and its Results are known
                LOG.info("dask: %s: %s", type(error).__name__, error)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _submit(self, work: Coroutine[Any, Any, Any]) -> None:
        self._loop.call_soon_threadsafe(self._start, work)

    # --- in the thread of the link

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        with _messages_of_dask_in_our_log():
            self._loop.run_forever()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _put(self, kind: str, about: Any, value: Any) -> None:
        self.news.put(News(kind, about, value, time.monotonic()))

    async def _connect(self) -> None:
        with dask.config.set({"distributed.admin.low-level-log-length": _MESSAGES_KEPT}):
            self._client = await Client(  # type: ignore[no-untyped-call]
                self.address, asynchronous=True, set_as_default=False, timeout=self._timeout, name="downloader"
            )
        self._client.subscribe_topic(TOPIC, self._on_report)
        self._client.subscribe_topic("all", self._on_change)
        self._start(self._renew())

    def _on_report(self, event: tuple[float, Any]) -> None:
        value = event[1]
        if value["run"] in self._engaged:
            self._put("report", value["run"], value["report"])

    def _on_change(self, event: tuple[float, Any]) -> None:
        value = event[1]
        action = value.get("action") if isinstance(value, dict) else None
        if action in ("add-worker", "remove-worker"):
            self._put("joined" if action == "add-worker" else "left", value["worker"], None)

    async def _workers(self) -> dict[str, str]:
        async with asyncio.timeout(self._timeout):
            identity = await self._client.scheduler.identity(n_workers=-1)
        return {address: str(item.get("name", address)) for address, item in identity["workers"].items()}

    async def _call(self, worker: str, function: Callable[..., Any], *args: Any, seconds: float = 0.0) -> Any:
        """What the function returned, or the exception that it raised, or that the way there raised."""
        try:
            async with asyncio.timeout(seconds or max(self._timeout, self._lease)):
                answers = await self._client.run(function, *args, workers=[worker], on_error="return")
        except Exception as error:  # noqa: BLE001 - Dask has many, and each means that the worker cannot be used
            return error
        return answers.get(worker, ConnectionError("no answer"))

    async def _engage(self, run: str, worker: str) -> None:
        self._engaged[run] = worker
        self._signs[run] = self._client.submit(
            *(remote.stay, run),
            key=f"downloader-{run}",
            workers=[worker],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )

    async def _dismiss(self, run: str) -> None:
        self._engaged.pop(run, None)
        sign = self._signs.pop(run, None)
        if sign is not None:
            sign.release()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._lease / RENEWALS)
            await self._renew_all()

    async def _renew_all(self) -> None:
        for run, worker in self._engaged.items():
            self._start(self._renew_one(run, worker))

    async def _renew_one(self, run: str, worker: str) -> None:
        if await self._call(worker, remote.renew, run, self.state) is False:
            self._put("over", run, None)

    async def _disconnect(self) -> None:
        if self._client is None:
            return
        try:
            if self.is_up:
                calls = [self._call(worker, remote.close_engine, run) for run, worker in self._engaged.items()]
                await asyncio.wait_for(asyncio.gather(*calls), self._timeout)
        finally:
            for run in list(self._signs):
                await self._dismiss(run)
            if self.is_up:
                self._client.unsubscribe_topic("all")  # or the scheduler logs that it cannot tell us of our end
            async with asyncio.timeout(self._timeout):
                await self._client.close()


class _OfThisThread(logging.Filter):
    """What is logged in the thread that made this filter goes to the log of the run."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.thread != self._thread:
            return True
        LOG.info("dask: %s", record.getMessage().partition("\n")[0])
        return False


@contextmanager
def _messages_of_dask_in_our_log() -> Any:
    """Dask prints to the terminal what happens in its event loops. Here, what happens in this thread goes to our log."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("distributed", "tornado")]
    handlers = {handler for name in names for handler in logging.getLogger(name).handlers}
    ours = _OfThisThread()
    for handler in handlers:
        handler.addFilter(ours)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(ours)
