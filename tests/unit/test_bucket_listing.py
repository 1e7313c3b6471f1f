"""Listings of buckets: which keys are files, how a long listing goes on, and which listings are refused."""

import gzip
import io
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest

from downloader.core.model import Download
from downloader.errors import HTTPStatusError, UsageError
from downloader.sources import html_index
from downloader.sources.formats import FetchedList, ListOptions
from downloader.sources.recognition import recognise

BUCKET = "https://bucket.example"
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def contents(key: str, size: str = "3") -> str:
    more = f"<LastModified>2024</LastModified><ETag>&quot;ab&quot;</ETag><Size>{size}</Size>"
    return f"<Contents><Key>{key}</Key>{more}</Contents>\n"


def listing(*entries: str, more: str = "") -> bytes:
    inner = f"<Name>bucket</Name><IsTruncated>{'true' if more else 'false'}</IsTruncated>{''.join(entries)}{more}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult {NAMESPACE}>{inner}</ListBucketResult>'.encode()


def read(
    content: bytes, *links: str, url: str = f"{BUCKET}/", open_url: Callable[[str], FetchedList] | None = None
) -> tuple[list[Download], list[str]]:
    bad: list[UsageError] = []
    options = ListOptions(links=links, base_url=url, open_url=open_url)
    stream = io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]
    found = list(html_index.read(stream, "listing", options, bad.append))
    return found, [str(error) for error in bad]


def urls(downloads: list[Download]) -> list[str]:
    return [download.url for download in downloads]


def test_a_listing_is_recognised() -> None:
    assert recognise(listing(), is_end=True, by_name="", name="x") == "html"


def test_keys_that_match_with_their_sizes() -> None:
    content = listing(contents("2024/"), contents("2024/a b+c.nc", "17"), contents("2024/x.txt"), contents("d.nc", "many"))
    metadata = (("last_modified", "2024"), ("etag", "ab"))
    assert read(content, "*.nc") == (
        [
            Download(f"{BUCKET}/2024/a%20b%2Bc.nc", size=17, origin="listing:3", metadata=metadata),
            Download(f"{BUCKET}/d.nc", origin="listing:5", metadata=metadata),
        ],
        [],
    )


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        (f"{BUCKET}/?list-type=2&prefix=a/", "a/1", f"{BUCKET}/a/1"),
        ("https://s3.example/bucket?prefix=a/", "a/1", "https://s3.example/bucket/a/1"),
        (f"{BUCKET}/?encoding-type=url", "gr%C3%BCn+1%2B2", f"{BUCKET}/gr%C3%BCn%201%2B2"),
        (f"{BUCKET}/", "100%25", f"{BUCKET}/100%2525"),
        (f"{BUCKET}/", "gr\u00fcn?#", f"{BUCKET}/gr%C3%BCn%3F%23"),
    ],
)
def test_the_url_of_a_key(url: str, key: str, expected: str) -> None:
    assert urls(read(listing(contents(key)), url=url)[0]) == [expected]


def test_no_match_is_one_error_that_shows_names() -> None:
    assert read(listing(contents("a/x"), contents("y")), "*.nc")[1] == [
        "listing: none of the 2 links matches *.nc: x, y"
        " (patterns match the last part of a link, and distinguish capital letters)"
    ]
    assert read(listing())[1] == ["listing: the page has no link to a file"]


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ("<NextContinuationToken>1+/=</NextContinuationToken>", {"list-type": "2", "continuation-token": "1+/="}),
        ("<NextMarker>m</NextMarker>", {"list-type": "2", "marker": "m"}),
        ("<Nothing/>", {"list-type": "2", "marker": "a"}),
    ],
)
def test_a_long_listing_goes_on(more: str, asked: dict[str, str]) -> None:
    queries = []

    def open_url(url: str) -> FetchedList:
        queries.append(dict(parse_qsl(urlsplit(url).query)))
        return FetchedList(io.BytesIO(gzip.compress(listing(contents("b")))), url)

    found, bad = read(listing(contents("a"), more=more), url=f"{BUCKET}/?list-type=2", open_url=open_url)
    assert (urls(found), bad) == ([f"{BUCKET}/a", f"{BUCKET}/b"], [])
    assert queries == [asked]


def test_a_listing_that_begins_anew_is_an_error() -> None:
    page = listing(contents("a"), more="<NextMarker>a</NextMarker>")
    with pytest.raises(UsageError, match="listing: the listing of the bucket begins anew"):
        read(page, open_url=lambda url: FetchedList(io.BytesIO(page), url))


def test_a_next_part_that_cannot_be_fetched_is_an_error() -> None:
    def refuse(url: str) -> FetchedList:
        raise HTTPStatusError(503, url)

    page = listing(contents("a"), more="<NextMarker>a</NextMarker>")
    with pytest.raises(UsageError, match="listing: the next part of the listing cannot be fetched: HTTP 503"):
        read(page, open_url=refuse)
    with pytest.raises(UsageError, match="the next part cannot be fetched here"):
        read(page)


@pytest.mark.parametrize(
    ("content", "url", "said"),
    [
        (listing(contents("a")), "", "listing: the listing of a bucket: its keys are relative to a URL that is not known"),
        (listing(contents("a"))[:-20], BUCKET, "listing:2: the document is truncated"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><ListBucketResult/>", BUCKET, "listing:1: the document declares an entity"),
    ],
)
def test_a_listing_that_is_refused(content: bytes, url: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(content, url=url)
    assert str(caught.value).startswith(said)
