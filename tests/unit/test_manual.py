"""The manual page: made from the options, complete, understood by roff, and in the wheel."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

from downloader.cli.main import fetch_command
from downloader.cli.manual import page
from downloader.cli.topics import TOPICS

ROOT = Path(__file__).parents[2]


def test_every_option_and_topic_is_in_the_page() -> None:
    told = re.sub(r"\\f[BIR]", "", page().replace("\\-", "-"))
    command = fetch_command()
    options = [option for option in command.get_params(click.Context(command)) if isinstance(option, click.Option)]
    names = {name for option in options if not option.hidden for name in option.opts}
    assert {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told)} == set()
    assert all(f".SH {name.upper()}\n" in told for name in TOPICS)


def test_page_is_plain_roff() -> None:
    assert page().isascii()
    requests = {line.split(" ")[0] for line in page().splitlines() if line.startswith((".", "'"))}
    assert requests <= {'.\\"', ".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".br", ".nf", ".fi"}


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_page_is_rendered_without_a_warning() -> None:
    command = ["groff", "-man", "-Tutf8", "-ww", "-P-c"]
    done = subprocess.run(command, input=page(), capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    told = re.sub(r".\x08", "", done.stdout)
    assert "--max-retry-after TIME" in told
    assert "    out=NAME               the name of the file, below dir= and --dir" in told


@pytest.mark.slow
def test_wheel_holds_the_page_and_the_tree_is_left_as_it_was(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "downloader", tmp_path / "downloader", ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", build], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=300, check=True
    )
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".data/data/share/man/man1/dl.1")]
        assert opened.read(name).decode() == page(), done.stderr
    assert list(tmp_path.glob("downloader/**/*.1")) == []
