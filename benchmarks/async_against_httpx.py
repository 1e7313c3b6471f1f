"""`async` against plain `httpx.AsyncClient` with 32 connections: many small files from the local test server.

How to run, from the project's root, with the package installed with its extra `compare`::

    python benchmarks/async_against_httpx.py [--files 2000] [--rounds 5]

Prints files a second for each, and the ratio of each round. Caveats: the server runs on the same machine and takes a
core; the runs are interleaved, so that what else the machine does hits both; look at the ratios, not at the rates. Both
write each file to a folder below TMPDIR. Put that in memory (``TMPDIR=/dev/shm``) to compare clients: where creating a file
takes longer than fetching it, both mostly wait for the disk. `async` names, locks, renames and accounts for each file on
top. Both are measured inside one process, without the start of an interpreter.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

import downloader
from downloader.testserver.launch import TestServer

CONNECTIONS = 32


async def plain(urls: list[str], folder: Path) -> None:
    """What a Python script does: one client, 32 connections, so many tasks."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    rest: Iterator[str] = iter(urls)
    async with httpx.AsyncClient(limits=limits) as client:

        async def worker() -> None:
            for url in rest:
                answer = await client.get(url)
                answer.raise_for_status()
                (folder / url.rpartition("/")[2]).write_bytes(answer.content)

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(worker())


def with_httpx(urls: list[str], folder: Path) -> None:
    """One run of the peer."""
    asyncio.run(plain(urls, folder))


def with_downloader(urls: list[str], folder: Path) -> None:
    """One run of ours."""
    report = downloader.download(urls, folder, strategy="async", jobs=CONNECTIONS)
    report.raise_for_errors()


def rate(run: Callable[[list[str], Path], None], urls: list[str]) -> float:
    """Files a second."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        started = time.perf_counter()
        run(urls, folder)
        elapsed = time.perf_counter() - started
        assert sum(path.stat().st_size for path in folder.iterdir()) == 10_240 * len(urls)
    finally:
        shutil.rmtree(folder)
    return len(urls) / elapsed


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description="async against plain httpx")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ratios = []
    with TestServer() as server:
        urls = [server.file(number, 10_240) for number in range(options.files)]
        rate(with_downloader, urls[:50])
        rate(with_httpx, urls[:50])
        for number in range(options.rounds):
            peer, ours = rate(with_httpx, urls), rate(with_downloader, urls)
            ratios.append(ours / peer)
            print(f"round {number + 1}: httpx {peer:6.0f} files/s, async {ours:6.0f} files/s, ratio {ratios[-1]:.1f}")
    print(f"median ratio {statistics.median(ratios):.1f} (min {min(ratios):.1f}, max {max(ratios):.1f})")


if __name__ == "__main__":
    main()
