"""A priority queue for each host, served in turn."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Container
from typing import Generic, Protocol, TypeVar


class Ordered(Protocol):
    """An item of a priority queue."""

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: the smallest comes first; no two items have the same."""


Item = TypeVar("Item", bound=Ordered)


class HostQueues(Generic[Item]):
    """A priority queue for each host. Hosts are served round-robin, so that no host waits for the end of another's queue.

    A host is *eligible* while its queue is not empty and no slot was refused to it since it was last made eligible.

    Args:
        proven: the hosts that have answered before, which may be served first (see `next_host`); None: no difference is made.
    """

    def __init__(self, proven: Container[str] | None = None) -> None:
        self._queues: dict[str, list[tuple[int, int, Item]]] = {}
        self._eligible_proven: deque[tuple[int, str]] = deque()  # eligible hosts, numbered in order, each once
        self._eligible_unproven: deque[tuple[int, str]] = deque()
        self._proven = proven
        self._numbers = itertools.count()
        self._eligible: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, host: str, item: Item) -> None:
        """Add an item to the queue of a host, which becomes eligible."""
        queue = self._queues.get(host)
        if queue is None:
            queue = self._queues[host] = []
        heapq.heappush(queue, (*item.order, item))
        self._count += 1
        self.make_eligible(host)

    def make_eligible(self, host: str) -> None:
        """Let this host have a turn, the last one, if its queue is not empty: a slot may be free there again."""
        if host in self._queues and host not in self._eligible:
            self._eligible.add(host)
            proven = self._proven is None or host in self._proven
            hosts = self._eligible_proven if proven else self._eligible_unproven
            hosts.append((next(self._numbers), host))

    def next_host(self, acquire: Callable[[str], bool], proven_first: bool = False) -> str | None:
        """The first eligible host, in turn, that gets a slot; None if there is none.

        Args:
            acquire: takes a slot for a host and returns True, or returns False; then the host is not eligible any more.
            proven_first: hosts that have answered before come before all others.
        """
        while (hosts := self._next_hosts(proven_first)) is not None:
            host = hosts.popleft()[1]
            self._eligible.discard(host)
            if acquire(host):
                return host
        return None

    def _next_hosts(self, proven_first: bool) -> deque[tuple[int, str]] | None:
        proven, unproven = self._eligible_proven, self._eligible_unproven
        if proven and (proven_first or not unproven or proven[0] < unproven[0]):
            return proven
        return unproven or None

    def mark_proven(self, host: str) -> None:
        """Move an eligible host to those that have answered; it goes behind them."""
        for numbered in self._eligible_unproven:
            if numbered[1] == host:
                self._eligible_unproven.remove(numbered)
                self._eligible_proven.append(numbered)
                return

    def pop(self, host: str, max_items: int) -> list[Item]:
        """Remove and return the first items of a host; if it has more, it becomes eligible again, with the last turn."""
        queue = self._queues[host]
        items = [heapq.heappop(queue)[2] for _ in range(min(max_items, len(queue)))]
        self._count -= len(items)
        if queue:
            self.make_eligible(host)
        else:
            del self._queues[host]
        return items

    def drop(self, host: str) -> list[Item]:
        """Remove and return all items of a host."""
        items = [item for _, _, item in self._queues.pop(host, ())]
        self._count -= len(items)
        if host in self._eligible:
            self._eligible.discard(host)
            for hosts in (self._eligible_proven, self._eligible_unproven):
                for numbered in hosts:
                    if numbered[1] == host:
                        hosts.remove(numbered)
                        break
        return items

    def clear(self) -> list[Item]:
        """Remove and return all items of all hosts."""
        return [item for host in list(self._queues) for item in self.drop(host)]
