"""Completion in real shells, where they are installed, and what is asked of `dl` for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.strategies.registry import names


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a `dl` in its bin folder."""
    command = tmp_path / "bin" / "dl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m downloader "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(home: Path, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """This command at home."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment = {**known, "HOME": str(home), "PATH": f"{home / 'bin'}:{os.environ['PATH']}", **variables}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=60)


def completions(home: Path, line: str, shell: str = "bash") -> list[str]:
    """What `dl` answers where this line, with `|` at its end, is to be completed: type and value."""
    words = line.split(" ")
    variables = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_DL_COMPLETE": f"{shell}_complete"}
    done = run(home, "dl", **variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("dl comp", ["plain,compare"]),
        ("dl --low-speed-", ["plain,--low-speed-limit", "plain,--low-speed-time"]),
        ("dl --on-exists re", ["plain,rename", "plain,refresh"]),
        ("dl x --on-exists = ref", ["plain,refresh"]),
        ("dl -s ", [f"plain,{name}" for name in names()]),
        ("dl compare -s mu", ["plain,multiplex"]),
        ("dl compare --time", ["plain,--timeline"]),
        ("dl help po", ["plain,politeness"]),
        ("dl verif", ["plain,verify"]),
        ("dl help sta", ["plain,status"]),
        ("dl verify --ex", ["plain,--extra"]),
        ("dl verify SHA", ["file,SHA"]),
        ("dl status da", ["dir,da"]),
        ("dl export --as pa", ["plain,parquet"]),
        ("dl export --status f", ["plain,failed"]),
        ("dl export --to fa", ["file,fa"]),
        ("dl url", ["file,url"]),
        ("dl x comp", ["file,comp"]),
        ("dl --report rep", ["file,rep"]),
        ("dl compare ur", ["file,ur"]),
        ("dl -d da", ["dir,da"]),
        ("dl --version --low-speed-l", ["plain,--low-speed-limit"]),
        ("dl --install-completion z", ["plain,zsh"]),
    ],
)
def test_completion_offers_what_may_come_next(home: Path, line: str, answers: list[str]) -> None:
    assert completions(home, line) == answers


def test_first_word_may_be_a_command_or_a_file(home: Path) -> None:
    for name in ("servers.txt", "se t.txt", "urls.txt"):
        (home / name).write_text("")
    (home / "sets").mkdir()
    assert completions(home, "dl se") == ["plain,serve", "plain,servers.txt", "plain,sets/"]
    assert {"plain,help", "plain,urls.txt", "plain,bin/"} <= set(completions(home, "dl "))


def test_asking_loads_no_http_client(home: Path) -> None:
    code = """
import os, sys
from downloader.cli.completion import complete
complete("bash_complete")
clients = {"requests", "httpx", "aiohttp", "urllib3", "pycurl", "tqdm", "rich", "granian", "gevent"}
print(*sorted(clients & set(sys.modules)), file=sys.stderr)
"""
    for line in ("dl -s thr", "dl --on-exists s", "dl compare -s thr"):
        done = run(home, sys.executable, "-c", code, COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
        assert done.stdout.startswith("plain,")
        assert done.stderr.strip() == "", line


@pytest.mark.parametrize(
    ("shell", "variables", "path"),
    [
        ("bash", {}, ".local/share/bash-completion/completions/dl"),
        ("bash", {"XDG_DATA_HOME": "HOME/data"}, "data/bash-completion/completions/dl"),
        ("zsh", {}, ".local/share/zsh/site-functions/_dl"),
        ("fish", {}, ".config/fish/completions/dl.fish"),
        ("fish", {"XDG_CONFIG_HOME": "HOME/config"}, "config/fish/completions/dl.fish"),
    ],
)
def test_script_is_written_to_where_the_shell_looks(home: Path, shell: str, variables: dict[str, str], path: str) -> None:
    for name in (".bashrc", ".zshrc"):
        (home / name).write_text("mine\n")
    there = {name: value.replace("HOME", str(home)) for name, value in variables.items()}
    done = run(home, "dl", "--install-completion", SHELL=f"/usr/bin/{shell}", **there)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"wrote {home / path}\n")
    assert (home / path).read_text() == run(home, "dl", "--show-completion", shell, SHELL="/bin/sh").stdout
    assert all((home / name).read_text() == "mine\n" for name in (".bashrc", ".zshrc"))


def test_unknown_shell_and_a_place_that_cannot_be_written_are_told(home: Path) -> None:
    done = run(home, "dl", "--install-completion", SHELL="/bin/tcsh")
    assert (done.returncode, done.stderr) == (2, "dl: no completion for the shell 'tcsh' (give one of bash, zsh, fish)\n")
    (home / ".config").write_text("a file")
    done = run(home, "dl", "--install-completion", "fish")
    assert done.returncode == 3
    assert "dl --show-completion fish prints it" in done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "at", "reply"),
    [("dl comp", 1, "compare"), ("dl -s mul", 2, "multiplex"), ("dl x --on-exists = over", 4, "overwrite")],
)
def test_bash_completes(home: Path, words: str, at: int, reply: str) -> None:
    run(home, "dl", "--install-completion", "bash")
    code = f"""
source ~/.local/share/bash-completion/completions/dl
complete -p dl >&2
COMP_WORDS=({words}); COMP_CWORD={at}; _dl_completion dl; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run(home, "bash", "--norc", "-c", code)
    assert "_dl_completion dl" in done.stderr
    assert done.stdout == f"{reply}\n"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(home: Path) -> None:
    run(home, "dl", "--install-completion", "fish")
    done = run(home, "fish", "-c", "complete --do-complete 'dl -s mul'; complete --do-complete 'dl comp'")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["multiplex", "compare"], done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_finds_the_function(home: Path) -> None:
    run(home, "dl", "--install-completion", "zsh")
    code = "fpath=(~/.local/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[dl]"
    done = run(home, "zsh", "-f", "-c", code)
    assert done.stdout == "_dl\n", done.stderr
    assert run(home, "zsh", "-n", ".local/share/zsh/site-functions/_dl").returncode == 0
