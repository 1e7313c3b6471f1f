"""How many runs write a journal now."""

import fcntl
import os

_MAX_LOCK_BYTES = 64 * 1024


def running_runs(path: str) -> int | None:
    """The number of runs that write the journal at ``path`` now; None if this cannot be determined.

    Each run holds a lock on the file beside the journal, which the system releases when the process ends, and has written its
    process number there. The lock is tested for an instant, and only where such a process exists.
    """
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    except OSError:
        return None
    try:
        lines = os.read(descriptor, _MAX_LOCK_BYTES).decode("ascii", "replace").splitlines()
        alive = sum(_is_alive(line.partition(" ")[0]) for line in lines)
        if not alive:
            return 0
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return alive
    except OSError:
        return None
    finally:
        os.close(descriptor)  # this releases the lock
    return 0


def _is_alive(number: str) -> bool:
    """Whether a process has this number."""
    try:
        os.kill(int(number), 0)
    except PermissionError:  # it runs as another user
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return int(number) > 0
