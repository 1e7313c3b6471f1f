"""The typed keyword arguments of the library are the settings: by name and by type."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from downloader.api.downloader import COMMAND_ONLY
from downloader.settings.definitions import Settings
from downloader.settings.fields import Field, fields
from downloader.settings.host_tables import KEYS
from downloader.settings.keywords import Count, HostKeywords, Keywords, Seconds, Size, Texts

KINDS = {item.name: get_args(item.type)[0] for item in msgspec.structs.fields(Settings)}
OURS = [item for item in fields() if item.name not in COMMAND_ONLY | {"dir"}]


def expected(item: Field) -> Any:
    """What the library takes for this setting."""
    if item.auto:
        return Count
    if item.many:
        return Texts
    if item.size or item.unit == "BYTES":
        return Size
    if item.kind is float and item.name != "max_requests_per_second":
        return Seconds
    return KINDS[item.name]


def test_keywords_are_the_settings_but_for_those_of_the_command() -> None:
    assert list(Keywords.__annotations__) == [*(item.name for item in OURS), "hosts"]
    assert Keywords.__required_keys__ == frozenset()


@pytest.mark.parametrize("item", OURS, ids=lambda item: item.name)
def test_type_of_a_keyword_is_that_of_the_setting(item: Field) -> None:
    found = get_type_hints(Keywords)[item.name]
    if item.name == "process":  # also the function itself
        assert str in get_args(found)
    else:
        assert found == expected(item)


def test_keywords_of_a_host_are_the_keys_of_its_section_and_typed_as_the_settings() -> None:
    found = get_type_hints(HostKeywords)
    assert tuple(name.replace("_", "-") for name in found) == KEYS
    by_name = {item.name: item for item in fields()}
    special = {"per_host": int, "password_env": str}
    assert found == {name: special.get(name) or expected(by_name[name]) for name in found}


GOOD = """
from typing import Any

import downloader

def show(progress: downloader.Progress) -> None:
    print(progress.done, progress.bytes, progress.waiting)

def work(urls: list[str], more: dict[str, Any]) -> None:
    report = downloader.download(urls, "data", jobs=4, limit_rate="10M", grace="5m", progress=True, on_progress=show)
    print(report, report.failed[0].url)
    for result in downloader.stream(urls, retries=2, on_result=print):
        print(result.path)
    wanted = downloader.Download(urls[0], headers={"Accept": "text/csv"}, mirrors=urls[1:], checksums=[])
    downloader.Downloader("data", jobs="auto", header=["A: b"]).run([wanted])
    downloader.download(urls, hosts={"example.org": {"per_host": 2, "wait": "1s", "header": ["A: b"]}})
    downloader.download(urls, **more)

async def later(urls: list[str]) -> None:
    async with downloader.Downloader(strategy="async", mtime=False) as fetcher:
        async for result in fetcher.stream(urls):
            print(result.path)
    print((await downloader.adownload(urls, on_exists="skip")).done)
"""

BAD = [
    "downloader.download([], jbos=4)",
    'downloader.download([], jobs="many")',
    'downloader.stream([], retries="5")',
    'downloader.Downloader(on_exists="skp")',
    "downloader.Downloader(quiet=True)",
    "downloader.download([], on_progress=3)",
    "later = downloader.adownload([], retries=None)",
    'downloader.stream([], header="A: b")',
    'downloader.Downloader(report="r.jsonl")',
    "downloader.download(3)",
    'downloader.download([], progress="bar")',
    'downloader.Download("", size="10")',
    'downloader.download([], hosts={"a": {"per_hots": 2}})',
    'downloader.download([], hosts={"a": 2})',
]


@pytest.mark.slow
def test_mypy_finds_wrong_keywords_and_no_others(tmp_path: Path) -> None:
    def mypy(text: str) -> str:
        (tmp_path / "script.py").write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}/cache", "script.py"]
        environment = {**os.environ, "MYPYPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300).stdout

    assert mypy(GOOD) == ""
    found = mypy("\n".join(["import downloader", *BAD])).splitlines()
    assert [line.split(":")[1] for line in found if ": error: " in line] == [str(number) for number in range(2, len(BAD) + 2)]
    assert 'Unexpected keyword argument "jbos"' in found[0]
