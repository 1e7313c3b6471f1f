"""A system without what only Linux has (macOS, as far as Linux can stand for it): the same downloads, the same results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("async", "hybrid")]  # to start
TAKEN_AWAY = """
import errno, os, resource, select, selectors, signal, socket, time

for module, names in {
    select: ("epoll", "EPOLLIN", "EPOLLOUT", "EPOLLERR", "EPOLLHUP"),
    selectors: ("EpollSelector",),
    os: ("O_TMPFILE", "sched_getaffinity", "sched_setaffinity", "posix_fallocate", "posix_fadvise", "memfd_create",
         "pidfd_open", "splice", "copy_file_range", "eventfd", "sendfile", "O_PATH", "O_DIRECT", "preadv2",
         "pwritev2", "pipe2", "getrandom", "sched_getscheduler"),
    socket: ("EAI_NODATA", "SOCK_CLOEXEC", "SOCK_NONBLOCK", "TCP_USER_TIMEOUT", "TCP_QUICKACK", "SO_BINDTODEVICE",
             "MSG_NOSIGNAL", "MSG_CMSG_CLOEXEC",
             "AF_NETLINK", "AF_PACKET"),
    resource: ("prlimit", "RUSAGE_THREAD"),
    signal: ("sigtimedwait", "sigwaitinfo"),
    time: ("CLOCK_BOOTTIME", "pthread_getcpuclockid"),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
selectors.DefaultSelector = selectors.PollSelector
_open, _link, _listdir = os.open, os.link, os.listdir


def without_proc(call):
    def guarded(path, *arguments, **options):
        if isinstance(path, str) and path.startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return call(path, *arguments, **options)
    return guarded


os.open, os.link, os.listdir, os.scandir, os.stat, os.readlink = map(
    without_proc, (os.open, os.link, os.listdir, os.scandir, os.stat, os.readlink)
)
import builtins, io
builtins.open = io.open = without_proc(io.open)
"""
"""Run by each interpreter as it starts, the workers' included."""

RUN = """
import json, os, select, sys
import downloader

assert not hasattr(select, "epoll") and not os.path.exists("/proc/self")

if __name__ == "__main__":
    settings = dict(strategy=sys.argv[1], jobs=4, retries=0)
    first = downloader.download(sys.argv[3], sys.argv[2], **settings)
    again = downloader.download(sys.argv[3], sys.argv[2], **settings)
    print(json.dumps([first.done, [str(item.error) for item in first.failed], again.skipped]))
"""


@pytest.mark.parametrize("strategy", ["multiplex", "auto", "threads", *SLOW])
def test_small_and_split_files_come_without_what_only_linux_has(server: TestServer, tmp_path: Path, strategy: str) -> None:
    started = tmp_path / "site"
    started.mkdir()
    (started / "sitecustomize.py").write_text(TAKEN_AWAY)
    (tmp_path / "run.py").write_text(RUN)
    sizes = dict.fromkeys(range(1, 9), 10000) | {20: 3_000_000}
    lines = [server.file(number, size) for number, size in sizes.items()]
    (tmp_path / "urls.txt").write_text("\n".join([*lines, f"{server.url}/missing"]))
    path = [str(started), str(Path(__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(tmp_path / "run.py"), strategy, str(tmp_path / "out"), str(tmp_path / "urls.txt")],
        env={"PYTHONPATH": ":".join(path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    fetched, failed, skipped = json.loads(done.stdout)
    assert (fetched, skipped) == (len(sizes), len(sizes)), failed
    assert len(failed) == 1
    for number, size in sizes.items():
        assert (tmp_path / "out" / f"{number}.bin").read_bytes() == content.body(number, 0, size)
    assert not list((tmp_path / "out").glob("*.part*"))
