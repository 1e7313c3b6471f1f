"""The cells of the benchmarks: which files are served, the list of their URLs, and the comparison of the copies.

Shared by the benchmarks; not to be run. Each byte of a file depends on its position and on the number of the file. If there
are many small files, several names are hard links to one file; the number of different files is a prime number, so neighbours
in the list always differ.
"""

import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import origin

from downloader.compare.scenarios import Scenario
from downloader.testserver import content as bodies

MB = 1_000_000
KIB = 1024
BODIES = 997
BLOCK_BYTES = 256 * KIB
HOSTS = 50
PUBLIC = "archive.example"
"""A name that no DNS server knows. Requests for it go to nginx, because nginx is named as the proxy."""

MIXED_BYTES = (1_000, 50 * MB)
"""The sizes of the smallest and the largest file of the mixed cell."""
MIXED_MU, MIXED_SIGMA, MIXED_SEED = 11.0, 2.0, 1
"""The parameters of its log-normal distribution: the median is 60 KB, and the 600 files have 264 MB in all."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The description of a cell.

    ``count``: the number of files. ``size``: bytes of each file; 0: sizes from a log-normal distribution. ``quick``: with
    ``--quick``, the number of files, or the size of the only file. ``place``: the prefix of the URLs, see `origin`. ``hosts``:
    the number of addresses of the server. ``by_bytes``: rates are stated for bytes, not for files. ``capped``: each connection
    has a maximum rate. ``public``: the URLs have the name of a host that is not this machine. ``disk``: the files are written
    to a disk. ``repeat``: the number of runs in each round; more than one if a run is short.
    """

    description: str
    count: int
    size: int
    quick: int
    place: str = "files"
    tls: bool = False
    hosts: int = 0
    by_bytes: bool = False
    capped: bool = False
    public: bool = False
    disk: bool = False
    repeat: int = 1

    @property
    def faults(self) -> bool:
        """Whether the server refuses some requests, so that peers need options for retries."""
        return self.place == "faulty"

    @property
    def waits(self) -> bool:
        """Whether the server is slow to answer, so that many requests in flight are faster than few."""
        return self.place in ("late", "hosts")

    @property
    def problem(self) -> str:
        """Why the cell cannot run on this machine; empty if it can."""
        needed = "http_echo" if self.waits else "stream" if self.capped else ""
        if needed and (problem := origin.problem(needed)):
            return problem
        if self.hosts and not origin.has_address("127.0.0.2"):
            return "this machine has no address but 127.0.0.1"
        return ""

    def sizes(self, quick: bool) -> list[int]:
        """The size of each file in bytes."""
        if self.count == 1:
            return [self.quick if quick else self.size]
        count = self.quick if quick else self.count
        if self.size:
            return [self.size] * count
        numbers = random.Random(MIXED_SEED)
        low, high = MIXED_BYTES
        return [min(max(int(numbers.lognormvariate(MIXED_MU, MIXED_SIGMA)), low), high) for _ in range(count)]


CELLS = {
    "small": Spec("20,000 files of 10 KiB", 20_000, 10 * KIB, 4_000),
    "small-tls": Spec("20,000 files of 10 KiB, https", 20_000, 10 * KIB, 4_000, tls=True),
    "small-disk": Spec("20,000 files of 10 KiB, written to a disk", 20_000, 10 * KIB, 4_000, disk=True),
    "start": Spec("one file of 10 KiB", 1, 10 * KIB, 10 * KIB, repeat=8),
    "mixed": Spec("600 files of 1 KB to 50 MB, log-normal", 600, 0, 100, by_bytes=True),
    "large": Spec("8 files of 100 MB", 8, 100 * MB, 3, by_bytes=True),
    "large-tls": Spec("8 files of 100 MB, https", 8, 100 * MB, 3, tls=True, by_bytes=True),
    "capped": Spec("one file of 200 MB, 10 MiB/s for each connection", 1, 200 * MB, 60 * MB, by_bytes=True, capped=True),
    "latency": Spec("500 files of 10 KiB, 100 ms before each answer", 500, 10 * KIB, 200, "late"),
    "faults": Spec("3,000 files of 10 KiB, 2 % of the answers are 503", 3_000, 10 * KIB, 600, "faulty"),
    "hosts": Spec(
        "50 hosts, some slow, some late; 20 files of 256 KiB from each", 20 * HOSTS, 256 * KIB, 4 * HOSTS, "hosts", hosts=HOSTS
    ),
    "public": Spec("500 files of 10 KiB at 100 ms, public host, through a proxy", 500, 10 * KIB, 200, "late", public=True),
}

DEFAULT_CELLS = tuple(name for name in CELLS if name not in ("hosts", "public"))
"""The cells that run if no cells are named."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is being served. The name of each file is the last part of its URL."""

    name: str
    spec: Spec
    urls: tuple[str, ...]
    originals: dict[str, Path]
    total: int
    list_file: Path
    cacert: Path | None
    proxy: str = ""

    @property
    def scenario(self) -> Scenario:
        """The corresponding scenario of `dl compare`, from which the commands of the peers are made."""
        spec = self.spec
        return Scenario(
            self.name, spec.description, "", len(self.urls), spec.size, fail="503" if spec.faults else "", tls=spec.tls
        )

    def verify(self, folder: Path) -> str:
        """Compare each byte with the served files. Return the first problem as text; empty if all files are right."""
        names = {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}
        missing, unexpected = self.originals.keys() - names, names - self.originals.keys()
        if missing:
            return f"{len(missing)} of {len(self.originals)} files are missing"
        if unexpected:
            return f"{len(unexpected)} files too many: {min(unexpected)}"
        buffers = bytearray(BLOCK_BYTES), bytearray(BLOCK_BYTES)
        wrong = [name for name, original in self.originals.items() if not same(folder / name, original, *buffers)]
        return f"{len(wrong)} files have other bytes: {wrong[0]}" if wrong else ""


def serve(name: str, quick: bool, content: Path, server: origin.Origin, *, count: int = 0) -> Cell:
    """Make the files of a cell below ``content``, and the list of their URLs. ``count``: use only the first so many files."""
    spec = CELLS[name]
    sizes = spec.sizes(quick)[: count or None]
    files = content / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    originals = {}
    for number, size in enumerate(sizes):
        path = originals[f"{number:06d}.bin"] = files / f"{number:06d}.bin"
        if spec.size and number >= BODIES:
            path.hardlink_to(files / f"{number % BODIES:06d}.bin")
        else:
            with path.open("wb") as body:
                body.writelines(bodies.pieces(number, 0, size))
    hosts = len(server.addresses) - 1 if spec.hosts else 0
    urls = [
        server.url(f"{spec.place}/{file}", host=1 + number % hosts if hosts else 0, tls=spec.tls, capped=spec.capped)
        for number, file in enumerate(originals)
    ]
    proxy = server.url("") if spec.public else ""
    if proxy:
        urls = [url.replace(proxy, f"http://{PUBLIC}/") for url in urls]
    list_file = content / "list.txt"
    list_file.write_text("".join(f"{url}\n" for url in urls))
    return Cell(name, spec, tuple(urls), originals, sum(sizes), list_file, server.cacert if spec.tls else None, proxy)


def same(one: Path, other: Path, left: bytearray, right: bytearray) -> bool:
    """Whether two files have the same bytes. ``left`` and ``right``: buffers of equal size."""
    with one.open("rb", buffering=0) as copy, other.open("rb", buffering=0) as original:
        size = os.fstat(copy.fileno()).st_size
        if size != os.fstat(original.fileno()).st_size:
            return False
        while size > 0:
            count = copy.readinto(left)
            if not count or original.readinto(right) != count or left[:count] != right[:count]:
                return False
            size -= count
    return True
