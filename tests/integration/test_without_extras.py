"""Without the packages of the extra `compare`: what needs none of them works, and what does says what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.testserver import content
from downloader.testserver.launch import TestServer

HIDE = """
import sys
for name in ("granian", "jinja2", "plotly", "rich", "trustme"):
    sys.modules[name] = None
"""
COMMAND = "from downloader.cli.main import main\nmain(sys.argv[1:])\n"
SCRIPT = "from downloader.cli.entry import testserver\nsys.argv[0] = 'dl-testserver'\ntestserver()\n"
MODULE = "import runpy\nrunpy.run_module('downloader.testserver', run_name='__main__', alter_sys=True)\n"


def run(code: str, *words: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code where the packages of the extra are not to be found."""
    return subprocess.run(
        [sys.executable, "-c", HIDE + code, *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("code", "words", "missing"),
    [
        (COMMAND, "compare", "rich, granian"),
        (COMMAND, "compare --scenario small,tls", "rich, granian, trustme"),
        (COMMAND, "compare --server nginx --scenario large", "rich"),
        (COMMAND, "compare urls.txt", "rich"),
        (COMMAND, "serve --port 0", "granian"),
        (COMMAND, "serve --port 0 --tls", "granian, trustme"),
        (SCRIPT, "", "granian"),
        (SCRIPT, "--tls", "granian, trustme"),
    ],
)
def test_command_that_needs_the_extra_says_what_to_install(code: str, words: str, missing: str, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:9/a\n")
    done = run(code, *words.split(), folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f" needs {missing} (pip install '" in line
    assert "'.[compare]'" in line


def test_module_of_the_test_server_says_what_it_lacks(tmp_path: Path) -> None:
    done = run(MODULE, "--tls", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "dl-testserver: the test server needs granian, trustme (pip install granian trustme)\n"


@pytest.mark.parametrize("flag", ["--html", "--png"])
def test_page_and_picture_say_what_to_install(flag: str, tmp_path: Path) -> None:
    code = "sys.modules.pop('rich')\nsys.modules.pop('granian')\n" + COMMAND
    done = run(code, "compare", flag, "out", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("dl: a page needs jinja2, plotly (pip install '")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("strategy", ["auto", "threads", "async"])
def test_download_needs_no_extra(strategy: str, server: TestServer, tmp_path: Path) -> None:
    done = run(COMMAND, server.file(1, 1000), "-s", strategy, "-d", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "out").glob("*.bin")
    assert file.read_bytes() == content.body(1, 0, 1000)


@pytest.mark.parametrize(
    "words",
    ["--help", "--version", "strategies", "help", "help compare", "compare --help", "serve --help", "--show-completion bash"],
)
def test_command_that_fetches_nothing_needs_no_extra(words: str, tmp_path: Path) -> None:
    done = run(COMMAND, *words.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(("words", "expected"), [("dl compare --scen", "--scenario"), ("dl --strat", "--strategy")])
def test_completion_needs_no_extra(words: str, expected: str, tmp_path: Path) -> None:
    number = str(len(words.split()) - 1)
    done = run(COMMAND, folder=tmp_path, _DL_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_plug_in_for_pytest_fails_only_the_tests_that_use_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(HIDE + 'pytest_plugins = ["downloader.testserver.fixture"]\n')
    tests = "def test_alone():\n    pass\n\n\ndef test_served(download_server):\n    pass\n"
    (tmp_path / "test_users_own.py").write_text(tests)
    code = "import pytest\nsys.exit(pytest.main(['-p', 'no:cacheprovider', '-p', 'no:xdist', *sys.argv[1:]]))\n"
    alone = run(code, "-k", "alone", folder=tmp_path)
    assert alone.returncode == 0, alone.stdout
    both = run(code, folder=tmp_path)
    assert "1 passed, 1 error" in both.stdout
    assert "the test server needs granian: pip install granian" in both.stdout
    assert "Traceback" not in both.stdout


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_object_store_says_what_to_install(flags: list[str], tmp_path: Path) -> None:
    code = "sys.modules['obstore'] = None\n" + COMMAND
    done = run(code, "http://127.0.0.1:9/a", "-d", "s3://bucket1/x", *flags, folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("dl: --dir s3:// needs obstore (pip install '")
    assert "'.[s3]'" in line
