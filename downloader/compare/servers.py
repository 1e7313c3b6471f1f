"""Which server a scenario is run against: started when it is first wanted, ended with the comparison."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from downloader.compare.scenarios import SCENARIOS, Scenario
from downloader.errors import UsageError
from downloader.extras import hint_for
from downloader.testserver.errors import NotInstalled, ServerError
from downloader.testserver.launch import TestServer
from downloader.testserver.nginx import Nginx, objection
from downloader.testserver.served import Served

BUILT_IN, NGINX = "built-in", "nginx"
KINDS = (BUILT_IN, NGINX)


class Servers:
    """Servers of one kind, one for http and one for https. A context manager. ``kind``: one of `KINDS`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._running: dict[bool, Served] = {}
        self._stack = ExitStack()

    def of(self, scenario: Scenario) -> Served:
        """The one for this scenario, ready to answer. Raises UsageError where this kind cannot do what it needs."""
        if self.kind == NGINX and (why := objection(scenario.query)):
            raise UsageError(f"{scenario.name}: {why}", hint="--server built-in can")
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
