"""What the command imports before it has fetched one file. The time to start is mostly the time of these imports.

The bounds may fall, and must not rise without a reason: a module takes 0.1 to 5 ms. benchmarks/start.py measures the time.
"""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

MAX_OWN_MODULES = 113
MAX_OTHER_MODULES = 20
"""Modules of packages that are neither ours nor of the standard library: msgspec, pycurl, typing_extensions."""

UNWANTED = {
    *("asyncio", "base64", "bz2", "concurrent", "difflib", "email", "gettext", "hashlib", "http", "json", "locale", "logging"),
    *("lzma", "mmap", "multiprocessing", "netrc", "pickle", "queue", "random", "selectors", "shlex", "shutil", "socket", "ssl"),
    *("statistics", "string", "struct", "subprocess", "tempfile", "tomllib", "traceback", "zipfile", "zlib"),
    *("aiohttp", "certifi", "click", "granian", "httpx", "requests", "rich", "tqdm", "urllib3"),
}
UNWANTED_OF_OURS = {
    *("cli.commands", "cli.completion", "cli.dry_run", "cli.log_output", "cli.options", "cli.topics", "progress.bars"),
    *("progress.estimate", "progress.lines", "reports.outputs", "reports.summary", "sources.credential_files", "sources.text"),
    *(
        "sources.columns",
        "sources.compression",
        "sources.delimiters",
        "sources.recognition",
        "sources.streams",
        "sources.table",
    ),
    *("engine.rate_limiter", "engine.workers", "transports.requests_client", "transports.httpx_client", "transports.tls"),
}

PRINT_MODULES = """
import atexit, sys
before = set(sys.modules)
atexit.register(lambda: print(*(set(sys.modules) - before), flush=True))
from downloader.cli.entry import main
main()
"""


class Handler(http.server.BaseHTTPRequestHandler):
    """10 KiB for every path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10240")
        self.end_headers()
        self.wfile.write(bytes(10240))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/a.bin"
        server.shutdown()
        thread.join()


def imported(*words: str) -> set[str]:
    """The modules that `dl` with these words imports."""
    done = subprocess.run([sys.executable, "-c", PRINT_MODULES, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_one_file_needs_few_modules(url: str, tmp_path: Path) -> None:
    modules = imported(url, "-d", str(tmp_path), "-q")
    assert (tmp_path / "a.bin").stat().st_size == 10240
    ours = {name for name in modules if name.partition(".")[0] == "downloader"}
    others = {name for name in modules - ours if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name.partition(".")[0] for name in modules} & UNWANTED == set()
    assert {name for name in ours if name.removeprefix("downloader.") in UNWANTED_OF_OURS} == set()
    assert len(ours) <= MAX_OWN_MODULES, sorted(ours)
    assert len(others) <= MAX_OTHER_MODULES, sorted(others)


def test_version_needs_nearly_no_module() -> None:
    modules = imported("--version")
    assert {name for name in modules if "." not in name} <= {"downloader", "atexit"}
    assert len(modules) <= 5, sorted(modules)


def test_help_loads_no_http_client() -> None:
    modules = {name.partition(".")[0] for name in imported("--help")}
    assert modules & {"aiohttp", "httpx", "pycurl", "requests", "tqdm", "rich", "granian", "logging", "asyncio"} == set()


END = """
import atexit, sys, threading, time
from downloader.cli import entry, main
atexit.register(print, "at exit")

def work():
    time.sleep(0.3)
    print("thread ended")

def run():
    print("buffered")
    if "thread" in sys.argv:
        threading.Thread(target=work).start()
    sys.exit(5)

main.main = run
entry.main()
"""


@pytest.mark.parametrize(
    ("word", "printed"), [("", ["buffered", "at exit"]), ("thread", ["buffered", "thread ended", "at exit"])]
)
def test_nothing_is_lost_at_the_end(word: str, printed: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", END, word], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (5, printed, "")


def test_output_that_cannot_be_written_at_the_end_is_reported() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", END, ""], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0
    assert "No space left" in done.stderr
