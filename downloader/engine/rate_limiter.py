"""What holds a run to `--limit-rate`: every piece that has come is paid for, and whoever brought it waits until it is.

One bucket in all and one for each host. A `RateLimiter` belongs to one process; where workers are processes, they share the
buckets through a file of memory. It is locked with `lockf`, which a worker that is killed lets go of.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from downloader.core.limits.rate import BURST, pay
from downloader.core.names.urls import host_of

WORTH_IT = 0.002
"""Seconds: shorter waits are not made, but stay owed."""

_HOSTS = 4096
"""Buckets among processes; and so many are kept in one process before those that are paid for are forgotten."""

_NEAR = 16
"""Places in the table where a host's bucket may be. Where others have all of them, it shares one."""

_SLOT = struct.Struct("<Qd")
_SIZE = (1 + _HOSTS) * _SLOT.size


class _Buckets:
    """By name, in this process. One that is paid for is as good as none: memory does not grow with the number of hosts."""

    def __init__(self) -> None:
        self.due: dict[str, float] = {}
        self._most = _HOSTS

    def pay(self, name: str, now: float, count: int, rate: float) -> float:
        """When all that has passed there is paid for, this too."""
        due = self.due
        until = due[name] = pay(due.get(name, 0.0), now, count, rate)
        if len(due) > self._most:
            self.due = {name: when for name, when in due.items() if when > now - BURST}
            self._most = max(_HOSTS, 2 * len(self.due))
        return until


class _Table:
    """The same in memory that processes share: a hash table. The place of a bucket that is paid for may be taken by another."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory

    def _find(self, name: str, now: float) -> tuple[int, int, float]:
        """Where it is, whose it is, and what is due there. What is in all has a place of its own: the last."""
        if not name:
            return _HOSTS * _SLOT.size, 1, float(_SLOT.unpack_from(self.memory, _HOSTS * _SLOT.size)[1])
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
        free = -1
        for step in range(_NEAR):
            at = (key + step) % _HOSTS * _SLOT.size
            owner, due = _SLOT.unpack_from(self.memory, at)
            if owner == key:
                return at, key, due
            if free < 0 and due <= now - BURST:
                free = at
        if free >= 0:
            return free, key, 0.0
        at = key % _HOSTS * _SLOT.size
        owner, due = _SLOT.unpack_from(self.memory, at)
        return at, owner, due

    def pay(self, name: str, now: float, count: int, rate: float) -> float:
        """See `_Buckets`."""
        at, owner, due = self._find(name, now)
        until = pay(due, now, count, rate)
        _SLOT.pack_into(self.memory, at, owner, until)
        return until


class RateLimiter:
    """Limits of ``in_all`` and ``per_host`` bytes a second (0: none). Thread-safe."""

    def __init__(self, in_all: int, per_host: int) -> None:
        self._in_all = in_all
        self._per_host = per_host
        self._lock = threading.Lock()
        self._buckets: _Buckets | _Table = _Buckets()
        self._descriptor = -1

    def pay(self, url: str, count: int, now: float) -> float:
        """So many bytes have come from there: how many seconds to wait before more is read; 0 for not at all.

        All processes of a machine have the same monotonic clock.
        """
        with self._lock:
            if self._descriptor < 0:
                return self._pay(url, count, now)
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                return self._pay(url, count, now)
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _pay(self, url: str, count: int, now: float) -> float:
        until, buckets = 0.0, self._buckets
        if self._in_all:
            until = buckets.pay("", now, count, self._in_all)
        if self._per_host:
            until = max(until, buckets.pay(host_of(url), now, count, self._per_host))
        wait = until - now
        return wait if wait >= WORTH_IT else 0.0

    def share(self, path: str) -> None:
        """From now on, what is due stands in this file, for each process that opens it. Raises OSError."""
        with self._lock:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            table = _Table(mmap.mmap(descriptor, _SIZE))
            if isinstance(self._buckets, _Buckets):
                for name, due in self._buckets.due.items():
                    table.pay(name, due + BURST, 0, 1.0)
            self._buckets, self._descriptor = table, descriptor

    def close(self) -> None:
        """Let go of the file, where there is one. What was due there is forgotten."""
        with self._lock:
            if isinstance(self._buckets, _Table):
                self._buckets.memory.close()
                os.close(self._descriptor)
                self._buckets, self._descriptor = _Buckets(), -1


class SharedRateLimiter(RateLimiter):
    """A RateLimiter whose buckets are in a file from the start. Raises OSError."""

    def __init__(self, in_all: int, per_host: int, path: str) -> None:
        super().__init__(in_all, per_host)
        self.share(path)


@contextmanager
def shared_file(wanted: bool) -> Iterator[str]:
    """A file for `SharedRateLimiter`, for as long as this is entered: its path; empty where none is wanted."""
    if not wanted:
        yield ""
        return
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="dl-rate-")
    try:
        os.truncate(descriptor, _SIZE)
        os.close(descriptor)
        yield path
    finally:
        os.unlink(path)
