"""A caller's Downloads are checked before anything starts, field by field, and what is wrong is told in the user's words."""

import re
from pathlib import Path
from typing import Any

import pytest

from downloader import Checksum, Download, UsageError
from downloader.core.names.urls import public_url
from downloader.sources.lists import from_values

URL = "http://127.0.0.1:9/a.csv"
DIGEST = "0" * 64


def one(**fields: Any) -> Download:
    """A Download with these fields, as a run would take it."""
    (found,) = from_values([Download(**{"url": URL, **fields})])
    return found


def test_headers_may_be_a_dict_pairs_or_lists() -> None:
    expected = (("Accept", "text/csv"), ("X-Key", "a: b"))
    assert one(headers={"Accept": "text/csv", "X-Key": " a: b"}).headers == expected
    assert one(headers=[["Accept", "text/csv"], ("X-Key", "a: b")]).headers == expected
    assert one(headers=expected).headers == expected
    assert one(headers={}).headers == ()


def test_lists_are_taken_for_tuples_and_paths_for_texts() -> None:
    found = one(mirrors=["http://127.0.0.2/ä"], checksums=[Checksum("SHA-256", "A" * 64)], out=Path("sub") / "a", size=0)
    assert found.mirrors == ("http://127.0.0.2/%C3%A4",)
    assert found.checksums == (Checksum("sha256", "a" * 64),)
    assert (found.out, found.size) == ("sub/a", 0)
    assert one(checksums=(Checksum("sha3_256", "A" * 64),)).checksums == (Checksum("sha3_256", "a" * 64),)


def test_metadata_may_be_a_dict_pairs_or_lists() -> None:
    expected = (("caption", "a cat"), ("n", ""))
    assert one(metadata={"caption": "a cat", "n": ""}).metadata == expected
    assert one(metadata=[["caption", "a cat"], ("n", "")]).metadata == expected
    assert one(metadata=expected).metadata == expected
    assert one(metadata={}).metadata == ()
    assert one(index=3).index == 3


def test_download_that_is_good_is_taken_as_it_is() -> None:
    download = Download(URL, out="a", size=3, priority=-1)
    assert next(from_values([download])) is download


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"out": 5}, "out: expected text, got the number 5"),
        ({"dir": None}, "dir: expected text, got None"),
        ({"mirrors": "http://a/"}, "mirrors: expected a list of URLs, got a text (put the URL into brackets: [URL])"),
        ({"mirrors": ("http://a/", 3)}, "mirrors: expected URLs, got the number 3"),
        ({"mirrors": {"http://a/"}}, "mirrors: expected a list of URLs, got a set"),
        ({"mirrors": ("ftp://a/",)}, "cannot fetch ftp: URLs"),
        ({"checksums": ("sha256:ab",)}, "checksums: expected Checksums, got the text 'sha256:ab'"),
        ({"checksums": Checksum("sha256", DIGEST)}, "checksums: expected a list of Checksums, got a Checksum"),
        ({"checksums": (Checksum("sha257", DIGEST),)}, "checksums: unknown kind of checksum: 'sha257'"),
        ({"checksums": (Checksum("sha256", "abc"),)}, "checksums: not a sha256 checksum: 'abc'"),
        ({"checksums": (Checksum("shake_128", "abc"),)}, "checksums: unknown kind of checksum: 'shake_128'"),
        ({"checksums": (Checksum("sha256", b"abc"),)}, "checksums: the algorithm and the digest of a Checksum are texts"),  # type: ignore[arg-type]
        ({"size": "10"}, "size: expected a number of bytes, or None, got the text '10'"),
        ({"size": -1}, "size: expected a number of bytes, got -1"),
        ({"size": 1.5}, "size: expected a number of bytes, or None, got the number 1.5"),
        ({"priority": "x"}, "priority: expected a whole number, got the text 'x'"),
        ({"priority": True}, "priority: expected a whole number, got True"),
        ({"metadata": None}, "metadata: expected a dict, or pairs of texts, got None"),
        ({"metadata": "ab"}, "metadata: expected a dict, or pairs of texts, got the text 'ab'"),
        ({"metadata": {"n": 5}}, "metadata: expected a dict of texts, or pairs of texts"),
        ({"metadata": [("a", "b", "c")]}, "metadata: expected a dict of texts, or pairs of texts"),
        ({"metadata": {"a": "\udcff"}}, "metadata: the name or the value of a pair is no text"),
        ({"headers": None}, "headers: expected a dict, or pairs of name and value, got NoneType"),
        ({"headers": ("Accept", "x")}, "headers: expected a dict, or pairs of name and value"),
        ({"headers": {"Accept": 3}}, "headers: expected pairs of texts, got str and int"),
        ({"metadata": "id"}, "metadata: expected a dict, or pairs of texts, got the text 'id'"),
        ({"metadata": {"id": 3}}, "metadata: expected a dict of texts, or pairs of texts"),
        ({"metadata": ["id"]}, "metadata: expected a dict of texts, or pairs of texts"),
        ({"index": "x"}, "index: expected a position in the list, from 1, got the text 'x'"),
        ({"index": -1}, "index: expected a position in the list, from 1, got -1"),
    ],
)
def test_field_of_a_wrong_type_is_reported_by_its_name(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        one(**fields)


@pytest.mark.parametrize(
    "headers", [{"A": "secret\r\nB: c"}, {"A secret": "x"}, {"secret:": "x"}, {"": "secret"}, {"A": "sécret"}]
)
def test_header_that_cannot_be_is_refused_and_not_shown(headers: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{URL}: headers: ")) as caught:
        one(headers=headers)
    assert "cret" not in str(caught.value)


def test_error_names_the_url_without_its_password() -> None:
    url = "http://user:password@127.0.0.1:9/a.csv"
    with pytest.raises(UsageError) as caught:
        one(url=url, size="10")
    assert caught.value.url == public_url(url)
    assert "password" not in str(caught.value)
    with pytest.raises(UsageError, match="the url of a Download: expected text, got a bytes"):
        one(url=b"http://a/")
