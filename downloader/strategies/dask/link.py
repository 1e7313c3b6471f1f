"""The connection to Dask's scheduler: calls of functions in workers, and events. Everything runs in one asyncio loop.

Dask's results and tasks are not used: functions are called with `Client.run`, which asks a worker directly.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import dask
from distributed import Client

from downloader.engine.log import LOG
from downloader.errors import NetworkError, UsageError
from downloader.strategies.dask.address import scheduler_address
from downloader.strategies.dask.messages import TOPIC

_MESSAGES_KEPT = 10
"""Of the last messages, which Dask keeps to debug itself. Each may be of a thousand files, and Dask's default is 1000."""


class _OwnThreadOnly(logging.Filter):
    """What Dask says in the thread of a run goes to the run's log, and not to the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.thread != self._thread:
            return True
        LOG.info("dask: %s", record.getMessage().partition("\n")[0])
        return False


class Link:
    """The client's end of the cluster.

    Args:
        address: of ``--cluster``.
        timeout: seconds that the scheduler, or a worker, may take to answer.
        on_event: called with each event of a worker of this package.
        on_change: called with ``add-worker`` or ``remove-worker``, and the address of the worker.
    """

    def __init__(
        self, address: str, timeout: float, on_event: Callable[[Any], None], on_change: Callable[[str, str], None]
    ) -> None:
        self.address = scheduler_address(address, dask.config.get("scheduler-address", None) or "")
        self._timeout = timeout
        self._on_event = on_event
        self._on_change = on_change
        self._client: Any = None
        self._handlers: list[logging.Handler] = []
        self._filter = _OwnThreadOnly()

    async def connect(self) -> None:
        """Connect to the scheduler. Raises NetworkError, UsageError."""
        names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in ("distributed", "tornado")]
        self._handlers = list({handler for name in names for handler in logging.getLogger(name).handlers})
        for handler in self._handlers:
            handler.addFilter(self._filter)
        try:
            with dask.config.set({"distributed.admin.low-level-log-length": _MESSAGES_KEPT}):
                self._client = await Client(  # type: ignore[no-untyped-call]
                    self.address, asynchronous=True, set_as_default=False, timeout=self._timeout, name="downloader"
                )
        except OSError as error:
            what = f"no scheduler of Dask answers at {self.address} within {self._timeout:g} s"
            hint = "check the address, that dask scheduler runs there, and that no firewall is between"
            raise NetworkError(what, hint=hint) from error
        except Exception as error:
            raise UsageError(f"cannot use the cluster at {self.address}: {type(error).__name__}: {error}") from error
        self._client.subscribe_topic(TOPIC, lambda event: self._on_event(event[1]))
        self._client.subscribe_topic("all", lambda event: self._note(event[1]))

    def _note(self, event: Any) -> None:
        if isinstance(event, dict) and event.get("action") in ("add-worker", "remove-worker"):
            self._on_change(str(event["action"]), str(event.get("worker", "")))

    @property
    def is_up(self) -> bool:
        """Whether the scheduler is connected. Events are lost while it is not."""
        return self._client is not None and self._client.status == "running"

    async def workers(self) -> dict[str, str]:
        """The names of the workers by their addresses. Raises OSError."""
        identity = await self._client.scheduler.identity(n_workers=-1)
        return {address: str(item.get("name", address)) for address, item in identity["workers"].items()}

    async def call(self, worker: str, function: Callable[..., Any], *args: Any, timeout: float = 0.0) -> Any:
        """Call a function in a worker.

        Returns:
            What the function returned, or the exception that it raised, or that the way there raised.
        """
        try:
            async with asyncio.timeout(timeout or self._timeout):
                answers = await self._client.run(function, *args, workers=[worker], on_error="return")
        except Exception as error:  # noqa: BLE001 - Dask has many, and each means that the worker cannot be used
            return error
        return answers.get(worker, ConnectionError("no answer"))

    async def close(self) -> None:
        """Disconnect."""
        try:
            if self._client is not None:
                async with asyncio.timeout(self._timeout):
                    await self._client.close()
        except Exception as error:  # noqa: BLE001 - the run has ended, and its Results are known
            LOG.info("dask: %s: %s", type(error).__name__, error)
        finally:
            for handler in self._handlers:
                handler.removeFilter(self._filter)
