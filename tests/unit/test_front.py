"""The command as a newcomer meets it: habits of other tools, topics of help, the name of one file, systems without `dl`."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from downloader import errors
from downloader.cli.foreign_options import FOREIGN_OPTIONS
from downloader.cli.main import COMMANDS, command_of, fetch_command, main
from downloader.cli.topics import TOPICS, topic

SERVER = "http://127.0.0.1:9"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """`dl` with these words, in this process: its exit code and what it wrote."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def own_options() -> set[str]:
    """All options of `dl` without a command."""
    return options_of(fetch_command())


def options_of(command: click.Command) -> set[str]:
    """All options of a command and of its subcommands."""
    names = [name for option in command.get_params(click.Context(command)) for name in (*option.opts, *option.secondary_opts)]
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return {name for name in names if name.startswith("-")}.union(*map(options_of, inner))


# --- habits


@pytest.mark.parametrize("option", list(FOREIGN_OPTIONS))
def test_option_of_another_tool_is_answered_with_ours(capsys: pytest.CaptureFixture[str], option: str) -> None:
    code, out, err = run(capsys, SERVER, option, "x")
    assert code == 2
    assert out == ""
    assert f"dl has no {option}: {FOREIGN_OPTIONS[option]}." in err


@pytest.mark.parametrize("words", [["-ck"], ["--tries=3"], ["-k"], ["-Z", "--parallel-max", "5"], ["-nc"]])
def test_option_of_another_tool_is_known_however_it_is_written(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, _, err = run(capsys, SERVER, *words)
    assert code == 2
    assert "dl has no " in err


def test_hints_name_options_that_exist() -> None:
    ours = own_options()
    assert set(FOREIGN_OPTIONS) & ours == set()
    named = {word for text in FOREIGN_OPTIONS.values() for word in re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", text)}
    assert named - ours == set()


def test_typo_of_an_option_is_still_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, SERVER, "--retrys", "3")
    assert code == 2
    assert "No such option" in err
    assert "--retries" in err


# --- commands and topics


def test_typo_of_a_command_is_told_with_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "compre") == (2, "", "dl: there is no file 'compre' (did you mean `dl compare`?)\n")
    assert "`dl strategies`" in run(capsys, "strategy")[2]
    assert all("did you mean" not in run(capsys, word)[2] for word in ("urls", "serve.txt", "./compre"))
    (tmp_path / "compre").write_text("")
    assert run(capsys, "compre") == (0, "", "dl: nothing to do: the list is empty\n")


@pytest.mark.parametrize("name", list(TOPICS))
def test_topic_fits_a_terminal_and_names_options_that_exist(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, _ = run(capsys, "help", name)
    assert code == 0
    assert max(map(len, out.splitlines())) < 80
    known = own_options().union(*(options_of(command_of(name)) for name in COMMANDS))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", out)) - known == set()


def test_help_lists_the_topics_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "help")
    assert code == 0
    assert max(map(len, out.splitlines())) < 80
    assert all(f"dl help {name} " in out for name in (*TOPICS, *COMMANDS) if name != "help")


@pytest.mark.parametrize("name", ["compare", "serve", "cluster", "strategies", "help"])
def test_help_of_a_command_is_what_the_command_says(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(capsys, "help", name) == run(capsys, name, "--help")


def test_help_of_an_unknown_topic_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "help", "polite")[2] == "dl: no help topic is called 'polite' (did you mean politeness?)\n"
    assert run(capsys, "help", "xyzzy")[0] == 2


def test_every_exit_code_of_the_errors_is_explained() -> None:
    told = {int(code) for code in re.findall(r"^ +(\d+)  ", topic("exit-codes"), re.MULTILINE)}
    classes = [getattr(errors, name) for name in dir(errors)]
    assert told == {cls.exit_code for cls in classes if hasattr(cls, "exit_code")} | {141, 143}


# --- the name of one file


@pytest.mark.parametrize(("name", "path"), [("a.pdf", "a.pdf"), ("sub/a.pdf", "sub/a.pdf"), ("./a b.pdf", "a b.pdf")])
def test_single_url_is_given_a_name(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, path: str) -> None:
    words = (f"{SERVER}/x?id=5", "--dir", str(tmp_path), "--dry-run")
    assert run(capsys, *words, "-o", name) == (0, f"fetch\t{SERVER}/x?id=5\t{path}\n", "")
    listed = tmp_path / "one.txt"
    listed.write_text(f"# one\n{SERVER}/x?id=5\n  out=other\n")
    assert run(capsys, str(listed), *words[1:], "--output", name)[1] == f"fetch\t{SERVER}/x?id=5\t{path}\n"


@pytest.mark.parametrize("name", ["-", "", ".", "/x", "../x", "a/../../x", "sub/", "~/x"])
def test_name_that_cannot_be_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    code, out, err = run(capsys, f"{SERVER}/x", "-d", str(tmp_path), "-o", name)
    assert (code, out) == (2, "")
    assert err.startswith("dl: -o")


def test_name_for_several_urls_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, f"{SERVER}/x", f"{SERVER}/y", "-d", str(tmp_path), "-o", "x")
    assert (code, out) == (2, "")
    assert (
        err == "dl: -o names the file of a single URL, and there are 2 URLs (out=NAME below a URL in a list names its file)\n"
    )


def test_name_of_the_file_is_no_other_file_of_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text(f"{SERVER}/x\n")
    assert (
        run(capsys, "urls.txt", "-o", "urls.txt")[2]
        == "dl: the list and -o are the same file: ./urls.txt (give another name)\n"
    )
    assert run(capsys, "urls.txt", "-o", "r", "--report", "r")[2].startswith("dl: -o and --report are the same file")
    assert (tmp_path / "urls.txt").read_text() == f"{SERVER}/x\n"


# --- systems


def test_windows_is_told_in_one_line() -> None:
    code = """
import sys
sys.modules["fcntl"] = sys.modules["resource"] = None
from downloader.cli.main import main
sys.platform = "win32"
main(["http://127.0.0.1:9/x"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "dl: Windows is not supported: use Linux, macOS or the Windows Subsystem for Linux\n"
