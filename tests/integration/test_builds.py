"""The two builds of the package: what `dl --version -v` says, what forces the pure one, and what a wheel contains."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from downloader import __version__
from downloader.cli.build_info import is_compiled
from downloader.testserver.launch import TestServer
from tests.support.command import Shell

ROOT = Path(__file__).parents[2]
SUFFIX = EXTENSION_SUFFIXES[0]
BUILD_NAMES = {True: "compiled build (mypyc)", False: "pure Python build"}
SMALL_LIST = ["downloader/core/spans.py"]
"""One small module, which is compiled in a second."""

needs_the_tree = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="the tests run without the tree")


def test_version_alone_is_one_line(dl: Shell) -> None:
    assert dl("--version").stdout == f"dl {__version__}\n"
    assert dl("--version", "--dir", "v").stdout == f"dl {__version__}\n"


@pytest.mark.parametrize("words", [["--version", "-v"], ["-qv", "--version"], ["--version", "--verbose", "--jobs", "wrong"]])
def test_version_and_verbose_name_the_build(dl: Shell, words: list[str]) -> None:
    first, build, versions = dl(*words).stdout.splitlines()
    assert first == f"dl {__version__}"
    assert build == BUILD_NAMES[is_compiled()]
    assert versions.startswith(f"Python {sys.version.split()[0]}, libcurl ")


@needs_the_tree
@pytest.mark.parametrize("strategy", ["multiplex", "hybrid"])
def test_pure_modules_are_taken_in_all_processes_if_the_environment_says_so(
    dl: Shell, server: TestServer, tmp_path: Path, strategy: str
) -> None:
    tree = copy_of_the_tree(tmp_path / "tree")
    (tree / "downloader/core" / f"trace{SUFFIX}").write_bytes(b"no extension module")
    url, path = server.file(1, 10), {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    failed = dl(url, "-s", strategy, **path)
    assert "trace" in failed.stderr
    done = dl(url, "-s", strategy, "-v", "--log-file", "log.txt", DOWNLOADER_PURE="1", **path)
    assert done.returncode == 0, done.stderr
    assert dl("--version", "-v", DOWNLOADER_PURE="1", **path).stdout.splitlines()[1] == "pure Python build"
    assert dl(url, "--dir", "other", "-s", strategy, DOWNLOADER_PURE="0", **path).returncode != 0


def copy_of_the_tree(folder: Path, compiled: list[str] | None = None) -> Path:
    """What is needed for a build, in a new folder. ``compiled``: the list of compiled.txt, if another than the project's."""
    folder.mkdir(parents=True)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in", "compiled.txt"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", f"*{SUFFIX}")
    shutil.copytree(ROOT / "downloader", folder / "downloader", ignore=ignored)
    if compiled is not None:
        (folder / "compiled.txt").write_text("# A comment.\n\n" + "\n".join(compiled) + "\n")
    return folder


def build(tree: Path, what: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run one function of the build backend: it puts its result into dist/."""
    code = f"from setuptools import build_meta; build_meta.build_{what}('dist')"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, cwd=tree, env=inherited | variables, capture_output=True, text=True, timeout=300)


def built(tree: Path, what: str, **variables: str) -> tuple[str, list[str]]:
    """The name of the wheel that a build makes, and its extension modules."""
    shutil.rmtree(tree / "dist", ignore_errors=True)
    done = build(tree, what, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tree / "dist").iterdir()
    with zipfile.ZipFile(wheel) as opened:
        return wheel.name, sorted(name for name in opened.namelist() if name.endswith(SUFFIX))


@needs_the_tree
def test_source_distribution_has_what_a_build_needs(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path / "tree")
    done = build(tree, "sdist")
    assert done.returncode == 0, done.stderr
    (archive,) = (tree / "dist").iterdir()
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"setup.py", "pyproject.toml", "compiled.txt", "downloader/core/trace.py", "downloader/py.typed"} <= names


@needs_the_tree
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_wheel_is_compiled_and_a_pure_one_after_it_is_pure(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path / "tree", SMALL_LIST)
    name, extensions = built(tree, "wheel", DOWNLOADER_COMPILE="require")
    assert extensions == [f"downloader/core/spans{SUFFIX}", f"downloader__mypyc{SUFFIX}"]
    assert "none-any" not in name
    name, extensions = built(tree, "wheel", DOWNLOADER_PURE="1")
    assert extensions == []
    assert name.endswith("-py3-none-any.whl")
    assert built(tree, "editable")[1] == []
    assert not list((tree / "downloader").rglob(f"*{SUFFIX}"))
    assert not list((tree / "downloader").rglob("*.c"))


@needs_the_tree
@pytest.mark.slow
def test_failed_compilation_gives_a_pure_wheel_or_fails_as_it_was_asked_to(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path / "tree", SMALL_LIST)
    (tree / "downloader/core/spans.py").write_text("number: int = 'text'\n")
    name, extensions = built(tree, "wheel")
    assert extensions == []
    assert name.endswith("-py3-none-any.whl")
    assert build(tree, "wheel", DOWNLOADER_COMPILE="require").returncode != 0
    tree = copy_of_the_tree(tmp_path / "other", SMALL_LIST)
    name, extensions = built(tree, "wheel", CC="false")
    assert extensions == []
    assert name.endswith("-py3-none-any.whl")
    assert build(tree, "wheel", CC="false", DOWNLOADER_COMPILE="require").returncode != 0
