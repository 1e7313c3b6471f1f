"""Small files into a folder that answers late, as a network file system does: files a second under each strategy.

How to run, from the project's root, with the package and nginx installed (Debian: ``apt-get install nginx-light``)::

    python benchmarks/slow_storage.py [--delay 3] [--files 5000] [--jobs 128] [--strategies multiplex,async] [--rounds 3]

Each file has 10 KiB. To give a file its name (`os.link`, `os.rename`) takes ``--delay`` milliseconds more than usual. Every
process that a run starts is delayed, by a ``sitecustomize`` module that Python imports as it starts. The rounds are
interleaved, once without a delay for comparison; the medians count. PYTHONPATH may name another tree, to measure that one.

Caveats: a real network file system delays each call to it a little, and not one call much; it has locks, and a server that may
be the limit. The delayed calls wait without using a processor. The server runs on the same machine. Time includes the start.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from downloader.testserver.nginx import Nginx

DELAYED = """
import os, time

sleep = time.sleep  # gevent replaces it, by one that lets other greenlets run

def _delayed(call):
    def delayed(*args, **kwargs):
        sleep(float(os.environ["NAMING_DELAY"]))
        return call(*args, **kwargs)
    return delayed

os.link, os.rename = _delayed(os.link), _delayed(os.rename)
"""


def seconds(scratch: Path, strategy: str, jobs: int, delay: float) -> float:
    """Seconds for all files of the list in ``scratch``. ``delay``: seconds for each name."""
    environ = dict(os.environ)
    if delay:
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(scratch), environ.get("PYTHONPATH"))))
        environ["NAMING_DELAY"] = str(delay)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        command = [sys.executable, "-m", "downloader", str(scratch / "urls.txt"), "-d", folder, "-q", "-s", strategy]
        began = time.monotonic()
        subprocess.run([*command, "-j", str(jobs)], cwd=scratch, env=environ, check=True)
        return time.monotonic() - began


def main() -> None:
    """Print a line for each strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=3, help="milliseconds for each name")
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--jobs", type=int, default=128)
    parser.add_argument("--strategies", default="multiplex,async,gevent,hybrid,auto")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    strategies, delay = given.strategies.split(","), given.delay / 1000
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with Nginx() as server, tempfile.TemporaryDirectory(dir=memory) as name:
        scratch = Path(name)
        (scratch / "sitecustomize.py").write_text(DELAYED)
        (scratch / "urls.txt").write_text("\n".join(server.file(number, 10_240) for number in range(given.files)))
        measured: dict[tuple[str, float], list[float]] = {}
        for _ in range(given.rounds):
            for strategy in strategies:
                for each in (0.0, delay):
                    measured.setdefault((strategy, each), []).append(seconds(scratch, strategy, given.jobs, each))
    print(f"{'strategy':<10} {'without a delay':>16} {f'{given.delay:g} ms a name':>16}   (files a second)")
    for strategy in strategies:
        rates = [given.files / statistics.median(measured[strategy, each]) for each in (0.0, delay)]
        print(f"{strategy:<10} {rates[0]:>16,.0f} {rates[1]:>16,.0f}")


if __name__ == "__main__":
    main()
