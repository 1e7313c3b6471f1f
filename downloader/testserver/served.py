"""The common interface of the two kinds of server, the built-in one and nginx."""

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

    ``url``: scheme, host and port, without a final slash. ``cacert``: the PEM file of the authority to trust, empty without
    https; it is removed with the server. ``named``: the queries of the named lists. ``process``: the server's process, or
    its parent.
    """

    __test__ = False  # pytest must not take the subclass `TestServer` for a test
    url: str
    cacert: str
    named: Mapping[str, str]
    process: subprocess.Popen[bytes]

    @property
    @abstractmethod
    def cores(self) -> float:
        """The maximum number of cores that the server can use on this machine."""

    @abstractmethod
    def reset(self) -> None:
        """Reset the counters of the faults."""

    @abstractmethod
    def close(self) -> None:
        """End the server. May be called twice."""

    @abstractmethod
    def _provide(self, entries: Iterable[queries.ListedFile], options: queries.FileOptions) -> None:
        """Prepare these files, so that they can be requested."""

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
        """The URL of file ``number`` with ``size`` bytes.

        ``delay``: seconds before the first byte. ``rate``: the maximum number of bytes per second; 0: no limit. ``fail``: the
        kinds of faults, see `faults`; ``share``: their probability. Raises WrongQuery for an unknown kind.
        """
        options = queries.FileOptions(delay, rate, faults.kinds(fail), share, seed)
        self._provide([queries.ListedFile(number, size, delay)], options)
        return self.url + queries.path(number, size, options)

    def listing(self, query: str) -> str:
        """The URLs of a list, one per line, as in the answer to ``/list?query``. Raises WrongQuery."""
        return "".join(queries.url_lines(self.url, query))

    def sums(self, query: str) -> dict[str, str]:
        """The SHA-256 digests in hex of the files of a list, by name. The calling process computes them. Raises WrongQuery."""
        return dict(queries.sums(query))

    def cpu_seconds(self) -> float:
        """The CPU seconds of the server's processes so far, user and system; 0.0 on a system without ``/proc``."""
        return cpu_seconds(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def available_cores() -> int:
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_seconds(pid: int) -> float:
    """The CPU seconds of a process, of the children it waited for, and of its living descendants; 0 for unknown values."""
    try:
        # The fields of proc(5) from the third on: the second field, the name, may contain any character.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = [
            child for thread in Path(f"/proc/{pid}/task").iterdir() for child in (thread / "children").read_text().split()
        ]
    except (OSError, UnicodeError):
        return 0.0
    own = sum(int(item) for item in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)
