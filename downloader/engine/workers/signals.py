"""The terminal's signals, in worker processes and while they are started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """In this thread alone; processes started meanwhile inherit it, until they have seen to these signals themselves."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_terminal_signals() -> None:
    """In a worker: they reach the whole group, and the parent decides what they mean."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
