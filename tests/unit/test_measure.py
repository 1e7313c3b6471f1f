"""One command measured: what is counted, what is killed, and that nothing is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from downloader.compare import measure
from downloader.compare.measure import Usage, run_measured
from downloader.errors import UsageError
from tests.support.processes import processes_of_group, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="what is measured is read from /proc")


@pytest.fixture
def run_until_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, int, int], Usage]:
    """Runs Python code that is to end when the file ``seen`` is there: as soon as so much was sampled."""

    def run(code: str, threads: int, processes: int) -> Usage:
        look = measure._Sampler._sample

        def looked(self: measure._Sampler) -> None:
            look(self)
            if (tmp_path / "ready").exists() and self.threads >= threads and self.processes >= processes:
                look(self)
                (tmp_path / "seen").touch()

        monkeypatch.setattr(measure._Sampler, "_sample", looked)
        return run_measured([sys.executable, "-c", code], folder=str(tmp_path), limit=60, group=True)

    return run


WAIT = """
def wait():
    import os, time
    while not os.path.exists("seen"):
        time.sleep(0.005)
"""


def test_all_of_the_process_tree_is_sampled(run_until_seen: Callable[[str, int, int], Usage]) -> None:
    code = f"""{WAIT}
import os, threading
if os.fork() == 0:
    held = bytearray(60_000_000)
    for _ in range(2):
        threading.Thread(target=wait).start()
    open("ready", "w").close()
    wait()
else:
    os.wait()
"""
    usage = run_until_seen(code, 4, 2)
    assert (usage.code, usage.threads, usage.processes) == (0, 4, 2)
    assert 60_000_000 < usage.peak < 150_000_000


def test_memory_of_whoever_starts_it_is_not_counted(run_until_seen: Callable[[str, int, int], Usage]) -> None:
    held = bytearray(150_000_000)
    usage = run_until_seen(f"{WAIT}\nopen('ready', 'w').close()\nwait()", 1, 1)
    assert len(held) > usage.peak > 1_000_000


def test_children_count_in_what_was_used(tmp_path: Path) -> None:
    code = """
import os, time
if os.fork() == 0:
    zero = os.open("/dev/zero", os.O_RDONLY)
    null = os.open("/dev/null", os.O_WRONLY)
    for _ in range(3000):
        os.write(null, os.read(zero, 10))
    for _ in range(40):
        time.sleep(0.0001)
    while time.process_time() < 0.1:
        pass
    os._exit(0)
os.wait()
"""
    usage = run_measured([sys.executable, "-c", code])
    assert 3000 <= usage.writes < 3500
    assert 3000 <= usage.reads < 5000
    assert usage.voluntary >= 40
    assert 0.1 <= usage.user + usage.system <= usage.elapsed * (os.cpu_count() or 1) + 0.05


def test_it_is_told_when_it_began_and_what_the_server_took() -> None:
    before = time.monotonic()
    seconds = iter((2.0, 2.5))
    usage = run_measured(["true"], server=lambda: next(seconds))
    assert before <= usage.started <= usage.started + usage.elapsed <= time.monotonic()
    assert usage.server == 0.5


@pytest.mark.parametrize(("command", "code"), [("exit 3", 3), ("kill -TERM $$", -15)])
def test_exit_code(command: str, code: int) -> None:
    usage = run_measured(["sh", "-c", command])
    assert (usage.code, usage.expired) == (code, False)


def test_own_settings_and_output_are_kept_from_it(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DL_JOBS", "1")
    command = ["sh", "-c", 'echo out; echo "error $DL_JOBS" >&2; test -z "$DL_JOBS"']
    assert run_measured(command).code == 0
    assert capfd.readouterr() == ("", "")
    run_measured(command, errors=True)
    assert capfd.readouterr() == ("", "error \n")


def test_environment_can_be_given_and_a_file_for_the_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "printed").open("wb") as file:
        variables = {"PATH": os.environ["PATH"], "DL_JOBS": "7"}
        run_measured(["sh", "-c", 'echo "out $DL_JOBS"; echo error >&2'], environment=variables, output=file.fileno())
    assert (tmp_path / "printed").read_text() == "out 7\nerror\n"
    assert capfd.readouterr() == ("", "")


def test_peak_of_the_process_itself_is_without_its_children(run_until_seen: Callable[[str, int, int], Usage]) -> None:
    code = f"""{WAIT}
import os
if os.fork() == 0:
    held = bytearray(60_000_000)
    open("ready", "w").close()
    wait()
else:
    os.wait()
"""
    usage = run_until_seen(code, 2, 2)
    assert 0 < usage.own_peak < usage.peak - 60_000_000


def test_unknown_command_is_told() -> None:
    with pytest.raises(UsageError, match="no-such-program: No such file"):
        run_measured(["no-such-program"])


@pytest.mark.parametrize("group", [False, True])
def test_what_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, group: bool) -> None:
    monkeypatch.setattr(measure._Sampler, "_sample", lambda self: wait_until(lambda: (tmp_path / "started").exists()))
    command = "sleep 1000 & echo $$ >new; mv new started; wait"
    usage = run_measured(["sh", "-c", command], folder=str(tmp_path), limit=0.0, group=group)
    assert (usage.code, usage.expired) == (-9, True)
    left = processes_of_group(int((tmp_path / "started").read_text()))
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert (left == []) is group


def test_interrupt_kills_it_and_is_passed_on(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stop

    before = signal.signal(signal.SIGUSR1, stop)
    command = f"echo $$ >started; kill -USR1 {os.getpid()}; exec sleep 1000"
    try:
        with pytest.raises(Stop):
            run_measured(["sh", "-c", command], folder=str(tmp_path))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert processes_of_group(int((tmp_path / "started").read_text())) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the command must look for the end of its input")
def test_owner_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    code = (
        "from downloader.compare import measure\n"
        "wait = measure._wait\n"
        "def waits(process):\n"
        "    open('tied', 'w').close()\n"  # from here on the kernel knows what is to end with us
        "    wait(process)\n"
        "measure._wait = waits\n"
        "measure.run_measured(['sh', '-c', 'echo $$ >new; mv new started; exec sleep 1000'])"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    wait_until(lambda: (tmp_path / "started").exists() and (tmp_path / "tied").exists())
    owner.kill()
    owner.wait()
    group = int((tmp_path / "started").read_text())
    wait_until(lambda: processes_of_group(group) == [])


def test_no_descriptor_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    run_measured(["true"])
    with contextlib.suppress(UsageError):
        run_measured(["no-such-program"])
    assert os.listdir("/proc/self/fd") == before


def test_processes_beside_the_command_are_counted(tmp_path: Path) -> None:
    busy = """
held = bytearray(200_000_000)
print(flush=True)
while True:
    pass
"""
    until_used = """
import sys, time
from downloader.compare.processes_beside import times
process = int(sys.argv[1])
before = sum(times([process])[process])
while sum(times([process])[process]) < before + 0.3:
    time.sleep(0.05)
"""
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            command = [sys.executable, "-c", until_used, str(other.pid)]
            usage = run_measured(command, limit=60, beside=(other.pid, 2**22 + 1))  # the other number is of no process
        finally:
            other.kill()
    assert usage.code == 0
    assert usage.user + usage.system >= 0.3
    assert usage.peak > 200_000_000 > usage.own_peak
