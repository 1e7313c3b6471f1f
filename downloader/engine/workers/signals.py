"""The terminal's signals, in worker processes and while they are started."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminal_signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM in this thread. Processes started meanwhile inherit the block, until they ignore both."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_terminal_signals() -> None:
    """In a worker: the terminal sends these signals to the whole process group, but the parent alone reacts to them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
