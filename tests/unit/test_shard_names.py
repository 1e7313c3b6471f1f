"""Names of tar files and of their members."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webdataset.tariterators import base_plus_ext

from downloader.core.names.shard_names import (
    SHARD_SUFFIXES,
    complete_shards,
    data_suffix,
    free_number,
    sample_key,
    shard_name,
    shard_number,
)

NUMBERS = st.integers(0, 10**7)


@pytest.mark.parametrize(
    ("path", "suffix"),
    [
        ("a.jpg", ".jpg"),
        ("folder.d/a.JPG", ".jpg"),
        ("data.tar.gz", ".tar.gz"),
        ("a.b.c.png", ".png"),
        ("v1.2.3/README", ".bin"),
        ("name", ".bin"),
        (".hidden", ".bin"),
        ("a.", ".bin"),
        ("a.json", ".data.json"),
        ("a.JSON", ".data.json"),
        ("a.tar.json", ".tar.json"),
        ("a.größe", ".bin"),
        ("a.\udc80", ".bin"),
        ("a.j pg", ".bin"),
        ("a." + "x" * 20, ".bin"),
        ("é" * 120 + ".jpg", ".jpg"),
    ],
)
def test_the_suffix_of_the_data(path: str, suffix: str) -> None:
    assert data_suffix(path) == suffix


@given(st.text(), NUMBERS, NUMBERS)
def test_both_members_of_any_file_are_one_sample_of_webdataset(path: str, number: int, place: int) -> None:
    key = sample_key(number, place)
    data, row = key + data_suffix(path), key + ".json"
    assert len(data) <= 100  # bytes of the field in the header
    assert data.isascii()
    assert base_plus_ext(row) == (key, "json")
    found, suffix = base_plus_ext(data)
    assert found == key
    assert suffix == suffix.lower() != "json"


@given(st.lists(st.tuples(NUMBERS, NUMBERS), unique=True))
def test_keys_are_different(places: list[tuple[int, int]]) -> None:
    assert len({sample_key(number, place) for number, place in places}) == len(places)


@given(NUMBERS, st.sampled_from(SHARD_SUFFIXES))
def test_the_number_of_a_name(number: int, suffix: str) -> None:
    assert shard_number(shard_name(number) + suffix) == number


@pytest.mark.parametrize(
    "name",
    [
        "0.tar",
        "00000",
        "00000.tar.part",
        "000001.tar",
        "a00000.tar",
        "00000_stats.json",
        "00000.tar\n",
        "\u0660\u0660\u0660\u0660\u0660.tar",
        "",
    ],
)
def test_other_names_have_no_number(name: str) -> None:
    assert shard_number(name) is None


def test_only_shards_with_statistics_and_rows_are_complete() -> None:
    names = ["00000.tar", "00001.stats.json", "00003.parquet", "00003.stats.json", "00002.parquet", "00002.stats.json", "x"]
    assert complete_shards(names) == [2, 3]


@given(st.sets(st.integers(0, 20)))
def test_the_free_number_is_the_lowest(taken: set[int]) -> None:
    number = free_number(taken)
    assert number not in taken
    assert set(range(number)) <= taken
