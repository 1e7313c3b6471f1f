"""Strategies by name: what other packages add, what is missing, and what each says of itself."""

import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

from downloader import Downloader
from downloader.cli.main import main
from downloader.engine.contract import Capabilities
from downloader.errors import UsageError
from downloader.extras import hint_for
from downloader.runs.plan import check_supported
from downloader.settings.definitions import Settings
from downloader.strategies.registry import BUILT_IN, find, listing

GOOD = """
from downloader.engine.contract import Capabilities
class Strategy:
    name, about, library = "plugged", "one of another package, with enough words for a line longer than a terminal", "none"
    capabilities = Capabilities(default_jobs=3, cluster=True)
    def drive(self, run):
        pass
"""
BROKEN = {
    "no module of this name": (None, "ModuleNotFoundError"),
    "no class of this name": ("", "AttributeError"),
    "a module is missing": ("import not_installed_anywhere", "not_installed_anywhere"),
    "a name is missing": ("from os import no_such_name", "ImportError"),
    "an exception": ("raise RuntimeError('as it likes')", "as it likes"),
    "an exit": ("raise SystemExit(3)", "SystemExit"),
    "a wrong syntax": ("def", "SyntaxError"),
    "no class": ("Strategy = 5", "not a class"),
    "no capabilities": (GOOD.replace("capabilities =", "other ="), "no capabilities"),
    "capabilities of another kind": (GOOD.replace("Capabilities(default_jobs=3, cluster=True)", "{}"), "no capabilities"),
    "no drive": (GOOD.replace("def drive", "def fly"), "no method drive"),
    "no description": (GOOD.replace("name, about", "name, how"), "no about"),
}


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An installed package that adds a strategy: the one whose source is the fixture's parameter. The name of its module."""
    module = f"plugged_{abs(hash(request.node.name))}"
    if request.param is not None:
        (tmp_path / f"{module}.py").write_text(request.param)
    about = tmp_path / "other-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[downloader.strategies]\nplugged = {module}:Strategy\n")
    monkeypatch.syspath_prepend(tmp_path)
    return module


@pytest.mark.parametrize(("plug", "word"), list(BROKEN.values()), ids=list(BROKEN), indirect=["plug"])
def test_broken_plug_in_is_told_and_does_not_end_the_listing(plug: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError) as caught:
        find("plugged")
    assert word in str(caught.value)
    assert plug in str(caught.value)
    assert [item.name for item in listing() if item.problem] == ["plugged"]
    with pytest.raises(SystemExit) as ended:
        main(["strategies"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "cannot run here: the plug-in strategy plugged" in told
    assert all(f"\n{name} " in f"\n{told}" for name in BUILT_IN)


@pytest.mark.parametrize("plug", [GOOD], indirect=True)
def test_good_plug_in_is_listed_with_what_it_can_do(plug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert find("plugged").__module__ == plug
    with pytest.raises(SystemExit):
        main(["strategies"])
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) < 80
    assert "runs here, 3 at once by default; its workers may be on other machines" in " ".join(told.split())


def test_what_cannot_run_is_described_all_the_same() -> None:
    code = """
import sys
sys.modules["gevent"] = sys.modules["pycurl"] = None
from downloader.cli.main import main
main(["strategies"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) < 80
    paragraphs = dict(re.findall(r"^(\S+) +(.*(?:\n +.*)*)", done.stdout, re.MULTILINE))
    for name in ("gevent", "multiplex", "hybrid"):
        assert paragraphs[name].count("cannot run here") == 1, paragraphs
        assert paragraphs[name].count("pip install '.[") == (name == "gevent")
    assert paragraphs["gevent"].startswith("a greenlet for each file in flight")


def test_a_cluster_is_listed_without_an_import_of_dask() -> None:
    program = (
        "import sys{}\nfrom downloader.cli.main import main\n"
        "try: main(['strategies'])\nfinally: print('imported:', bool(sys.modules.get('distributed')))"
    )
    there = subprocess.run([sys.executable, "-c", program.format("")], capture_output=True, text=True, timeout=60)
    assert "up to 4096 if that is faster" in " ".join(there.stdout.split()), there.stderr
    assert there.stdout.endswith("imported: False\n")
    hidden = program.format("; sys.modules['distributed'] = None")
    missing = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, timeout=60)
    assert "cannot run here: the strategy dask needs distributed" in " ".join(missing.stdout.split()), missing.stderr


@pytest.mark.parametrize(("module", "start"), [("gevent", "pip install 'gevent>="), ("pycurl", "pip install 'pycurl>=")])
def test_hint_names_what_the_metadata_names(module: str, start: str) -> None:
    assert hint_for(module).startswith(start)
    assert set(re.findall(r"\.\[(.*?)]", hint_for(module))) <= set(metadata("downloader").get_all("Provides-Extra") or ())
    assert hint_for("a_module_that_nobody_knows") == ""


@pytest.mark.parametrize("name", ["limit_rate", "limit_rate_per_host"])
def test_limit_to_the_rate_is_refused_where_the_strategy_has_none(name: str) -> None:
    settings = Settings(strategy="plugged", **{name: 1000})
    with pytest.raises(UsageError, match="plugged cannot limit the rate"):
        check_supported(settings, Capabilities(default_jobs=1))
    check_supported(settings, Capabilities(default_jobs=1, limit_rate=True))


def test_number_is_no_strategy_but_what_aria2_means_by_it() -> None:
    with pytest.raises(UsageError, match=r"unknown strategy: '16' \(--segments N splits a file\)"):
        find("16")


ENDS_EARLY = """
from downloader.engine.contract import Capabilities
class Strategy:
    name, about, library = "plugged", "of another package", "none"
    capabilities = Capabilities(default_jobs=3)
    def drive(self, run):
        {body}
"""


@pytest.mark.parametrize(
    ("plug", "message"),
    [
        (ENDS_EARLY.format(body="pass"), "the strategy plugged has returned before the run was finished"),
        (ENDS_EARLY.format(body="run.fail(KeyError('lost'))"), "lost"),
    ],
    ids=["returns", "fails"],
    indirect=["plug"],
)
def test_plug_in_that_ends_before_the_run_is_no_success(plug: str, message: str, tmp_path: Path) -> None:
    run = Downloader(tmp_path / "out", strategy="plugged").session(["http://127.0.0.1:9/a"]).start()
    with pytest.raises((RuntimeError, KeyError), match=message):
        run.join()
    assert run.report.interrupted
