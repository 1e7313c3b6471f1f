"""Token buckets for `--limit-rate`: after each read, the reader waits until its bytes fit the rate.

There is one bucket for the whole run and one for each host. A `RateLimiter` belongs to one process. Worker processes share the
buckets in a file that each of them maps; the kernel releases the lock of that file (`lockf`) when a worker is killed.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from downloader.core.limits.rate import BURST, pay
from downloader.core.names.urls import host_of

if TYPE_CHECKING:
    from downloader.core.limits.host_table import HostTable

MIN_WAIT = 0.002
"""Seconds. A shorter wait is not made at once; it adds to the next one."""

_HOSTS = 4096
"""Buckets of hosts in the shared table. One process forgets full buckets when it has more than so many."""

_PROBES = 16
"""Slots of the table in which a host's bucket may be. If other hosts have them all, the host shares one of their buckets."""

_SLOT = struct.Struct("<Qd")
_SIZE = (1 + _HOSTS) * _SLOT.size


class _Buckets:
    """Buckets by name, in this process. A full bucket is forgotten, so memory does not grow with the number of hosts."""

    def __init__(self) -> None:
        self.due: dict[str, float] = {}
        self._max_kept = _HOSTS

    def pay(self, name: str, now: float, count: float, rate: float) -> float:
        """Take ``count`` bytes from a bucket of ``rate`` bytes a second. When the bucket allows more (monotonic seconds)."""
        due = self.due
        until = due[name] = pay(due.get(name, 0.0), now, count, rate)
        if len(due) > self._max_kept:
            self.due = {name: when for name, when in due.items() if when > now - BURST}
            self._max_kept = max(_HOSTS, 2 * len(self.due))
        return until


class _Table:
    """The same in memory that processes share: a hash table, in which another host may take the slot of a full bucket."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory

    def _find(self, name: str, now: float) -> tuple[int, int, float]:
        """The offset of a bucket, the key of its owner, and its time. The bucket of the whole run is the last slot."""
        if not name:
            return _HOSTS * _SLOT.size, 1, float(_SLOT.unpack_from(self.memory, _HOSTS * _SLOT.size)[1])
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
        free = -1
        for step in range(_PROBES):
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

    def pay(self, name: str, now: float, count: float, rate: float) -> float:
        """See `_Buckets`."""
        at, owner, due = self._find(name, now)
        until = pay(due, now, count, rate)
        _SLOT.pack_into(self.memory, at, owner, until)
        return until


class RateLimiter:
    """Limits the rate. Thread-safe.

    Args:
        total: bytes a second for the whole run; 0: no limit.
        per_host: bytes a second for each host; 0: no limit.
        own_rates: replace ``per_host`` at some hosts; None: at none.

    ``part``: the part of all these rates that this limiter allows, greater than 0; the rest is for others elsewhere.
    """

    def __init__(self, total: int, per_host: int, own_rates: "HostTable[int] | None" = None) -> None:
        self._total = total
        self._per_host = per_host
        self._own_rates = own_rates
        self._lock = threading.Lock()
        self.part = 1.0
        self._buckets: _Buckets | _Table = _Buckets()
        self._descriptor = -1

    def pay(self, url: str, count: int, now: float) -> float:
        """Count bytes that have been read.

        Args:
            url: where the bytes came from.
            count: how many.
            now: monotonic seconds; all processes of a machine have the same clock.

        Returns:
            Seconds to wait before more is read; 0: do not wait.
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
        until, buckets, charged = 0.0, self._buckets, count / self.part
        if self._total:
            until = buckets.pay("", now, charged, self._total)
        if self._per_host or self._own_rates is not None:
            host = host_of(url)
            own = None if self._own_rates is None else self._own_rates.get(host)
            rate = self._per_host if own is None else own
            if rate:
                until = max(until, buckets.pay(host, now, charged, rate))
        wait = until - now
        return wait if wait >= MIN_WAIT else 0.0

    def share(self, path: str) -> None:
        """Move the buckets to this file, for every process that opens it. Raises OSError."""
        with self._lock:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            table = _Table(mmap.mmap(descriptor, _SIZE))
            if isinstance(self._buckets, _Buckets):
                for name, due in self._buckets.due.items():
                    table.pay(name, due + BURST, 0, 1.0)
            self._buckets, self._descriptor = table, descriptor

    def close(self) -> None:
        """Close the file, if there is one. The buckets are full again."""
        with self._lock:
            if isinstance(self._buckets, _Table):
                self._buckets.memory.close()
                os.close(self._descriptor)
                self._buckets, self._descriptor = _Buckets(), -1


class SharedRateLimiter(RateLimiter):
    """A `RateLimiter` whose buckets are in a file from the start. Raises OSError."""

    def __init__(self, total: int, per_host: int, path: str, own_rates: "HostTable[int] | None" = None) -> None:
        super().__init__(total, per_host, own_rates)
        self.share(path)


@contextmanager
def shared_file(wanted: bool) -> Iterator[str]:
    """A temporary file for `SharedRateLimiter`: its path; empty where none is ``wanted``."""
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
