"""Sitemaps: what each URL of one becomes, and which documents are refused."""

import gzip
import io

import pytest

from downloader.core.model import Download
from downloader.errors import HTTPStatusError, UsageError
from downloader.sources import sitemap
from downloader.sources.formats import DEFAULT_OPTIONS, FetchedList, ListOptions

A, B = "https://a.example/1", "https://a.example/2"
NAMESPACES = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'


def urlset(*urls: str) -> str:
    return f'<?xml version="1.0"?>\n<urlset {NAMESPACES}>\n' + "\n".join(f"<url>{url}</url>" for url in urls) + "\n</urlset>"


def index(*urls: str) -> str:
    entries = "\n".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex {NAMESPACES}>\n{entries}\n</sitemapindex>"


def read(document: str, options: ListOptions = DEFAULT_OPTIONS) -> tuple[list[Download], list[str]]:
    """The Downloads of a sitemap, and the errors of its entries."""
    bad: list[UsageError] = []
    found = list(sitemap.read(io.BytesIO(document.encode()), "s.xml", options, bad.append))
    return found, [str(error) for error in bad]


def test_urls_with_all_that_a_sitemap_says_of_them() -> None:
    image = "<image:image><image:loc>https://a.example/{}.jpg</image:loc></image:image>"
    dated = f"<loc>{A}</loc><lastmod>2024-05-01</lastmod><changefreq>daily</changefreq><priority>0.8</priority>"
    found, bad = read(urlset(dated + image.format("x") + image.format("y"), f"<loc>\n  {B}\n</loc>"))
    assert bad == []
    metadata = {
        "lastmod": "2024-05-01",
        "changefreq": "daily",
        "priority": "0.8",
        "image": "https://a.example/x.jpg https://a.example/y.jpg",
    }
    assert found == [
        Download(A, metadata=tuple(metadata.items()), priority=300, origin="s.xml:3"),
        Download(B, origin="s.xml:4"),
    ]


@pytest.mark.parametrize(
    ("text", "priority"),
    [("0.5", 0), ("1.0", 500), ("0", -500), ("0.55", 50), ("7", 500), ("-1", -500), ("high", 0), ("nan", 0), ("", 0)],
)
def test_the_priority_of_a_url(text: str, priority: int) -> None:
    ((download,), _) = read(urlset(f"<loc>{A}</loc><priority>{text}</priority>"))
    assert download.priority == priority


def test_entities_of_xml_in_a_url() -> None:
    assert read(urlset("<loc>https://a.example/?a=1&amp;b=2</loc>"))[0][0].url == "https://a.example/?a=1&b=2"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "s.xml:4: url 2: not a URL"),
        ("<loc>/relative</loc>", "s.xml:4: url 2: not a URL: /relative"),
        ("<loc>ftp://a.example/1</loc>", "s.xml:4: url 2: cannot fetch ftp: URLs"),
        ("<image:loc>https://a.example/1</image:loc>", "s.xml:4: url 2: not a URL"),
    ],
)
def test_a_wrong_entry_is_one_error_with_its_line_and_number(url: str, said: str) -> None:
    found, bad = read(urlset(f"<loc>{A}</loc>", url, f"<loc>{B}</loc>"))
    assert [download.url for download in found] == [A, B]
    assert len(bad) == 1
    assert bad[0].startswith(said)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("<feed/>", "s.xml:1: the root element is <feed>, not <urlset> or <sitemapindex>"),
        (urlset(f"<loc>{A}</loc>")[:-20], "the document is truncated"),
        ("<urlset><url></urlset>", "s.xml:1: not well-formed XML: mismatched tag"),
        ('<!DOCTYPE urlset [<!ENTITY a "x">]><urlset/>', "s.xml:1: the document declares an entity"),
    ],
)
def test_a_wrong_document_is_one_error_with_its_line(document: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(document)
    assert said in str(caught.value)


# --- a sitemap index


def test_an_index_where_nothing_can_be_fetched() -> None:
    with pytest.raises(UsageError) as caught:
        read(index("https://a.example/s1.xml"))
    assert str(caught.value) == (
        "s.xml:2: a sitemap index: its sitemaps would have to be fetched (give the URLs of its sitemaps)"
    )


def test_the_sitemaps_of_an_index_are_read_in_order() -> None:
    sitemaps = {
        "https://a.example/s1.xml": urlset(f"<loc>{A}</loc>").encode(),
        "https://a.example/s2.xml.gz": gzip.compress(urlset(f"<loc>{B}</loc>", "<loc>nonsense</loc>").encode()),
    }

    def open_url(url: str) -> FetchedList:
        if url not in sitemaps:
            raise HTTPStatusError(404, url)
        return FetchedList(io.BytesIO(sitemaps[url]), url)

    urls = [*sitemaps, "https://a.example/missing.xml"]
    found, bad = read(index(*urls), ListOptions(open_url=open_url))
    assert [(download.url, download.origin) for download in found] == [
        (A, "https://a.example/s1.xml:3"),
        (B, "https://a.example/s2.xml.gz:3"),
    ]
    assert [error.partition(": not a URL")[0] for error in bad] == [
        "https://a.example/s2.xml.gz:4: url 2",
        "s.xml:4: a sitemap cannot be read: HTTP 404 Not Found: https://a.example/missing.xml",
    ]


def test_an_index_in_an_index_is_not_read() -> None:
    options = ListOptions(open_url=lambda url: FetchedList(io.BytesIO(index("https://a.example/s.xml").encode()), url))
    with pytest.raises(UsageError, match=r"^https://a\.example/i\.xml:2: a sitemap index in a sitemap index \(give its URL"):
        read(index("https://a.example/i.xml"), options)
