"""The project holds together: layers, public names, the README's two commands, what importing costs."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import downloader
from downloader import errors
from downloader.cli.compare_options import options
from downloader.settings.definitions import fields
from tests import support

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """The README's shell blocks."""
    return [text.strip() for text in re.findall(r"```(?:sh|bash|console|shell)\n(.*?)```", README, re.DOTALL)]


def test_each_layer_imports_only_from_those_below_it() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint), "--config", "pyproject.toml"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_begins_with_the_command_to_run_and_the_command_to_test() -> None:
    run, test = blocks()[:2]
    assert "\n" not in run
    assert run.endswith("dl compare")
    assert "\n" not in test
    assert test in (ROOT / ".ci" / "run").read_text().splitlines()


def test_links_of_the_readme_lead_to_files_of_the_project() -> None:
    linked = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target}
    assert len(linked) >= 5
    assert {target for target in linked if target and not (ROOT / target).exists()} == set()


def test_no_test_file_imports_from_another_one() -> None:
    imports = re.compile(r"^ *(?:from (tests\b[\w.]*) import (\w+)|import (tests\b[\w.]*))", re.MULTILINE)
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for package, name, module in imports.findall(path.read_text()):
            assert (module or f"{package}.{name}").startswith("tests.support"), path.relative_to(ROOT)


def test_a_subprocess_runs_the_same_code_as_this_process(tmp_path: Path) -> None:
    code = "import downloader, tests.support; print(downloader.__file__, tests.support.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [downloader.__file__, support.__file__]
    assert Path(downloader.__file__) == ROOT / "downloader" / "__init__.py"


def test_readme_names_every_flag_and_no_other() -> None:
    told = set(re.findall(r"(?<![\w-])--([a-z][a-z0-9.-]*[a-z0-9])", README))
    ours = {field.key for field in fields()} | {
        "config",
        "dry-run",
        "version",
        "help",
        "output",
        "install-completion",
        "show-completion",
        "no-mtime",
        "http1.1",
        "http2",
        "http3",
    }
    compare = {flag[2:] for option in options() for flag in option.opts if flag.startswith("--")}
    serve = {"host", "port", "tls"}
    assert told - ours - compare - serve == set()
    assert (ours | compare | serve) - told - {"mtime"} == set()


def test_public_names_are_sorted_and_there() -> None:
    assert downloader.__all__ == sorted(downloader.__all__)
    assert all(hasattr(downloader, name) for name in downloader.__all__)


def test_every_public_error_is_exported() -> None:
    named = {name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, errors.DownloadError)}
    assert {name for name in named if not name.startswith("_")} - set(downloader.__all__) == set()
    assert downloader.ProcessError is errors.ProcessError


def test_importing_loads_no_http_client() -> None:
    code = "import downloader, sys; print(*{'requests', 'httpx', 'aiohttp', 'urllib3', 'tqdm', 'granian'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("method", ["connect", "connect_ex", "sendto"])
def test_a_socket_of_a_test_reaches_loopback_only(method: str) -> None:
    kind = socket.SOCK_DGRAM if method == "sendto" else socket.SOCK_STREAM
    with socket.socket(type=kind) as sock, pytest.raises(AssertionError, match=r"tried to reach 192\.0\.2\.1"):
        getattr(sock, method)(*([b"x"] if method == "sendto" else []), ("192.0.2.1", 9))  # RFC 5737: for documentation


def test_no_file_outgrows_its_job() -> None:
    for path in (ROOT / "downloader").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 320, path
