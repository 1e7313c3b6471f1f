"""Waits for the sockets that libcurl uses: with epoll where the system has it, else with `selectors`.

libcurl stops watching a socket at the end of each response, and starts again for the next request. `EpollPoller` leaves such a
socket registered, and unregisters it only if it becomes ready while nobody watches it. `selectors` needs four Python calls and
two system calls more for each file (4 of 80 µs).
"""

import select
from contextlib import suppress
from typing import Protocol

READ, WRITE = 1, 2  # libcurl's numbers for what a socket is ready for, and those of `selectors`


class Poller(Protocol):
    """Waits until descriptors are ready."""

    def watch(self, descriptor: int, mask: int) -> None:
        """Report when this descriptor is ready for ``mask``: READ, WRITE, or both."""

    def unwatch(self, descriptor: int) -> None:
        """Report this descriptor no more. It may have been closed already."""

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Wait until descriptors are ready, at most so many seconds. Returns each with the mask of what it is ready for."""

    def close(self) -> None:
        """Close the poller."""


class EpollPoller:
    """`Poller` on Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._registered: set[int] = set()
        self._unwatched: set[int] = set()

    def watch(self, descriptor: int, mask: int) -> None:
        """See `Poller`. The number may have been closed and given to another socket since it was last watched."""
        events = (select.EPOLLIN if mask & READ else 0) | (select.EPOLLOUT if mask & WRITE else 0)
        self._unwatched.discard(descriptor)
        if descriptor in self._registered:
            try:
                self._epoll.modify(descriptor, events)
            except FileNotFoundError:
                self._epoll.register(descriptor, events)
        else:
            self._registered.add(descriptor)
            self._epoll.register(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        """See `Poller`."""
        self._unwatched.add(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """See `Poller`."""
        ready = []
        for descriptor, events in self._epoll.poll(seconds):
            if descriptor in self._unwatched:
                self._unwatched.discard(descriptor)
                self._registered.discard(descriptor)
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
    """`Poller` on other systems."""

    def __init__(self) -> None:
        import selectors  # here: most systems do not need it

        self._selector = selectors.DefaultSelector()

    def watch(self, descriptor: int, mask: int) -> None:
        """See `Poller`."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)
        self._selector.register(descriptor, mask)

    def unwatch(self, descriptor: int) -> None:
        """See `Poller`."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """See `Poller`."""
        return [(key.fd, mask) for key, mask in self._selector.select(seconds)]

    def close(self) -> None:
        """See `Poller`."""
        self._selector.close()


def new_poller() -> Poller:
    """The fastest `Poller` of this system."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
