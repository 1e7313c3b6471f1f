"""`--on-complete`: from the text of a command to the arguments for each file, and the processes that run it."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Result, Status
from downloader.core.text import is_text
from downloader.errors import UsageError
from downloader.runs.completion_command import FIELDS, CompletionCommand
from downloader.runs.hooks import MAX_SHOWN, MAX_WAITING, CompletionHooks
from tests.support.names import TEXT
from tests.support.processes import wait_until

DIGEST = "ab" * 32
RESULT = Result("https://h/x", "d/a b.tar.gz", Status.DONE, bytes=5, digests=(Checksum("sha256", DIGEST), Checksum("md5", "c")))
ENDLESS = 60
"""Seconds that a command takes unless it is ended: much more than a test waits."""


def done(path: str) -> Result:
    return Result(f"https://h/{path}", path, Status.DONE)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("echo {path}", ["/r/d/a b.tar.gz"]),
        ("echo {dir} {name}", ["/r/d", "a b.tar.gz"]),
        ("echo {stem}{ext} {stem} {ext}", ["a b.tar.gz", "a b", ".tar.gz"]),
        ("echo to:{relative}", ["to:d/a b.tar.gz"]),
        ("echo '{path} {path}'", ["/r/d/a b.tar.gz /r/d/a b.tar.gz"]),
        ("echo {url} {bytes} {digest}", ["https://h/x", "5", DIGEST]),
        ("echo --file={path} -n", ["--file=/r/d/a b.tar.gz", "-n"]),
        ("echo '{{{bytes}}}' {{}}", ["{5}", "{}"]),
        ("echo $HOME '*' ~ ';' '`id`'", ["$HOME", "*", "~", ";", "`id`"]),
        ("echo", []),
        ("echo ''", [""]),
        ("""sh -c 'gzip -t "$1"' sh {path}""", ["-c", 'gzip -t "$1"', "sh", "/r/d/a b.tar.gz"]),
        ("sh script.sh -c {path}", ["script.sh", "-c", "/r/d/a b.tar.gz"]),
        ("sh -- {path}", ["--", "/r/d/a b.tar.gz"]),
        ("grep -e {bytes}", ["-e", "5"]),
    ],
)
def test_fields_are_replaced_inside_arguments(text: str, arguments: list[str]) -> None:
    found = CompletionCommand(text).arguments_for(RESULT, "/r")
    assert found[1:] == arguments
    assert os.path.isabs(found[0])
    assert os.access(found[0], os.X_OK)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "no command", "gzip -t {path}"),
        ("  ", "no command", "gzip -t {path}"),
        ("echo '{path}", "no closing quotation", "quote as in a shell"),
        ("echo \\", "no escaped character", "quote as in a shell"),
        ("echo {paht}", "unknown field {paht}", "did you mean {path}?"),
        ("echo {}", "unknown field {}", "the fields are path"),
        ("echo {path", "unbalanced braces", "{{"),
        ("echo {path:.8}", "has a format", "write {path}"),
        ("echo {path!r}", "has a format", "write {path}"),
        ("{path}", "contains a field", "only arguments"),
        ("./{name} x", "contains a field", "only arguments"),
        ("no-such-program-anywhere {path}", "there is no program 'no-such-program-anywhere'", "no shell"),
        ("~/bin/x {path}", "there is no program '~/bin/x'", "no shell"),
        ("/etc/passwd {path}", "there is no program '/etc/passwd'", "not executable"),
        ("/etc {path}", "there is no program '/etc'", "not executable"),
        ("echo {path} | cat", "'|'", "sh -c"),
        ("echo {path} > /tmp/x", "'>'", "sh -c"),
        ("echo {path} && true", "'&&'", "sh -c"),
        ("sh -c 'gzip -t {path}'", "sh would run", '"$1"'),
        ("/bin/sh -ec 'gzip -t {name}'", "/bin/sh would run", '"$1"'),
        ("env A=1 sh -x -c 'gzip -t {path}'", "sh would run", '"$1"'),
        ("nice bash -o pipefail -c '{name}'", "bash would run", '"$1"'),
        ("bash -euo pipefail -c '{name}'", "bash would run", '"$1"'),
        ("python3 -c 'print(\"{name}\")'", "python3 would run", '"$1"'),
        ("perl -pi.bak -e 's/{name}//' {path}", "perl would run", '"$1"'),
        ("sed -n -e 's/{name}//' {path}", "sed would run", '"$1"'),
    ],
)
def test_a_wrong_command_is_refused_before_the_start(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        CompletionCommand(text)
    assert message in caught.value.reason
    assert caught.value.reason.startswith("--on-complete: ")
    assert hint in caught.value.hint


def test_a_script_may_have_no_fields_at_the_end_of_the_command() -> None:
    assert CompletionCommand("sh -c").arguments_for(RESULT, "/r")[1:] == ["-c"]


@pytest.mark.parametrize("field", ["{name}", "{stem}", "{relative}"])
def test_a_name_is_never_an_option(field: str) -> None:
    result = done("-rf")
    with pytest.raises(ValueError, match="'-rf' would be read as an option"):
        CompletionCommand(f"echo {field}").arguments_for(result, "/r")
    assert CompletionCommand(f"echo -- {field}").arguments_for(result, "/r")[1:] == ["--", "-rf"]
    assert CompletionCommand(f"echo x{field}").arguments_for(result, "/r")[1:] == ["x-rf"]
    assert CompletionCommand("echo {path}").arguments_for(result, "/r")[1:] == ["/r/-rf"]


@given(TEXT.filter(is_text).filter(lambda text: "\0" not in text and text.strip("/")))
def test_any_name_stays_one_argument(name: str) -> None:
    words = " ".join(f"x{{{field}}}" for field in FIELDS)
    found = CompletionCommand(f"echo {words} end").arguments_for(done(name), "/r")
    assert len(found) == len(FIELDS) + 2
    assert found[FIELDS.index("relative") + 1] == f"x{name}"
    assert found[-1] == "end"


# --- processes


def hooks_for(text: str, root: Path, processes: int = 2) -> tuple[CompletionHooks, list[str]]:
    said: list[str] = []
    hooks = CompletionHooks(CompletionCommand(text), str(root), shares_stdout=False, processes=processes)
    hooks.say = said.append
    return hooks, said


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "hook.py"
    path.write_text(text)
    return f"{sys.executable} {path}"


@pytest.mark.parametrize(
    "name", ["a; rm -rf x", "$(touch x)", "`touch x`", "-rf", "a\nb", "a'b\"c", "*", "~", "ä €", "a\\nb", "|", ""]
)
def test_hostile_names_arrive_as_they_are(tmp_path: Path, name: str) -> None:
    command = script(tmp_path, "import sys; open(sys.argv[1], 'w').write(repr(sys.argv[2:]))")
    (tmp_path / "out").mkdir()
    hooks, _ = hooks_for(f"{command} {tmp_path}/seen {{path}} -- {{name}}", tmp_path / "out")
    hooks.add(done(name))
    assert hooks.wait(30)
    assert (tmp_path / "seen").read_text() == repr([f"{tmp_path}/out/{name}", "--", name])
    assert (hooks.failures, os.listdir(tmp_path / "out")) == (0, [])


def test_only_files_that_are_done_get_the_command(tmp_path: Path) -> None:
    hooks, said = hooks_for("echo {name}", tmp_path)
    for status in Status:
        hooks.add(Result("https://h/x", status.value, status))
    assert hooks.wait(30)
    assert said == ["done"]
    assert hooks.summary() == []


def test_failures_are_counted_and_described(tmp_path: Path) -> None:
    text = """
import os, signal, sys
name = sys.argv[1]
if name == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
print("first\\n\\x1b[31mlast", file=sys.stderr)
sys.exit(int(name))
"""
    hooks, said = hooks_for(f"{script(tmp_path, text)} {{name}}", tmp_path, processes=1)
    for name in ("0", "3", "kill", "0", "-1"):
        hooks.add(done(name))
    assert hooks.wait(30)
    assert hooks.failures == 3
    program = os.path.basename(sys.executable)
    assert hooks.summary() == [
        "  3 commands of --on-complete failed; the files are complete",
        f"  ✗ 3: {program}: exit code 3: \\x1b[31mlast",
        f"  ✗ kill: {program}: ended by SIGKILL",
        f"  ✗ -1: {program}: '-1' would be read as an option: write -- in front of {{name}}",
    ]
    assert said == ["first\n\\x1b[31mlast"] * 3


def test_many_failures_are_only_counted(tmp_path: Path) -> None:
    hooks, _ = hooks_for("false {path}", tmp_path, processes=4)
    for number in range(20):
        hooks.add(done(str(number)))
    assert hooks.wait(30)
    assert (hooks.failures, len(hooks.failed)) == (20, MAX_SHOWN)
    assert hooks.summary()[-1] == f"  … and {20 - MAX_SHOWN} more"


def test_a_program_that_vanished_cannot_start(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    hooks, _ = hooks_for(f"{program} {{path}}", tmp_path)
    program.unlink()
    hooks.add(done("x"))
    assert hooks.wait(30)
    assert hooks.failed == ["x: program: cannot start: no such file or directory"]


def test_a_system_without_another_thread_fails_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    hooks, _ = hooks_for("true", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        hooks.add(done("x"))
    assert hooks.wait(0)
    assert hooks.failed == ["x: true: cannot start: can't start new thread"]
    hooks.add(done("y"))
    assert hooks.wait(30)
    assert hooks.failures == 1


def test_commands_are_bounded_in_number_and_pause_the_list(tmp_path: Path) -> None:
    """Each command waits until it may end, so the highest number at a time is seen, whatever the speed of the machine."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    log = tmp_path / "log"
    text = f"import sys; open({str(log)!r}, 'a').write('+'); open({str(gate)!r}).read(); open({str(log)!r}, 'a').write('-')"
    hooks, _ = hooks_for(f"{script(tmp_path, text)} {{path}}", tmp_path, processes=3)
    for number in range(MAX_WAITING):
        assert not hooks.is_paused()
        hooks.add(done(str(number)))
    assert hooks.is_paused()
    wait_until(lambda: log.exists() and log.read_text() == "+++", "three commands did not start")
    assert len([thread for thread in threading.enumerate() if thread.name == "dl-on-complete"]) >= 3
    hooks.stop(0.0)
    while not hooks.wait(0.05):
        pass
    assert log.read_text() == "+++"
    assert (hooks.failures, hooks.unrun) == (3, MAX_WAITING - 3)
    assert hooks.summary()[-1].startswith(f"  {MAX_WAITING - 3} files are complete, but their commands were not run: 3, 4, ")


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_a_stop_lets_commands_end_and_then_ends_them(tmp_path: Path, is_stubborn: bool) -> None:
    text = f"""
import os, signal, sys, time
if {is_stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()) + "\\n")
time.sleep({ENDLESS})
"""
    hooks, _ = hooks_for(f"{script(tmp_path, text)} {{path}}", tmp_path)
    hooks.add(done("x"))
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), "it did not start")
    pid = int((tmp_path / "pid").read_text())
    assert os.getpgid(pid) == pid  # a Ctrl-C in the terminal does not reach it
    assert not hooks.wait(0.1)
    hooks.stop(0.2)
    while not hooks.wait(0.05):
        pass
    assert [text.rpartition(" ")[2] for text in hooks.failed] == ["SIGKILL" if is_stubborn else "SIGTERM"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_abort_ends_commands_at_once_and_their_children(tmp_path: Path) -> None:
    command = f"""sh -c 'trap "" TERM; sleep {ENDLESS} & echo $! > "$1"; wait' sh {tmp_path}/pid {{path}}"""
    hooks, _ = hooks_for(command, tmp_path, processes=1)
    hooks.add(done("x"))
    hooks.add(done("y"))
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "it did not start")
    child = int((tmp_path / "pid").read_text())
    hooks.abort()
    assert hooks.wait(30)
    assert (hooks.failures, hooks.missed) == (1, ["y"])

    def is_gone() -> bool:
        try:
            with open(f"/proc/{child}/stat", "rb") as stream:
                return stream.read().rpartition(b")")[2].split()[0] == b"Z"
        except FileNotFoundError:
            return True

    wait_until(is_gone, "the child is still there")


def test_a_command_that_leaves_a_child_behind_does_not_block(tmp_path: Path) -> None:
    hooks, _ = hooks_for(f"sh -c 'sleep {ENDLESS} & echo $! >&2'", tmp_path)
    said: list[str] = []
    hooks.say = said.append
    started = time.monotonic()
    hooks.add(done("x"))
    assert hooks.wait(30)
    assert time.monotonic() - started < ENDLESS / 2
    os.kill(int(said[0]), signal.SIGKILL)


def test_the_standard_input_of_a_command_is_empty(tmp_path: Path) -> None:
    hooks, said = hooks_for("wc -c", tmp_path)
    hooks.add(done("x"))
    assert hooks.wait(30)
    assert [text.strip() for text in said] == ["0"]


@given(st.integers(min_value=1, max_value=64))
def test_number_of_signals_without_a_name(number: int) -> None:
    from downloader.runs.hooks import _described

    assert _described(-number).startswith("ended by ")
