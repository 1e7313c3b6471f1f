"""What the local test server can do: small answers a second, and the speed of one large body; nginx beside it.

How to run, from the project's root, with the package and its extra `compare` installed and wrk at hand (Debian:
``apt-get install wrk``)::

    python benchmarks/server.py [--seconds 4] [--connections 64]

Small answers are asked for by ``wrk`` over so many connections that stay open, always the same file; without wrk this part is
left out. A large body is fetched by ``curl`` over one connection, five times; the median counts. nginx is left out where it
is not installed. ``cores``: CPU seconds of the server's processes for each second.

Caveats: client and server share the machine, and on two cores they compete: wrk takes one of them, so what the server
could do for a client on another machine is more. Loopback has no losses and no distance. ``fail=`` shows what the counting
of faults costs; one request in ten is then answered with 503. nginx sends the files from memory (``sendfile``), and has not
made them. The figures of two runs differ by a tenth or more where anything else runs.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import time
from contextlib import ExitStack

from downloader.testserver.launch import TestServer
from downloader.testserver.nginx import Nginx
from downloader.testserver.served import Served
from downloader.testserver.server_errors import Unsupported

KIB, MIB = 1024, 1024 * 1024
SMALL = {"1 KiB": (KIB, ""), "10 KiB": (10 * KIB, ""), "10 KiB, a tenth fails": (10 * KIB, "?fail=503&share=0.1")}
LARGE = (1 * MIB, 32 * MIB, 64 * MIB, 512 * MIB)
TIMES = 5


def servers(stack: ExitStack) -> dict[str, Served]:
    """One of each kind, running."""
    running: dict[str, Served] = {}
    for scheme, tls in (("http", False), ("https", True)):
        running[f"built-in, {scheme}"] = stack.enter_context(TestServer(tls=tls))
        try:
            running[f"nginx, {scheme}"] = stack.enter_context(Nginx(tls=tls))
        except Unsupported as missing:
            print(missing)
    return running


def answers(wrk: str, server: Served, url: str, seconds: int, connections: int) -> tuple[float, float]:
    """Answers a second, and the cores that the server used for them."""
    used, begun = server.cpu_seconds(), time.monotonic()
    command = [wrk, "-t2", f"-c{connections}", f"-d{seconds}", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    elapsed = time.monotonic() - begun
    rate = re.search(r"Requests/sec:\s*([\d.]+)", output)
    if rate is None:
        raise SystemExit(output)
    return float(rate[1]), (server.cpu_seconds() - used) / elapsed


def speed(server: Served, url: str) -> float:
    """Bytes a second of one body over one connection, the median."""
    trust = ["--cacert", server.cacert] if server.cacert else []
    command = ["curl", "-sS", "--noproxy", "*", *trust, "-o", "/dev/null", "-w", "%{speed_download}", url]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(TIMES)]
    return statistics.median(float(run) for run in runs)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4, help="for each figure of wrk")
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    wrk = shutil.which("wrk")
    with ExitStack() as stack:
        running = servers(stack)
        if wrk is None:
            print("wrk is not installed here (Debian: apt-get install wrk): no small answers")
        for name, server in running.items() if wrk else ():
            for what, (size, query) in SMALL.items():
                if query and name.startswith("nginx"):
                    continue
                rate, cores = answers(wrk or "", server, server.file(1, size) + query, given.seconds, given.connections)
                print(f"{name:<16} {what:<22} {rate:>9,.0f} answers/s  {cores:.2f} cores", flush=True)
        for name, server in running.items():
            for size in LARGE:
                url = server.file(1, size)
                print(f"{name:<16} {size // MIB:>3} MiB, 1 connection {speed(server, url) / 1e9:>9.2f} GB/s", flush=True)


if __name__ == "__main__":
    main()
