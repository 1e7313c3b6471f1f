"""Waiting for sockets that libcurl watches: epoll where there is one, else whatever `selectors` has.

libcurl lets go of a socket at the end of each answer and takes it up again for the next. With epoll that costs nothing
here: the socket stays registered, and what it has to say while nobody asks is what takes it out. `selectors` does the
same with four Python calls and two system calls more for each file (4 of 80 µs).
"""

import select
import selectors
from contextlib import suppress
from typing import Protocol

READ, WRITE = 1, 2  # libcurl's numbers for what a socket is ready for, as well as `selectors`'


class Poller(Protocol):
    """Which descriptors are ready."""

    def watch(self, descriptor: int, mask: int) -> None:
        """From now on, tell when this one can be read, written, or both."""

    def forget(self, descriptor: int) -> None:
        """Tell no more of this one; it may have been closed."""

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Those that are ready, and for what; waits so long at most."""

    def close(self) -> None:
        """Let go of all."""


class EpollPoller:
    """On Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._known: set[int] = set()
        self._idle: set[int] = set()

    def watch(self, descriptor: int, mask: int) -> None:
        """See `Poller`. A number may have been closed and given to another socket since it was last watched."""
        events = (select.EPOLLIN if mask & READ else 0) | (select.EPOLLOUT if mask & WRITE else 0)
        self._idle.discard(descriptor)
        if descriptor in self._known:
            try:
                self._epoll.modify(descriptor, events)
            except FileNotFoundError:
                self._epoll.register(descriptor, events)
        else:
            self._known.add(descriptor)
            self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """See `Poller`."""
        self._idle.add(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """See `Poller`."""
        ready = []
        for descriptor, events in self._epoll.poll(seconds):
            if descriptor in self._idle:
                self._idle.discard(descriptor)
                self._known.discard(descriptor)
                with suppress(OSError):
                    self._epoll.unregister(descriptor)
                continue
            mask = READ if events & ~select.EPOLLOUT else 0
            ready.append((descriptor, mask | (WRITE if events & select.EPOLLOUT else 0)))
        return ready

    def close(self) -> None:
        """See `Poller`."""
        self._epoll.close()


class SelectorPoller:
    """Elsewhere."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, descriptor: int, mask: int) -> None:
        """See `Poller`."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)
        self._selector.register(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """See `Poller`."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """See `Poller`."""
        return [(key.fd, mask) for key, mask in self._selector.select(seconds)]

    def close(self) -> None:
        """See `Poller`."""
        self._selector.close()


def poller() -> Poller:
    """The best there is here."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
