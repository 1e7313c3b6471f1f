"""The strategy of docs/plugins.md, installed as a package of its own: what the page promises is done."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.testserver.launch import TestServer
from tests.support.files import names_in

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "threadlets.py", "test_threadlets.py")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of an environment in which the page's package is installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    blocks = re.findall(r"```(?:toml|python)\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)
    for name, text in zip(FILES, blocks, strict=True):
        (source / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(target)]
    subprocess.run([*pip, str(source)], check=True, timeout=120)
    (target / "test_threadlets.py").write_text(blocks[2])
    path = os.pathsep.join([str(target), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "PLUGIN": str(target)}


def dl(environment: dict[str, str], folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run `dl` in a folder."""
    command = [sys.executable, "-m", "downloader", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)


def test_the_page_shows_about_sixty_lines() -> None:
    module = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(), re.DOTALL)[0]
    assert len(module.splitlines()) <= 66


def test_it_is_listed(environment: dict[str, str], tmp_path: Path) -> None:
    listed = dl(environment, tmp_path, "strategies")
    assert listed.returncode == 0, listed.stderr
    assert "threadlets" in listed.stdout
    assert "a new thread for each file" in listed.stdout


def test_it_downloads(environment: dict[str, str], tmp_path: Path, server: TestServer) -> None:
    (tmp_path / "urls.txt").write_text("".join(f"{server.file(number, 1000)}\n" for number in range(20)))
    done = dl(environment, tmp_path, "urls.txt", "-s", "threadlets", "-d", "out")
    assert done.returncode == 0, done.stderr
    assert "strategy threadlets" in done.stderr + done.stdout
    assert names_in(tmp_path / "out") == sorted(f"{number}.bin" for number in range(20))


def test_it_is_completed_and_known_to_the_settings(environment: dict[str, str], tmp_path: Path) -> None:
    completed = dl({**environment, "_DL_COMPLETE": "bash_complete", "COMP_WORDS": "dl -s thr", "COMP_CWORD": "2"}, tmp_path)
    assert "threadlets" in completed.stdout
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:9/a\n")
    typo = dl(environment, tmp_path, "urls.txt", "-s", "threadlet")
    assert typo.returncode == 2
    assert "did you mean threadlets?" in typo.stderr
    found = dl({**environment, "DL_STRATEGY": "threadlets"}, tmp_path, "urls.txt", "--dry-run")
    assert found.returncode == 0, found.stderr


def test_it_is_measured_beside_others(environment: dict[str, str], tmp_path: Path, server: TestServer) -> None:
    (tmp_path / "urls.txt").write_text("".join(f"{server.file(number, 1000)}\n" for number in range(20)))
    words = ["urls.txt", "-s", "threadlets", "-s", "serial", "--budget", "1", "--json", "out.json", "--html", "out.html"]
    compared = dl(environment, tmp_path, "compare", *words)
    assert compared.returncode == 0, compared.stderr + compared.stdout
    assert re.search(r"\bthreadlets\b", compared.stdout)
    study = json.loads((tmp_path / "out.json").read_text())
    assert "threadlets" in json.dumps(study)
    assert "threadlets" in (tmp_path / "out.html").read_text()


def test_it_passes_the_contract_suite(environment: dict[str, str], tmp_path: Path) -> None:
    target = environment["PLUGIN"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path / 'suite'}",
        "test_threadlets.py",
    ]
    done = subprocess.run(command, cwd=target, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "19 passed" in done.stdout
