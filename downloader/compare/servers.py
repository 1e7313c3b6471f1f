"""The test servers of a comparison: each is started when it is first needed, and all are ended with the comparison."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from downloader.compare.scenarios import SCENARIOS, Scenario
from downloader.errors import UsageError
from downloader.extras import hint_for
from downloader.testserver.launch import TestServer
from downloader.testserver.nginx import Nginx, objection
from downloader.testserver.served import Served
from downloader.testserver.server_errors import NotInstalled, ServerError

BUILT_IN, NGINX = "built-in", "nginx"
KINDS = (BUILT_IN, NGINX)


class Servers:
    """A context manager with up to two servers of one kind, one for http and one for https. ``kind``: one of `KINDS`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._running: dict[bool, Served] = {}
        self._stack = ExitStack()

    def of(self, scenario: Scenario) -> Served:
        """The running server for this scenario. Raises UsageError if this kind of server does not support the scenario."""
        if self.kind == NGINX and (reason := objection(scenario.query)):
            raise UsageError(f"{scenario.name}: {reason}", hint="--server built-in supports it")
        if scenario.tls not in self._running:
            try:
                self._running[scenario.tls] = self._stack.enter_context(self._start(scenario.tls))
            except NotInstalled as error:
                raise UsageError(str(error), hint=hint_for(*error.modules)) from None
            except ServerError as error:
                raise UsageError(str(error)) from None
        return self._running[scenario.tls]

    def _start(self, tls: bool) -> Served:
        if self.kind == NGINX:
            return Nginx(tls=tls)
        return TestServer(tls=tls, lists={item.name: item.query for item in SCENARIOS})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)
