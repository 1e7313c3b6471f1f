"""What is fetched in each cell of the benchmark: files, their list, and whether what came is what was served.

Shared by the benchmarks; not to be run. Every byte of a file depends on its position and on the number of the file. Where there
are many small ones, names share bodies, as hard links to a prime number of different files: neighbours always differ.
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
BLOCK = 1 << 20
HOSTS = 50
PUBLIC = "archive.example"
"""A name that no DNS knows: what is asked of it goes to nginx, which is named as the proxy."""

MIXED = (KIB, 50 * MB)
"""Bytes: the smallest and the largest file of the mixed cell."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One cell. `size` in bytes; 0 is a log-normal mixture. `quick` is the number of files, or the size of the only one."""

    about: str
    count: int
    size: int
    quick: int
    place: str = "files"
    tls: bool = False
    hosts: int = 0
    by_bytes: bool = False
    capped: bool = False
    public: bool = False

    @property
    def faults(self) -> bool:
        """Whether some requests are refused, so that peers must be told to try again."""
        return self.place == "faulty"

    @property
    def problem(self) -> str:
        """Why it cannot run here; empty if it can."""
        needed = "http_echo" if self.place in ("late", "hosts") else "stream" if self.capped else ""
        if needed and (problem := origin.problem(needed)):
            return problem
        if self.hosts and not origin.has_address("127.0.0.2"):
            return "this machine has no address but 127.0.0.1"
        return ""

    def sizes(self, quick: bool) -> list[int]:
        """Bytes of each file."""
        if self.count == 1:
            return [self.quick if quick else self.size]
        count = self.quick if quick else self.count
        if self.size:
            return [self.size] * count
        numbers = random.Random(1)
        low, high = MIXED
        return [min(max(int(numbers.lognormvariate(12.6, 2)), low), high) for _ in range(count)]


CELLS = {
    "small": Spec("50,000 files of 10 KiB", 50_000, 10 * KIB, 5_000),
    "small-tls": Spec("the same, https", 50_000, 10 * KIB, 5_000, tls=True),
    "latency": Spec("500 files of 10 KiB, 100 ms before each answer", 500, 10 * KIB, 200, "late"),
    "public": Spec("the same from a public host, by way of nginx as a proxy", 500, 10 * KIB, 200, "late", public=True),
    "large": Spec("8 files of 100 MB", 8, 100 * MB, 3, by_bytes=True),
    "large-tls": Spec("the same, https", 8, 100 * MB, 3, tls=True, by_bytes=True),
    "capped": Spec("one file of 400 MB, 10 MiB/s for each connection", 1, 400 * MB, 60 * MB, by_bytes=True, capped=True),
    "mixed": Spec("600 files of 1 KB to 50 MB, log-normal", 600, 0, 100, by_bytes=True),
    "hosts": Spec(
        "50 hosts, some slow, some late; 20 files of 256 KiB from each", 20 * HOSTS, 256 * KIB, 4 * HOSTS, "hosts", hosts=HOSTS
    ),
    "faults": Spec("5,000 files of 10 KiB, one answer in a hundred is 503", 5_000, 10 * KIB, 1_000, "faulty"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that is being served. The name of a file is the last part of its URL."""

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
        """What `dl compare` would call this: for the commands of its peers."""
        spec = self.spec
        return Scenario(self.name, spec.about, "", len(self.urls), spec.size, fail="503" if spec.faults else "", tls=spec.tls)

    def verify(self, folder: Path) -> str:
        """Compare each byte with what was served; what is wrong, in words, or nothing."""
        there = {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")}
        missing, more = self.originals.keys() - there, there - self.originals.keys()
        if missing:
            return f"{len(missing)} of {len(self.originals)} files are missing"
        if more:
            return f"{len(more)} files too many: {min(more)}"
        wrong = [name for name, original in self.originals.items() if not same(folder / name, original)]
        return f"{len(wrong)} files have other bytes: {wrong[0]}" if wrong else ""


def serve(name: str, quick: bool, content: Path, server: origin.Origin, *, count: int = 0) -> Cell:
    """Make the files of a cell below `content`, and their list beside them. `count` is for fewer files than the cell has."""
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


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    with one.open("rb", buffering=0) as left, other.open("rb", buffering=0) as right:
        if os.fstat(left.fileno()).st_size != os.fstat(right.fileno()).st_size:
            return False
        while part := left.read(BLOCK):
            if part != right.read(BLOCK):
                return False
    return True
