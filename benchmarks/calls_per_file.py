"""How many calls one further small file costs under each strategy, and how many lead from one file into another.

How to run::

    python benchmarks/calls_per_file.py                      # every strategy
    python benchmarks/calls_per_file.py -s threads -s async

It downloads two lists of different length from a server of Python's standard library in the same process, 10 KiB a file, four
in flight, and divides the difference of all calls by the difference of the lengths. So what is done once a run does not count.

Caveats: worker processes are not seen (hybrid, processes and gevent: the parent alone). Calls are no measure of time: a call
into C costs nothing here. The profiler slows everything down, so that loops look at their clocks more often than they would.
"""

import argparse
import http.server
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import downloader
from downloader.strategies.registry import BUILT_IN

PACKAGE = str(Path(downloader.__file__).parent) + "/"
SHORT, LONG = 40, 240


class Handler(http.server.BaseHTTPRequestHandler):
    """10 KiB for every path, on a connection that is kept."""

    protocol_version = "HTTP/1.1"
    body = bytes(10240)

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Calls:
    """Counts calls of the package's functions, in all threads."""

    def __init__(self) -> None:
        self.functions: Counter[CodeType] = Counter()
        self.crossings: Counter[tuple[str, str]] = Counter()

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        """See `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        self.functions[code] += 1
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(PACKAGE):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != code.co_filename:
            self.crossings[caller.f_code.co_filename, code.co_filename] += 1


def measured(strategy: str, url: str, files: int) -> Calls:
    """The calls of one run."""
    calls = Calls()
    with tempfile.TemporaryDirectory() as folder:
        urls = [f"{url}/{number}" for number in range(files)]
        threading.setprofile(calls.profile)
        sys.setprofile(calls.profile)
        try:
            report = downloader.download(urls, folder, strategy=strategy, jobs=4)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        assert report.done == files, report
    return calls


def main() -> None:
    """Print a table, and where most crossings are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-s", "--strategy", action="append", choices=list(BUILT_IN))
    parser.add_argument("--pairs", type=int, default=0, metavar="N", help="show the N most frequent pairs of files, too")
    given = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    print(f"{'strategy':<10} {'modules':>8} {'of them for each file':>22} {'calls a file':>13} {'from module to module':>22}")
    for strategy in given.strategy or BUILT_IN:
        measured(strategy, url, 4)  # imports
        short, long = measured(strategy, url, SHORT), measured(strategy, url, LONG)
        more = LONG - SHORT
        calls = (long.functions.total() - short.functions.total()) / more
        crossings = (long.crossings.total() - short.crossings.total()) / more
        by_module: Counter[str] = Counter()
        for code, count in long.functions.items():
            by_module[code.co_filename] += count - short.functions[code]
        steady = sum(count >= more / 2 for count in by_module.values())
        print(f"{strategy:<10} {len(by_module):>8} {steady:>22} {calls:>13.0f} {crossings:>22.0f}")
        pairs = Counter({pair: count - short.crossings[pair] for pair, count in long.crossings.items()})
        for (source, target), count in pairs.most_common(given.pairs):
            print(f"    {count / more:5.1f}  {source.removeprefix(PACKAGE)} → {target.removeprefix(PACKAGE)}")


if __name__ == "__main__":
    main()
