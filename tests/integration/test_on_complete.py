"""`--on-complete` as a user types it: what runs, what fails, where output goes, and what Ctrl-C does."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.cli.on_complete import OnComplete
from downloader.core.model import Download, Result, Status
from downloader.runs.hooks import MAX_WAITING
from downloader.settings.definitions import Settings
from downloader.sources.lists import ListReader
from downloader.testserver.launch import TestServer
from tests.support.command import Shell, start_dl
from tests.support.processes import wait_until

ENDLESS = 60
"""Seconds that a command takes unless it is ended: much more than a test waits."""


def listed(server: TestServer, count: int) -> list[str]:
    return [line for number in range(count) for line in (server.file(number, 100), f"  out=d/{number}.bin")]


@pytest.mark.parametrize("jobs", ["auto", "1"])
def test_each_finished_file_gets_the_command_once(server: TestServer, dl: Shell, tmp_path: Path, jobs: str) -> None:
    listing = dl.list(*listed(server, 5))
    command = "echo {path} {relative} {bytes}"
    done = dl(listing, "-d", "out", "-j", jobs, "--on-complete", command)
    assert done.returncode == 0, done.stderr
    paths = {f"{tmp_path}/out/d/{number}.bin d/{number}.bin 100" for number in range(5)}
    assert set(done.stdout.splitlines()) == paths
    (tmp_path / "out/d/3.bin").unlink()
    again = dl(listing, "-d", "out", "--on-complete", command)
    assert again.stdout.splitlines() == [f"{tmp_path}/out/d/3.bin d/3.bin 100"]
    assert "1 done, 4 skipped" in again.stderr


def test_a_command_that_fails_shows_in_the_summary_and_the_exit_code(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    listing = dl.list(*listed(server, 3))
    done = dl(listing, "-d", "out", "--on-complete", "gzip -t {path}")
    assert done.returncode == 11
    assert "3 done, 0 skipped, 0 failed" in done.stderr
    assert "  3 commands of --on-complete failed; the files are complete" in done.stderr
    assert "✗ d/1.bin: gzip: exit code 1: gzip: " in done.stderr
    assert len(list((tmp_path / "out/d").iterdir())) == 3
    quiet = dl(listing, "-d", "out2", "-q", "--on-complete", "false")
    assert (quiet.returncode, quiet.stdout) == (11, "")
    assert "✗ d/1.bin: false: exit code 1\n" in quiet.stderr
    both = dl(*("-", "-d", "out3", "--on-complete", "false"), stdin=f"{server.file(1, 10)}\n{server.url}/missing\n")
    assert both.returncode == 1  # failures of several kinds


def test_json_progress_stays_json(server: TestServer, dl: Shell) -> None:
    listing = dl.list(*listed(server, 2))
    done = dl(listing, "-d", "out", "--progress", "json", "--on-complete", "sh -c 'echo one; echo two >&2; exit 3'")
    assert done.returncode == 11
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert (events[-1]["commands_failed"], events[-1]["commands_not_run"]) == (2, 0)
    assert sorted(events[-1]["command_errors"]) == [f"d/{number}.bin: sh: exit code 3: two" for number in range(2)]
    assert done.stdout == "one\none\n"


def test_a_report_on_standard_output_is_not_mixed_with_the_output_of_commands(server: TestServer, dl: Shell) -> None:
    listing = dl.list(*listed(server, 3))
    done = dl(listing, "-d", "out", "--report", "-", "--on-complete", "echo {name}")
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(line)["path"] for line in done.stdout.splitlines()) == ["d/0.bin", "d/1.bin", "d/2.bin"]
    assert {"0.bin", "1.bin", "2.bin"} <= set(done.stderr.splitlines())


@pytest.mark.parametrize("command", ["gzp -t {path}", "gzip -t {paht}", "sh -c 'gzip {path}'", "gzip '{path}", ""])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_nothing_is_started_with_a_wrong_command(
    server: TestServer, dl: Shell, tmp_path: Path, command: str, dry: tuple[str, ...]
) -> None:
    done = dl(dl.list(server.file(1, 10)), "-d", "out", "--on-complete", command or " ", *dry)
    assert done.returncode == 2
    assert "--on-complete: " in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_command_that_runs_dl_does_not_run_itself_again(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    command = f"{sys.executable} -m downloader -q {server.file(2, 10)} -d {tmp_path}/inner -o {{name}}"
    done = dl(server.file(1, 10), "-d", "out", DL_ON_COMPLETE=command)
    assert done.returncode == 0, done.stderr
    inner = [path.name for path in (tmp_path / "inner").iterdir() if path.is_file()]
    assert inner == [path.name for path in (tmp_path / "out").iterdir() if path.is_file()]


def test_a_dry_run_runs_no_command(server: TestServer, dl: Shell) -> None:
    done = dl(dl.list(server.file(1, 10)), "-d", "out", "--dry-run", "--on-complete", "echo ran")
    assert done.returncode == 0
    assert "ran" not in done.stdout + done.stderr


def test_a_command_of_a_found_configuration_file_is_refused(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    (tmp_path / "downloader.toml").write_text(f"on-complete = 'touch {tmp_path}/ran'\n")
    listing = dl.list(server.file(1, 10))
    done = dl(listing, "-d", "out")
    assert done.returncode == 2
    assert "downloader.toml sets on-complete" in done.stderr
    assert not (tmp_path / "ran").exists()
    assert dl(listing, "-d", "out", "--config", "downloader.toml").returncode == 0
    assert (tmp_path / "ran").exists()


def start_with_endless_commands(server: TestServer, tmp_path: Path, *flags: str) -> "tuple[subprocess.Popen[str], list[int]]":
    """`dl` when all files are done, and as many commands run as there are processors; and the processes of these."""
    script = tmp_path / "hook.py"
    script.write_text(f"""
import os, sys, time
open({str(tmp_path)!r} + "/pid." + os.path.basename(sys.argv[1]), "w").write(str(os.getpid()) + "\\n")
time.sleep({ENDLESS})
""")
    urls = [server.file(number, 10) for number in range(2 * len(os.sched_getaffinity(0)))]
    process = start_dl(urls, tmp_path / "out", "multiplex", "--on-complete", f"{sys.executable} {script} {{path}}", *flags)

    def started() -> list[int]:
        texts = [path.read_text() for path in tmp_path.glob("pid.*")]
        return [int(text) for text in texts if text.endswith("\n")]

    wait_until(lambda: len(started()) == len(os.sched_getaffinity(0)), "the commands did not start")
    return process, started()


def assert_gone(processes: list[int]) -> None:
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_ends_commands_after_the_grace_time(
    server: TestServer, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process, commands = start_with_endless_commands(server, tmp_path, "--grace", "0.3")
    os.killpg(process.pid, number)  # as a terminal does: the whole group
    _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    assert_gone(commands)
    assert f"  {len(commands)} command" in said
    assert ": ended by SIGTERM\n" in said
    assert "not run: " in said
    assert "Traceback" not in said


def test_a_second_ctrl_c_ends_commands_at_once(server: TestServer, tmp_path: Path) -> None:
    process, commands = start_with_endless_commands(server, tmp_path, "--grace", str(ENDLESS))
    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: process.stderr is not None and "stopping" in process.stderr.readline(), "it did not stop")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in commands), "commands are still there")


def test_commands_that_end_within_the_grace_time_are_not_disturbed(server: TestServer, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    command = f"""sh -c 'echo > "$2.begun"; cat "$1"; echo > "$2.ended"' sh {gate} {{path}}"""
    process = start_dl([server.file(1, 10)], tmp_path / "out", "multiplex", "--grace", str(ENDLESS), "--on-complete", command)
    wait_until(lambda: list((tmp_path / "out").glob("*.begun")), "the command did not start")
    os.killpg(process.pid, signal.SIGINT)
    with open(gate, "w"):
        pass
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert list((tmp_path / "out").glob("*.ended"))
    assert "failed; the files" not in said


def test_the_list_is_not_read_on_while_many_files_wait(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    on_complete = OnComplete(Settings(dir=str(tmp_path), on_complete=f"cat {gate}"), is_stdout_used=True)
    source = on_complete.source(ListReader([Download("https://h/a"), Download("https://h/b")]))
    assert next(source) == Download("https://h/a")
    for number in range(MAX_WAITING):
        on_complete.add(Result("https://h/x", str(number), Status.DONE))
    assert [next(source) for _ in range(3)] == [None] * 3
    on_complete.abort()
    wait_until(lambda: next(source) is not None, "the list is not read on")
