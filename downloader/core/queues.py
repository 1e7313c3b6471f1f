"""What the scheduler keeps: Downloads under way, those that are ready by host in fair turns, and the names taken."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from downloader.core.model import WHOLE, Attempt, Checksum, Download, End, Outcome, Result, Segment, Status
from downloader.core.naming import name_from_url, path_from_url, public_url, safe_component, wished_path
from downloader.errors import DownloadError, IntegrityError, WorkerError

_NONE = Outcome(-1, End.FAILED)


class Entry(Struct, eq=False):
    """A Download under way: what has been tried, and what it cost.

    ``due``: when what is left of a file that came in Segments may be asked for. ``one_piece``: it is not split any more.
    ``kept``: it is no Download of the list, but a robots.txt.
    ``mixed``: the bytes are of several URLs; ``alone``: they no longer may be, for their checksum was wrong.
    """

    key: int
    download: Download
    path: str
    urls: list[str]
    named: bool
    checksums: tuple[Checksum, ...]
    tries: int = 0
    number: int = 0
    turn: int = 0
    mismatches: int = 0
    losses: int = 0
    fresh: bool = False
    repeated: bool = False
    received: int = 0
    elapsed: float = 0.0
    due: float = 0.0
    one_piece: bool = False
    mixed: bool = False
    alone: bool = False
    kept: bool = False

    @property
    def url(self) -> str:
        urls = self.urls
        return urls[0] if len(urls) == 1 else urls[self.turn % len(urls)]

    @property
    def order(self) -> tuple[int, int]:
        """Higher priority first, then as it was listed."""
        return -self.download.priority, self.key

    def failed(self, error: DownloadError) -> None:
        """Note what an Attempt failed of, for those that follow."""
        if isinstance(error, WorkerError):
            self.repeated = True
            self.losses += 1
        self.fresh = False
        if isinstance(error, IntegrityError):
            self.mismatches += not self.mixed  # of several servers' bytes nobody knows whose are wrong: each gets its turn
            self.alone |= self.mixed
            self.mixed, self.fresh = False, True

    def attempt(self, key: int, url: str, segment: Segment = WHOLE, beside: int | None = None, mirror: bool = False) -> Attempt:
        """An Attempt at it, or at one Segment of it."""
        download = self.download
        if segment is WHOLE and self._is_plain:
            return Attempt(key, self.number, url, download.url, self.path)
        return Attempt(
            key=key,
            number=self.number,
            url=url,
            source=download.url,
            path=self.path,
            segment=segment,
            headers=download.headers,
            checksums=self.checksums,
            size=download.size,
            fresh=self.fresh and segment is WHOLE,
            probe=not self.named,
            repeated=self.repeated,
            beside=beside,
            mirror=mirror,
            kept=self.kept,
        )

    @property
    def _is_plain(self) -> bool:
        """Whether there is nothing to say of it but where it is and where it goes: so it is with most."""
        about = self.download
        special = self.fresh or self.repeated or self.kept or self.checksums or about.headers or about.size is not None
        return not special and self.named

    def result(self, status: Status, outcome: Outcome | None, reason: str, error: DownloadError | None) -> Result:
        """How it ended."""
        if outcome is None:
            outcome = _NONE
        return Result(
            url=public_url(self.download.url),
            path=outcome.path or self.path,
            status=status,
            bytes=outcome.size if status is Status.DONE or outcome.end is End.EXISTS else 0,
            received=self.received,
            http_status=outcome.status,
            attempts=self.number - (outcome.end is End.EXISTS and not outcome.status),  # to find it there was none
            elapsed=self.elapsed,
            final_url=outcome.final_url,
            etag=outcome.etag,
            reason=reason,
            verified=outcome.verified,
            error=error,
            download=self.to_repeat() if status is Status.FAILED else None,
            value=None if outcome.returned is None else outcome.returned.value,
            warning=outcome.warning if status is Status.DONE else "",
        )

    def to_repeat(self) -> Download:
        """The Download as a later list should say it: with its path, where that list alone would not lead to it again."""
        download = replace(self.download, checksums=self.checksums)
        if download.out or not self.path or self.path == default_path(download):
            return download
        return replace(download, out=self.path, dir="")


def default_path(download: Download, cut_dirs: int | None = None) -> str:
    """The path of a Download that wishes for no name: from its URL. ``cut_dirs``: see `path_from_url`; None: no folders."""
    name = name_from_url(download.url) if cut_dirs is None else path_from_url(download.url, cut_dirs)
    return wished_path(download.dir, name) if download.dir else name


def path_by_server(path: str, proposed: str) -> str:
    """The path with the name that the server proposes for the file; the path itself, where it proposes none."""
    folder, slash, _ = path.rpartition("/")
    base = proposed.replace("\\", "/").rpartition("/")[2]
    return f"{folder}{slash}{safe_component(base)}" if base.strip(". ") else path


class Ordered(Protocol):
    """Something that says what comes before what."""

    @property
    def order(self) -> tuple[int, int]:
        """The smaller comes first; no two are equal."""


Item = TypeVar("Item", bound=Ordered)


class HostQueues(Generic[Item]):
    """A priority queue for each host, and whose turn it is: hosts take turns, so that none waits behind another's list."""

    def __init__(self, is_proven: Callable[[str], bool] | None = None) -> None:
        """``is_proven``: whether a host has answered before; without it, all are alike."""
        self._queues: dict[str, list[tuple[int, int, Item]]] = {}
        self._turns: deque[tuple[int, str]] = deque()  # hosts that have something ready and are not known to be full; each once
        self._unproven: deque[tuple[int, str]] = deque()
        self._is_proven = is_proven
        self._tickets = itertools.count()
        self._in_turn: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, host: str, item: Item) -> None:
        """One more for this host."""
        queue = self._queues.get(host)
        if queue is None:
            queue = self._queues[host] = []
        heapq.heappush(queue, (*item.order, item))
        self._count += 1
        self.free(host)

    def free(self, host: str) -> None:
        """This host may take something again: it gets its turn, if it has anything."""
        if host in self._queues and host not in self._in_turn:
            self._in_turn.add(host)
            proven = self._is_proven is None or self._is_proven(host)
            (self._turns if proven else self._unproven).append((next(self._tickets), host))

    def next_host(self, acquire: Callable[[str], bool], proven_first: bool = False) -> str | None:
        """The first host, in turn, that ``acquire`` grants a slot; those refused wait until they are `free`."""
        while (turns := self._next_turns(proven_first)) is not None:
            host = turns.popleft()[1]
            self._in_turn.discard(host)
            if acquire(host):
                return host
        return None

    def _next_turns(self, proven_first: bool) -> deque[tuple[int, str]] | None:
        turns, unproven = self._turns, self._unproven
        if turns and (proven_first or not unproven or turns[0] < unproven[0]):
            return turns
        return unproven or None

    def proven(self, host: str) -> None:
        """This host has answered for the first time."""
        for turn in self._unproven:
            if turn[1] == host:
                self._unproven.remove(turn)
                self._turns.append(turn)
                return

    def drop(self, host: str) -> list[Item]:
        """Empty the queue of one host; all that was in it."""
        items = [item for _, _, item in self._queues.pop(host, ())]
        self._count -= len(items)
        if host in self._in_turn:
            self._in_turn.discard(host)
            for turns in (self._turns, self._unproven):
                for turn in turns:
                    if turn[1] == host:
                        turns.remove(turn)
                        break
        return items

    def pop(self, host: str, most: int) -> list[Item]:
        """The first items of a host, ``most`` at most; what it has left goes to the end of the turns."""
        queue = self._queues[host]
        items = [heapq.heappop(queue)[2] for _ in range(min(most, len(queue)))]
        self._count -= len(items)
        if queue:
            self.free(host)
        else:
            del self._queues[host]
        return items

    def clear(self) -> list[Item]:
        """Empty it; all that was in it."""
        return [item for host in list(self._queues) for item in self.drop(host)]
