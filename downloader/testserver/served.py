"""What both kinds of server, the built-in one and nginx, offer alike. Starts nothing."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from downloader.testserver import faults, queries


class Served(ABC):
    """A running server; a context manager that ends it.

    ``url`` has no slash at its end. ``cacert``: the PEM file of the authority to trust, empty without https; it is gone when
    the server is. ``named``: the queries of the named lists. ``process``: the process that it is, or that watches over it.
    """

    __test__ = False  # no test, whatever pytest makes of the names of its kinds
    url: str
    cacert: str
    named: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    @abstractmethod
    def cores(self) -> float:
        """The most cores that it can keep busy, on this machine."""

    @abstractmethod
    def reset(self) -> None:
        """Begin anew with the counts that faults depend on."""

    @abstractmethod
    def close(self) -> None:
        """End it. May be called twice."""

    @abstractmethod
    def _provide(self, entries: Iterable[queries.ListedFile], asked: queries.FileOptions) -> None:
        """See to it that these files can be asked for."""

    def file(
        self,
        number: int,
        size: int,
        delay: float = 0.0,
        rate: float = 0.0,
        *,
        fail: str = "",
        share: float = 1.0,
        seed: int = queries.DEFAULT_OPTIONS.seed,
    ) -> str:
        """The URL of a file of ``size`` bytes.

        ``delay`` in seconds, ``rate`` in bytes a second (0: as fast as it goes), ``fail``: see `faults`, met by a ``share`` of
        the requests. Raises WrongQuery for unknown kinds.
        """
        asked = queries.FileOptions(delay, rate, faults.kinds(fail), share, seed)
        self._provide([queries.ListedFile(number, size, delay)], asked)
        return self.url + queries.path(number, size, asked)

    def listing(self, query: str) -> str:
        """The URLs of a list, one a line; what ``/list?query`` answers. Raises WrongQuery."""
        return "".join(queries.lines(self.url, query))

    def sums(self, query: str) -> dict[str, str]:
        """SHA-256 in hex by file name, of the same files. Made in the calling process. Raises WrongQuery."""
        return dict(queries.sums(query))

    def cpu_seconds(self) -> float:
        """What its processes have used so far, user and system; 0.0 where the system does not tell (no ``/proc``)."""
        return cpu_seconds(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def available_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of those it waited for, and of its living descendants; what is not told is 0."""
    try:
        # Fields as in proc(5), from the third on: the name before them may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = [child for one in Path(f"/proc/{pid}/task").iterdir() for child in (one / "children").read_text().split()]
    except (OSError, UnicodeError):
        return 0.0
    own = sum(int(item) for item in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)
