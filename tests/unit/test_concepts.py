"""docs/concepts.md and docs/architecture.md name places in the code and commands: they are there."""

import re
import shlex
from pathlib import Path

import pytest

from downloader.cli.compare import command
from downloader.compare.scenarios import choose
from downloader.strategies.registry import find

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "concepts.md").read_text()
PAGES = TEXT + (ROOT / "docs" / "architecture.md").read_text() + (ROOT / "docs" / "plugins.md").read_text()
PLACES = sorted(set(re.findall(r"`(downloader/[\w/]+\.py):(\w+)`", PAGES)))
FILES = sorted(set(re.findall(r"`(downloader/[\w/]+(?:\.py)?)`", PAGES)))
COMMANDS = re.findall(r"`dl compare ([^`]+)`", TEXT)


def test_there_are_places_and_commands_and_no_gap() -> None:
    assert len(PLACES) > 30
    assert len(COMMANDS) >= 5
    assert "@@" not in TEXT


@pytest.mark.parametrize("words", COMMANDS)
def test_command_is_one_that_can_be_given(words: str) -> None:
    asked = command().make_context("compare", shlex.split(words)).params
    assert all(find(name) for name in asked["names"])
    assert choose(asked["chosen"])


@pytest.mark.parametrize("file", FILES)
def test_file_is_there(file: str) -> None:
    assert (ROOT / file).exists()


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_place_is_in_the_code(file: str, name: str) -> None:
    assert re.search(rf"^\s*(async )?(def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE), f"{file}:{name}"
