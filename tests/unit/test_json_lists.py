"""JSON Lines as lists: what the keys of an object mean, and each way in which a line can be wrong."""

import io
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.sources import json_lines
from downloader.sources.formats import ListOptions
from downloader.sources.json_lines import DESCRIBED_OBJECTS as LOOKED_AT

A, B, C = "https://a.example/1", "https://b.example/2", "https://c.example/3"
MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4


def read(content: str | bytes, **options: Any) -> tuple[list[Download], list[str], list[str]]:
    """The Downloads of a list with this content, the errors of its lines, and the sentences about it."""
    bad: list[str] = []
    said: list[str] = []
    data = content.encode() if isinstance(content, str) else content
    wanted = ListOptions(**{"format": "jsonl", "on_notice": said.append, **options})
    found = list(json_lines.read(io.BytesIO(data), "list", wanted, lambda error: bad.append(str(error))))
    return found, bad, said


def one(value: object, **options: Any) -> Download:
    """The only Download of a list with this value as its only line."""
    (found,), bad, _ = read(json.dumps(value) + "\n", **options)
    assert bad == []
    return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"out": "x/y"}, {"out": "x/y"}),
        ({"name": "x", "dir": "d"}, {"out": "x", "dir": "d"}),
        ({"size": 12}, {"size": 12}),
        ({"size": "12"}, {"size": 12}),
        ({"size": None}, {}),
        ({"priority": -2}, {"priority": -2}),
        ({"mirrors": [B, C]}, {"mirrors": (B, C)}),
        ({"mirrors": B}, {"mirrors": (B,)}),
        ({"mirror": B, "mirrors": [C]}, {"mirrors": (B, C)}),
        ({"mirrors": []}, {}),
        ({"md5": MD5}, {"checksums": (Checksum("md5", MD5),)}),
        ({"checksum": SHA256}, {"checksums": (Checksum("sha256", SHA256),)}),
        ({"checksum": f"sha-256={SHA256}"}, {"checksums": (Checksum("sha256", SHA256),)}),
        ({"checksums": {"sha-256": SHA256, "md5": None}}, {"checksums": (Checksum("sha256", SHA256),)}),
        ({"checksums": [f"md5:{MD5}", SHA256]}, {"checksums": (Checksum("md5", MD5), Checksum("sha256", SHA256))}),
        ({"checksums": [{"algorithm": "md5", "digest": MD5}]}, {"checksums": (Checksum("md5", MD5),)}),
        ({"headers": {"A": "b", "C": 1}}, {"headers": (("A", "b"), ("C", "1"))}),
        ({"headers": ["A: b"]}, {"headers": (("A", "b"),)}),
        ({"note": "ü", "n": 1.5, "b": True, "l": [1, "x"], "o": {"k": None}, "none": None},
         {"metadata": (("note", "ü"), ("n", "1.5"), ("b", "true"), ("l", '[1,"x"]'), ("o", '{"k":null}'))}),
    ],
)  # fmt: skip
def test_each_key_has_the_meaning_of_its_name(fields: dict[str, object], expected: dict[str, Any]) -> None:
    assert one({"url": A, **fields}) == Download(A, origin="list:1", **expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (A, Download(A, origin="list:1")),
        ({"Download URL": A}, Download(A, origin="list:1")),
        ({"urls": [A, B]}, Download(A, mirrors=(B,), origin="list:1")),
        ({"id": 1, "picture": A}, Download(A, metadata=(("id", "1"),), origin="list:1")),
        ({"url": "https://a.example/ü"}, Download("https://a.example/%C3%BC", origin="list:1")),
    ],
)
def test_an_entry_is_an_object_or_a_text(value: object, expected: Download) -> None:
    assert one(value) == expected


def test_keys_are_chosen_by_options() -> None:
    found = one({"url": A, "b": B, "c": "x", "l": [C]}, url_column="b", name_column="c", mirror_column="l", size_column="0")
    assert found == Download(B, out="x", mirrors=(C,), metadata=(("url", A),), origin="list:1")


def test_objects_may_have_different_keys_and_what_the_first_ones_mean_is_said_once() -> None:
    found, bad, said = read(f'{{"url":"{A}","x":1}}\n\n"{B}"\n{{"name":"n","link":"{C}"}}\n')
    assert [(item.url, item.out, item.origin) for item in found] == [(A, "", "list:1"), (B, "", "list:3"), (C, "n", "list:4")]
    assert bad == []
    assert said == ["list: JSON objects; url: key url, url: key link, name: key name; 1 other key goes into the report"]
    same = f'{{"url":"{A}","x":1}}\n'
    for count in (1, LOOKED_AT - 1, LOOKED_AT, LOOKED_AT + 1):
        _, _, said = read(same * count + f'{{"url":"{B}","y":1,"x":2}}\n')
        others = "2 other keys go" if count < LOOKED_AT else "1 other key goes"
        assert said == [f"list: JSON objects; url: key url; {others} into the report"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_read_in_any_unicode_encoding(encoding: str, end: str) -> None:
    found, bad, _ = read(f'{{"url":"{A}","n":"ü"}}{end}"{B}"{end}'.encode(encoding))
    assert [(item.url, item.metadata) for item in found] == [(A, (("n", "ü"),)), (B, ())]
    assert bad == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("nonsense", "not JSON"),
        ('{"url": "https://a.example/"', "not JSON"),
        ("17", "neither an object nor a text"),
        ("[]", "neither an object nor a text"),
        ("{}", "no key has a URL"),
        ('{"a": 1, "b": "x"}', "no key has a URL (the keys are a, b"),
        ('{"url": ""}', "no URL"),
        ('{"url": 5}', "not a URL"),
        ('"nonsense"', "not a URL"),
        ('{"url": "ftp://x/"}', "cannot fetch ftp"),
        (f'{{"url": "{A}", "out": "../x"}}', "leaves the folder"),
        (f'{{"url": "{A}", "out": "\\u0000"}}', "not UTF-8 text"),
        (f'{{"url": "{A}", "md5": "x"}}', "not a md5 checksum"),
        (f'{{"url": "{A}", "checksums": {{"md5": 5}}}}', "not a md5 checksum"),
        (f'{{"url": "{A}", "headers": {{"A b": "secret"}}}}', "not of the form"),
        (f'{{"url": "{A}", "headers": [5]}}', "are expected"),
        (f'{{"url": "{A}", "headers": {{"X": null}}}}', "are expected"),
        (f'{{"url": "{A}", "headers": {{"X": [1]}}}}', "are expected"),
        (f'{{"url": "{A}", "headers": "no header"}}', "not of the form"),
        (f'{{"url": "{A}", "mirrors": ["x"]}}', "not a URL"),
        (f'{{"url": "{A}", "x": "{"y" * 1_100_000}"}}', "too long"),
        (f'{{"url": "{A}", "x": "{"y" * 10_000_000}"}}', "too long"),
    ],
)
def test_a_wrong_line_is_reported_by_its_number_and_the_others_are_kept(line: str, what: str) -> None:
    found, bad, _ = read(f'{{"url":"{B}"}}\n{line}\n"{C}"\n')
    assert [item.url for item in found] == [B, C]
    (error,) = bad
    assert error.startswith("list:2: ")
    assert what in error
    assert "secret" not in error
    assert len(error) < 300


def test_bytes_that_are_not_utf_8_make_one_wrong_line() -> None:
    found, bad, _ = read(f'"{A}"\n{{"url":"{B}","n":"'.encode() + b"\xff" + f'"}}\n"{C}"'.encode())
    assert [item.url for item in found] == [A, C]
    assert bad == ["list:2: the line is not UTF-8 text"]


def test_a_wrong_size_is_an_error_if_the_first_object_has_a_good_one() -> None:
    found, bad, _ = read(f'{{"url":"{A}","size":1}}\n{{"url":"{B}","size":"x"}}\n')
    assert [item.url for item in found] == [A]
    assert bad[0].startswith("list:2: not a number of bytes")


@pytest.mark.parametrize("column", ["", "picture"])
def test_a_list_whose_first_object_has_no_url_is_one_error(column: str) -> None:
    with pytest.raises(UsageError) as caught:
        read('{"a": 1, "b": "x"}\n' * 30, url_column=column)
    assert caught.value.reason == ("--url-column: there is no column 'picture'" if column else "no key has a URL")
    assert caught.value.url == "list"
    assert "are a, b" in caught.value.hint


# --- other JSON


@pytest.mark.parametrize("content", [f'[{{"url":"{A}"}},"{B}",7]', f'\ufeff [\n {{"url":\n"{A}"}},\n"{B}", 7\n]\n'])
def test_a_short_array_is_read(content: str) -> None:
    found, bad, _ = read(content)
    assert [(item.url, item.origin) for item in found] == [(A, "list: element 1"), (B, "list: element 2")]
    assert bad == ["list: element 3: neither an object nor a text"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (f'{{\n  "url": "{A}"\n}}\n', "JSON on several lines"),
        (f'["{A}"', "malformed"),
        ("[", "malformed"),
        (f"[{' ' * (json_lines.MAX_ARRAY_CHARACTERS + 1)}]", "too long to be read as a whole"),
        ("[\n" + f'"{A}",\n' * 1_000_000, "too long to be read as a whole"),
    ],
)
def test_json_that_is_not_read_is_one_error(content: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        read(content)
    assert caught.value.url == "list"


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_list_has_no_downloads(content: str) -> None:
    assert read(content) == ([], [], [])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from([A, B, MD5, "x", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["url", "urls", "out", "dir", "mirrors", "checksums", "hash", "md5", "size", "headers", "priority", "x"])


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=5) | VALUES, max_size=4))
def test_any_values_are_downloads_or_errors_and_nothing_else_is_raised(values: list[object]) -> None:
    lines = [f'{{"url":"{A}"}}', *(msgspec.json.encode(value).decode() for value in values)]
    found, bad, _ = read("\n".join(lines))
    places = [item.origin for item in found] + [error.split(": ")[0] for error in bad]
    assert len(places) == len(lines)
    assert len(set(places)) == len(lines)
