"""docs/concepts.md names places in the code: they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = sorted(set(re.findall(r"`(downloader/[\w/]+\.py):(\w+)`", (ROOT / "docs" / "concepts.md").read_text())))


def test_there_are_places() -> None:
    assert len(PLACES) > 30


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_place_is_in_the_code(file: str, name: str) -> None:
    assert re.search(rf"^\s*(async )?(def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE), f"{file}:{name}"
