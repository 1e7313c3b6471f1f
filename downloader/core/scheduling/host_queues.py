"""A priority queue for each host, and whose turn it is."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Ordered(Protocol):
    """Something that says what comes before what."""

    @property
    def order(self) -> tuple[int, int]:
        """The smaller comes first; no two are equal."""


Item = TypeVar("Item", bound=Ordered)


class HostQueues(Generic[Item]):
    """A priority queue for each host, and whose turn it is: hosts take turns, so that none waits behind another's list."""

    def __init__(self, is_proven: Callable[[str], bool] | None = None) -> None:
        """``is_proven``: whether a host has answered before; without it, all are alike."""
        self._queues: dict[str, list[tuple[int, int, Item]]] = {}
        self._turns: deque[tuple[int, str]] = deque()  # hosts that have something ready and are not known to be full; each once
        self._unproven: deque[tuple[int, str]] = deque()
        self._is_proven = is_proven
        self._tickets = itertools.count()
        self._in_turn: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, host: str, item: Item) -> None:
        """One more for this host."""
        queue = self._queues.get(host)
        if queue is None:
            queue = self._queues[host] = []
        heapq.heappush(queue, (*item.order, item))
        self._count += 1
        self.free(host)

    def free(self, host: str) -> None:
        """This host may take something again: it gets its turn, if it has anything."""
        if host in self._queues and host not in self._in_turn:
            self._in_turn.add(host)
            proven = self._is_proven is None or self._is_proven(host)
            (self._turns if proven else self._unproven).append((next(self._tickets), host))

    def next_host(self, acquire: Callable[[str], bool], proven_first: bool = False) -> str | None:
        """The first host, in turn, that ``acquire`` grants a slot; those refused wait until they are `free`."""
        while (turns := self._next_turns(proven_first)) is not None:
            host = turns.popleft()[1]
            self._in_turn.discard(host)
            if acquire(host):
                return host
        return None

    def _next_turns(self, proven_first: bool) -> deque[tuple[int, str]] | None:
        turns, unproven = self._turns, self._unproven
        if turns and (proven_first or not unproven or turns[0] < unproven[0]):
            return turns
        return unproven or None

    def proven(self, host: str) -> None:
        """This host has answered for the first time."""
        for turn in self._unproven:
            if turn[1] == host:
                self._unproven.remove(turn)
                self._turns.append(turn)
                return

    def drop(self, host: str) -> list[Item]:
        """Empty the queue of one host; all that was in it."""
        items = [item for _, _, item in self._queues.pop(host, ())]
        self._count -= len(items)
        if host in self._in_turn:
            self._in_turn.discard(host)
            for turns in (self._turns, self._unproven):
                for turn in turns:
                    if turn[1] == host:
                        turns.remove(turn)
                        break
        return items

    def pop(self, host: str, most: int) -> list[Item]:
        """The first items of a host, ``most`` at most; what it has left goes to the end of the turns."""
        queue = self._queues[host]
        items = [heapq.heappop(queue)[2] for _ in range(min(most, len(queue)))]
        self._count -= len(items)
        if queue:
            self.free(host)
        else:
            del self._queues[host]
        return items

    def clear(self) -> list[Item]:
        """Empty it; all that was in it."""
        return [item for host in list(self._queues) for item in self.drop(host)]
