"""HTML pages as lists: which links are files, how they are resolved, and what is said where none matches."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.sources import html_index
from downloader.sources.formats import ListOptions

PAGE = "https://a.example/data/2024/"

APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /data/2024</title></head><body><h1>Index of /data/2024</h1>
<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/data/">Parent Directory</a></td></tr>
<tr><td><a href="sub/">sub/</a></td></tr>
<tr><td><a href="a%20b.nc">a b.nc</a></td><td align="right">2024-05-01 10:00</td></tr>
<tr><td><a href="c.nc">c.nc</a></td></tr>
<tr><td><a href="c.nc.md5">c.nc.md5</a></td></tr>
</table></body></html>"""

NGINX = """<html>
<head><title>Index of /data/2024/</title></head>
<body><h1>Index of /data/2024/</h1><hr><pre><a href="../">../</a>
<a href="sub/">sub/</a>                  01-May-2024 10:00   -
<a href="a%20b.nc">a b.nc</a>            01-May-2024 10:00   12
<a href="c.nc">c.nc</a>                  01-May-2024 10:00   12
<a href="c.nc.md5">c.nc.md5</a>          01-May-2024 10:00   12
</pre><hr></body></html>"""

BUCKET = """<html><body><ul>
<li><a href="https://a.example/data/2024/a%20b.nc">a b.nc</a><li><a href='/data/2024/c.nc'>c.nc</a>
<li><a href=//a.example/data/2024/c.nc.md5>c.nc.md5</a></ul>"""


def read(page: str | bytes, *links: str, url: str = PAGE) -> tuple[list[str], list[str]]:
    """The URLs of a page, and the errors of its links."""
    bad: list[UsageError] = []
    content = page.encode() if isinstance(page, str) else page
    found = list(html_index.read(io.BytesIO(content), "page", ListOptions(links=links, base_url=url), bad.append))
    return [download.url for download in found], [str(error) for error in bad]


@pytest.mark.parametrize("page", [APACHE, NGINX, BUCKET], ids=["apache", "nginx", "bucket"])
@pytest.mark.parametrize(
    ("links", "names"),
    [
        ((), ["a%20b.nc", "c.nc", "c.nc.md5"]),
        (("*.nc",), ["a%20b.nc", "c.nc"]),
        (("a b.*", "*.md5"), ["a%20b.nc", "c.nc.md5"]),
        (("[c-z].nc",), ["c.nc"]),
    ],
)
def test_files_of_an_index(page: str, links: tuple[str, ...], names: list[str]) -> None:
    assert read(page, *links) == ([PAGE + name for name in names], [])


@pytest.mark.parametrize(
    ("markup", "urls"),
    [
        ('<a href="a.nc">', [PAGE + "a.nc"]),
        ("<A HREF = a.nc class=x>", [PAGE + "a.nc"]),
        ('<a href="\n a.\nnc ">', [PAGE + "a.nc"]),
        ('<a href="../a.nc?x=1&amp;y=/2#part">', ["https://a.example/data/a.nc?x=1&y=/2"]),
        ('<a href="//b.example/a.nc">', ["https://b.example/a.nc"]),
        ('<a href="HTTP://b.example/a.nc">', ["http://b.example/a.nc"]),
        ('<area href="a.nc"><link href="b.nc"><img src="c.nc"><script src="d.nc"></script>', [PAGE + "a.nc"]),
        ('<a href="a.nc"><a href="./a.nc#x"><a href="https://a.example/data/2024/a.nc">', [PAGE + "a.nc"]),
        (
            '<base href="/x/"><a href="a.nc"><base href="/y/"><a href="b.nc">',
            ["https://a.example/x/a.nc", "https://a.example/x/b.nc"],
        ),
        ('<base href="https://b.example/"><a href="a.nc">', ["https://b.example/a.nc"]),
        ("<a href='gr\u00fcn.nc'>", [PAGE + "gr%C3%BCn.nc"]),
        ("<!-- <a href='b.nc'> --><script>'<a href=\"c.nc\">'</script><a href='a.nc'>", [PAGE + "a.nc"]),
        ("<a name='x'><a href><a href='a.nc'", ""),
    ],
)
def test_links_of_a_page(markup: str, urls: list[str]) -> None:
    if urls:
        assert read(markup) == (urls, [])
    else:
        assert read(markup) == ([], ["page: the page has no link to a file"])


@pytest.mark.parametrize(
    "target",
    ["mailto:x@a.nc", "javascript:go('a.nc')", "ftp://a.example/a.nc", "data:,a.nc", "#a.nc", "", "?a.nc", "sub/", ".."],
)
def test_links_that_are_no_files(target: str) -> None:
    assert read(f'<a href="{target}"><a href="b.nc">') == ([PAGE + "b.nc"], [])


def test_the_page_itself_is_no_file() -> None:
    page = PAGE + "index.html"
    assert read('<a href="index.html#top"><a href=""><a href="b.html">', url=page) == ([PAGE + "b.html"], [])


def test_origin_is_the_line() -> None:
    (download,) = html_index.read(io.BytesIO(b"<p>\n\n<a href=x>"), "page", ListOptions(base_url=PAGE), pytest.fail)
    assert download == Download(PAGE + "x", origin="page:3")


def test_credentials_go_with_relative_links_alone() -> None:
    page = "https://user:secret@a.example/data/"
    urls, _ = read('<a href="1"><a href="https://b.example/2"><a href="https://a.example/3">', url=page)
    assert urls == ["https://user:secret@a.example/data/1", "https://b.example/2", "https://a.example/3"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<meta charset='iso-8859-1'><a href='gr\xfcn'>", "gr%C3%BCn"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1252"><a href="\x80">', "%E2%82%AC"),
        (b"\xef\xbb\xbf<a href='gr\xc3\xbcn'>", "gr%C3%BCn"),
        ("<a href='gr\u00fcn'>".encode("utf-16"), "gr%C3%BCn"),
        (b"<meta charset='no-such'><a href='gr\xc3\xbcn'>", "gr%C3%BCn"),
        (b"<meta charset='base64'><a href='gr\xc3\xbcn'>", "gr%C3%BCn"),
        (b"<meta charset='utf-16'><a href='gr\xc3\xbcn'>", "gr%C3%BCn"),
    ],
)
def test_encodings(content: bytes, name: str) -> None:
    assert read(content) == ([PAGE + name], [])


# --- what is wrong


@pytest.mark.parametrize(
    ("page", "links", "said"),
    [
        ("", (), "page: the page has no link to a file"),
        ('<a href="sub/">', ("*",), "page: the page has no link to a file"),
        (NGINX, ("*.NC",), "page: none of the 3 links matches *.NC: a b.nc, c.nc, c.nc.md5"),
        ('<a href="x">', ("*.a", "*.b"), "page: the only link does not match *.a or *.b: x"),
        ("".join(f'<a href="{n}">' for n in range(9)), ("*.a",), "page: none of the 9 links matches *.a: 0, 1, 2, 3, 4, …"),
    ],
)
def test_no_match_is_one_error_that_shows_names(page: str, links: tuple[str, ...], said: str) -> None:
    urls, bad = read(page, *links)
    assert (urls, len(bad)) == ([], 1)
    assert bad[0].startswith(said)


def test_a_malformed_link_that_matches_is_an_error_with_its_line() -> None:
    urls, bad = read('<a href="a.nc">\n<a href="http://[x/b.nc">\n<a href="http://[x/b.txt"><a href="http://h:0/c.nc">', "*.nc")
    assert urls == [PAGE + "a.nc"]
    assert [error.partition(" (")[0] for error in bad] == [
        "page:2: a link that is not a URL: http://[x/b.nc",
        "page:3: a link that is not a URL: http://h:0/c.nc",
    ]


def test_only_malformed_links_are_no_second_error() -> None:
    assert len(read('<a href="http://[x/b.nc"><a href="c.txt">', "*.nc")[1]) == 1


def test_a_local_page_needs_to_say_what_its_links_are_relative_to() -> None:
    assert read('<a href="https://b.example/1"><a href="sub/">', url="") == (["https://b.example/1"], [])
    assert read('<base href="https://b.example/x/"><a href="1">', url="") == (["https://b.example/x/1"], [])
    urls, bad = read('<a href="#x"><a href="..">\n<a href="1"><a href="2"><a href="https://b.example/1">', url="")
    assert (urls, len(bad)) == (["https://b.example/1"], 1)
    assert bad[0].startswith("page:2: 2 relative links, such as 1, in a page without a URL (give the URL of the page")


def test_a_tag_that_does_not_end_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"page:1: a tag, comment or script does not end"):
        read('<a href="' + "x" * (2 * html_index.MAX_UNREAD_CHARACTERS))


class Live(io.RawIOBase):
    """A page that is never complete."""

    def read(self, size: int = -1) -> bytes:
        return b"<a href='1'>" * (size // 12 + 1)


def test_links_come_while_the_page_is_read() -> None:
    source = html_index.read(Live(), "page", ListOptions(base_url=PAGE), pytest.fail)  # type: ignore[arg-type]
    assert next(source).url == PAGE + "1"


@given(st.text(alphabet="<>a/'\" =hrefscriptbase!-&;#%?:.\n", max_size=200))
def test_no_page_breaks_the_reader(page: str) -> None:
    try:
        urls, _ = read(page)
    except UsageError:
        return
    assert all(url.startswith(("http://", "https://")) and "#" not in url and not url.endswith("/") for url in urls)
