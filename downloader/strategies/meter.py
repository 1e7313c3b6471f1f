"""What holds a run to `--limit-rate`: every piece that has come is paid for, and whoever brought it waits until it is.

One bucket in all and one for each host. A `Meter` belongs to one process; where workers are processes, they share the
buckets through a file of memory. It is locked with `lockf`, which a worker that is killed lets go of.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from downloader.core.limits import pay
from downloader.core.naming import host_of

WORTH_IT = 0.002
"""Seconds: shorter waits are not made, but stay owed."""

_HOSTS = 4096
"""So many hosts have a bucket of their own among processes; those that come after share one."""

_SLOT = struct.Struct("<Qd")


class Meter:
    """Limits of ``in_all`` and ``per_host`` bytes a second (0: none). Thread-safe."""

    def __init__(self, in_all: int, per_host: int) -> None:
        self._in_all = in_all
        self._per_host = per_host
        self._lock = threading.Lock()
        self._due: MutableMapping[str, float] = {}

    def pay(self, url: str, count: int, now: float) -> float:
        """So many bytes have come from there: how many seconds to wait before more is read; 0 for not at all."""
        with self._lock:
            return self._pay(url, count, now)

    def _pay(self, url: str, count: int, now: float) -> float:
        until, due = 0.0, self._due
        if self._in_all:
            until = due[""] = pay(due.get("", 0.0), now, count, self._in_all)
        if self._per_host:
            host = host_of(url)
            due[host] = at_host = pay(due.get(host, 0.0), now, count, self._per_host)
            until = max(until, at_host)
        wait = until - now
        return wait if wait >= WORTH_IT else 0.0


class _Table(MutableMapping[str, float]):
    """Numbers by name in memory that processes share: a hash table with open addressing. Nothing is ever taken out."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    def _find(self, name: str) -> tuple[int, int]:
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") or 1
        for step in range(_HOSTS):
            at = (key + step) % _HOSTS * _SLOT.size
            if _SLOT.unpack_from(self._memory, at)[0] in (0, key):
                return at, key
        return _HOSTS * _SLOT.size, 1

    def __getitem__(self, name: str) -> float:
        value: float = _SLOT.unpack_from(self._memory, self._find(name)[0])[1]
        return value

    def __setitem__(self, name: str, value: float) -> None:
        at, key = self._find(name)
        _SLOT.pack_into(self._memory, at, key, value)

    def __delitem__(self, name: str) -> None:
        self[name] = 0.0

    def __iter__(self) -> Iterator[str]:
        raise TypeError("the names are not kept")

    def __len__(self) -> int:
        return _HOSTS


class SharedMeter(Meter):
    """A Meter whose buckets are in a file, for each process that opens it. Raises OSError."""

    def __init__(self, in_all: int, per_host: int, path: str) -> None:
        super().__init__(in_all, per_host)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._due = _Table(mmap.mmap(self._descriptor, (1 + _HOSTS) * _SLOT.size))

    def pay(self, url: str, count: int, now: float) -> float:
        """See `Meter`. All processes of a machine have the same monotonic clock."""
        with self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                return self._pay(url, count, now)
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


@contextmanager
def shared_file(wanted: bool) -> Iterator[str]:
    """A file for `SharedMeter`, for as long as this is entered: its path; empty where none is wanted."""
    if not wanted:
        yield ""
        return
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="dl-rate-")
    try:
        os.truncate(descriptor, (1 + _HOSTS) * _SLOT.size)
        os.close(descriptor)
        yield path
    finally:
        os.unlink(path)
