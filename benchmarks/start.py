"""How long the command takes to start: `dl --version`, `dl --help`, one file of 10 KiB, and what the time is spent on.

How to run::

    python benchmarks/start.py                               # the `dl` beside this Python, 20 rounds
    python benchmarks/start.py --dl ~/before/bin/dl --rounds 40
    python benchmarks/start.py --url http://127.0.0.1:8000/10k.bin

Each round runs every program once, so a change of the machine's speed meets all of them. The file comes from a server of
Python's standard library in a process of its own, unless --url names another one. curl, wget2 and aria2c are measured where
they are installed, with their defaults. The table shows the median and the least wall time, and the median of the processor
time. Then `dl` fetches the file under ``-X importtime`` three times: the modules that are imported, and the 15 of ours that
cost most (the least time of the three, without the modules that they import themselves).

Caveats: measure what is installed (`pip install .`), with its compiled bytecode: a first run writes that, and
PYTHONDONTWRITEBYTECODE prevents it, so this program removes it from the environment. -X importtime itself slows imports down,
by a third. A start is much slower where the files are not in the memory of the system.
"""

import argparse
import http.server
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

SIZE = 10 * 1024
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Handler(http.server.BaseHTTPRequestHandler):
    """10 KiB for every path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(bytes(SIZE))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(server: http.server.ThreadingHTTPServer) -> None:
    """Answer until the process is ended."""
    server.serve_forever()


def commands(dl: Path, url: str, folder: Path) -> dict[str, list[str]]:
    """What is measured, by name. Each of the commands that fetch writes to ``folder``."""
    python = str(python_of(dl))
    file = str(folder / "10k.bin")
    peers = {
        "curl": ["--silent", "--output", file, url],
        "wget2": ["--quiet", "--output-document", file, url],
        "aria2c": ["--quiet", "--dir", str(folder), "--out", "10k.bin", url],
    }
    return {
        "python -c pass": [python, "-c", "pass"],
        "dl --version": [str(dl), "--version"],
        "dl --help": [str(dl), "--help"],
        "dl, one file": [str(dl), url, "--dir", str(folder), "--quiet"],
        **{f"{name}, one file": [path, *words] for name, words in peers.items() if (path := shutil.which(name))},
    }


def python_of(dl: Path) -> Path:
    """The interpreter of an installed command: its script names it in the first line."""
    with dl.open("rb") as script:
        first = script.readline().decode(errors="replace").strip()
    return Path(first[2:].split()[0]) if first.startswith("#!/") else Path(sys.executable)


def run(words: list[str], folder: Path) -> tuple[float, float]:
    """Run a command in an empty folder. Returns its wall time and its processor time in seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    null = os.open(os.devnull, os.O_RDWR)
    began = time.perf_counter()
    process = os.posix_spawn(words[0], words, ENVIRONMENT, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - began
    os.close(null)
    if status:
        raise SystemExit(f"failed with {os.waitstatus_to_exitcode(status)}: {' '.join(words)}")
    return wall, usage.ru_utime + usage.ru_stime


def measure(wanted: dict[str, list[str]], rounds: int, folder: Path) -> None:
    """Run all commands in turn, after one round that does not count, and print the table."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in wanted}
    for number in range(rounds + 1):
        for name, words in wanted.items():
            result = run(words, folder)
            if number:
                times[name].append(result)
    print(f"{'milliseconds':<20}{'median':>9}{'least':>9}{'processor':>11}")
    for name, results in times.items():
        walls, cpus = zip(*results, strict=True)
        figures = (1000 * statistics.median(walls), 1000 * min(walls), 1000 * statistics.median(cpus))
        print(f"{name:<20}{figures[0]:>9.1f}{figures[1]:>9.1f}{figures[2]:>11.1f}")


def import_times(words: list[str], folder: Path) -> dict[str, int]:
    """Microseconds that each module takes, without those that it imports: the least of three runs."""
    least: dict[str, int] = {}
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        timed = [str(python_of(Path(words[0]))), "-X", "importtime", *words]
        done = subprocess.run(timed, env=ENVIRONMENT, capture_output=True, text=True, check=True)
        for duration, module in IMPORT.findall(done.stderr):
            least[module] = min(int(duration), least.get(module, int(duration)))
    return least


def print_imports(times: dict[str, int]) -> None:
    """Print how many modules are imported, from where, and which of ours cost most."""
    counts: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for module, duration in times.items():
        root = module.partition(".")[0]
        origin = "Python" if root in sys.stdlib_module_names else root
        counts[origin] += 1
        sums[origin] += duration
    print(f"\n{len(times)} modules imported for one file, in {sum(times.values()) / 1000:.1f} ms under -X importtime:")
    for origin, count in counts.most_common():
        print(f"{origin:<20}{count:>4} modules {sums[origin] / 1000:>7.1f} ms")
    print("\nthe most costly of ours, in milliseconds:")
    ours = {module: duration for module, duration in times.items() if module.partition(".")[0] == "downloader"}
    for module, duration in sorted(ours.items(), key=lambda item: -item[1])[:15]:
        print(f"{duration / 1000:>7.2f}  {module}")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dl", type=Path, default=Path(sys.executable).with_name("dl"), help="the installed command")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--url", help="a small file; else one of a server that this program starts")
    given = parser.parse_args()
    if not given.dl.exists():
        raise SystemExit(f"there is no {given.dl}: pip install ., or give --dl")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    process = multiprocessing.get_context("fork").Process(target=serve, args=(server,), daemon=True)
    process.start()
    try:
        with tempfile.TemporaryDirectory() as parent:
            url = given.url or f"http://127.0.0.1:{server.server_port}/10k.bin"
            folder = Path(parent, "files")
            wanted = commands(given.dl.absolute(), url, folder)
            measure(wanted, given.rounds, folder)
            print_imports(import_times(wanted["dl, one file"], folder))
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    main()
