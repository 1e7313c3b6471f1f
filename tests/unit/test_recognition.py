"""Which format a list has: by its name, by its content; and what is no list at all."""

import gzip
import lzma

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import UsageError
from downloader.settings.definitions import ListFormat
from downloader.sources.formats import FORMATS, format_of_name
from downloader.sources.recognition import check_format, recognise

A, B, MD5 = "https://a.example/1.jpg", "https://b.example/2", "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("list.csv", "csv"),
        ("some.folder/LIST.CSV", "csv"),
        ("list.csv.gz", "csv"),
        ("list.tsv.zst", "tsv"),
        ("list.tab", "tsv"),
        ("list.jsonl.xz", "jsonl"),
        ("list.ndjson", "jsonl"),
        ("list.parquet", "parquet"),
        ("list.meta4", "metalink"),
        ("list.metalink", "metalink"),
        ("index.html", "html"),
        ("list.txt", ""),
        ("list", ""),
        ("csv", ""),
        ("list.xml", ""),
        ("list.json", ""),
    ],
)
def test_the_name_of_a_file_says_its_format(name: str, expected: str) -> None:
    assert format_of_name(name) == expected


def test_each_format_of_the_setting_has_an_entry() -> None:
    assert {"auto", *FORMATS} == set(ListFormat.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "text"),
        ("\n\n# only comments\n", "text"),
        (f"{A}\n", "text"),
        (f"{A}", "text"),
        (f"{A}\n{B}\n", "text"),
        (f"# a list\n{A}\n", "text"),
        (f"{A}\t{B}\n", "text"),
        (f"{A}\t{B}\t\n  out=x\n", "text"),
        (f"{A}\n  out=x\n", "text"),
        (f"  out=x\n{A}\n", "text"),
        ("https://a.example/300,200/1.jpg\nhttps://a.example/301,200/2.jpg\n", "text"),
        ("https://a.example/a,b,c\n", "text"),
        ("https://a.example/w_1,h_2/x.jpg\nhttps://a.example/w_2,h_3/y.jpg\n", "text"),
        ("https://a.example/x.php,id,3\nhttps://a.example/x.php,id,4\n", "text"),
        ("https://a.example/x.jsp;session=1\nhttps://a.example/y.jsp;session=2\n", "text"),
        ("https://a.example/?q=1,2\nhttps://a.example/?q=2,3\n", "text"),
        (f"{A},x\n", "text"),  # one line alone tells nothing: it is a URL
        ("not a url\nneither\n", "text"),
        (f"url\n{A}\n", "csv"),
        (f"id,url\n1,{A}\n", "csv"),
        (f"id;Download-URL\n1;{A}\n", "csv"),
        (f"id|link\n1|{A}\n", "csv"),
        (f"id\tlink\n1\t{A}\n", "tsv"),
        (f"#id,url\n1,{A}\n", "csv"),
        (f"sep=;\nurl;x\n{A};1\n", "csv"),
        (f"picture,note\n{A},x\n", "csv"),
        (f"1,{A}\n", "csv"),
        (f"1\t{A}\n", "tsv"),
        (f"{A}\tx.jpg\n", "tsv"),
        (f"{A},{MD5}\n", "csv"),
        (f"{A},https://b.example/x\n", "csv"),
        (f"{A},a name\n", "csv"),
        (f"{A}, x\n", "csv"),
        (f'"{A}","x"\n', "csv"),
        ("https://a.example/1.jpg,one\nhttps://a.example/2.jpg,two\n", "csv"),
        ('{"url": "https://a.example/"}\n', "jsonl"),
        ('\n{"url": "https://a.example/"}', "jsonl"),
        ('"https://a.example/"\n', "jsonl"),
        ('[{"url": "https://a.example/"}]', "jsonl"),
        ('<?xml version="1.0"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">', "metalink"),
        ('<?xml version="1.0"?>\n<!-- x -->\n<urlset>', "sitemap"),
        ('\ufeff<?xml version="1.0"?><sitemapindex>', "sitemap"),
        ('<s:urlset xmlns:s="x">', "sitemap"),
        ("<!DOCTYPE HTML PUBLIC>\n<p>", "html"),
        ("<html><body>", "html"),
        ("<html>\n<head><title>Index of /</title>", "html"),
        ("<h1>Index</h1><pre><a href=x>", "html"),
        ('<?xml version="1.0"?><!DOCTYPE html><html xmlns="x">', "html"),
        ("PAR1\x15\x04", "parquet"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_content_says_the_format(content: str, expected: str, encoding: str) -> None:
    if not content.startswith("PAR1"):
        assert recognise(content.encode(encoding), True, "", "list") == expected
    assert recognise(content.encode(), True, "", "list") == expected


@pytest.mark.parametrize("content", ["{", "x\n", f"{A},x\n", f'"{A}"\n', f"url\n{A}\n"])
def test_the_name_decides_unless_the_content_can_be_nothing_else(content: str) -> None:
    assert recognise(content.encode(), True, "csv", "list.csv") == "csv"
    assert recognise(b"<urlset>", True, "csv", "list.csv") == "sitemap"
    assert recognise(b"PAR1\x00", True, "csv", "list.csv") == "parquet"


@pytest.mark.parametrize(
    "content", ["https://a.exam", "", "\n", "# a comment\n", "# a comm", "id,na", "id,name\n", '<?xml version="1.0"?>\n', "<"]
)
def test_more_is_asked_for_where_the_first_bytes_do_not_tell(content: str) -> None:
    assert recognise(content.encode(), False, "", "-") is None
    if not content.startswith("<"):
        assert recognise(content.encode(), True, "", "-") == "text"


@pytest.mark.parametrize(
    "content", [f"{A}\n", f"id,url\n1,{A}\n", f"id,url\n1,{A}", "url\n", "[", "{", "<html>", f"1,{A}\nhttp"]
)
def test_the_first_line_alone_tells_the_format(content: str) -> None:
    assert recognise(content.encode(), False, "", "-") is not None


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04\x14\x00", "a ZIP archive, or a workbook of Excel"),
        (b"BZh91AY", "bzip2"),
        (b"%PDF-1.7", "PDF"),
        (b"SQLite format 3\0", "SQLite"),
        (gzip.compress(b"x", mtime=0), "compressed twice"),
        (lzma.compress(b"x"), "compressed twice"),
        (zstandard.compress(b"x"), "compressed twice"),
        (b"\x00\x01\x02\x03" * 100, "binary data"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary data"),
        (bytes(range(256)), "binary data"),
        ("адрес;https://a.example/\n".encode("cp1251"), "text that is not UTF-8"),
        (b'<?xml version="1.0"?><rss>', "<rss>"),
        (b"<!-- nothing -->", "XML without an element"),
    ],
)
@pytest.mark.parametrize("by_name", ["", "csv"])
def test_what_is_no_list_is_one_error_that_names_it(content: bytes, what: str, by_name: str) -> None:
    with pytest.raises(UsageError, match="this seems to be") as caught:
        recognise(content, True, by_name, "the list")
    assert what in caught.value.reason
    assert caught.value.url == "the list"


@pytest.mark.parametrize("content", [f"{A}\n", f"# comment\n{A}\nhttps://a.example/x,y\n", f"{A}\t{B}\n  out=x\n"])
@pytest.mark.parametrize("by_name", ["csv", "tsv"])
def test_a_text_list_under_the_name_of_a_table_is_one(content: str, by_name: str) -> None:
    assert recognise(content.encode(), True, by_name, "list") == "text"


@pytest.mark.parametrize("by_name", ["csv", "tsv", "jsonl"])
def test_a_web_page_under_the_name_of_a_table_is_an_error(by_name: str) -> None:
    with pytest.raises(UsageError, match=f"a web page, not {by_name}") as caught:
        recognise(b"<html><body>Log in</body></html>", True, by_name, "list")
    assert caught.value.hint == "--format html reads its links"
    assert recognise(b"<html>", True, "html", "list") == "html"


@pytest.mark.parametrize("wanted", ["text", "csv", "tsv", "jsonl"])
@pytest.mark.parametrize(
    "content", [b"<html>", b'\xef\xbb\xbf <?xml version="1.0"?>', b"PAR1\x15", b"PK\x03\x04", bytes(range(256))]
)
def test_a_list_that_is_obviously_not_what_the_user_says_is_an_error(wanted: ListFormat, content: bytes) -> None:
    with pytest.raises(UsageError, match="this seems to be") as caught:
        check_format(content, wanted, "the list")
    assert caught.value.url == "the list"
    check_format(b"", wanted, "the list")
    check_format(f"{A}\n".encode(), wanted, "the list")
    check_format(content, "html", "the list")


def test_many_lines_without_a_url_are_one_error() -> None:
    assert recognise(b"some: words\n" * 20, True, "", "list") == "text"  # each line is reported
    with pytest.raises(UsageError, match="there is no URL in it"):
        recognise(b"some: words\n" * 21, True, "", "list")


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode), st.booleans())
def test_any_bytes_have_a_format_or_are_no_list(content: bytes, is_end: bool) -> None:
    try:
        found = recognise(content, is_end, "", "list")
    except UsageError:
        return
    assert found in FORMATS or (found is None and not is_end)


PATHS = st.text("abc123-_.~%&=/?+:@!$'()*", max_size=12)
URLS = st.builds("https://{}.example/{}".format, st.sampled_from("abc"), PATHS)
ENTRIES = st.builds(
    lambda urls, options: "\t".join(urls) + "".join(f"\n  {option}" for option in options),
    st.lists(URLS, min_size=1, max_size=3),
    st.lists(st.sampled_from(["out=x", "dir=a,b", f"checksum=md5={MD5}", "header=Accept: a, b", "# a, b, c"]), max_size=2),
)


@given(
    st.lists(ENTRIES, min_size=1, max_size=30), st.sampled_from(["\n", "\r\n", "\n\n# comment, with a comma\n"]), st.booleans()
)
def test_a_text_list_is_one_whatever_its_urls_and_options_are(entries: list[str], separator: str, is_end: bool) -> None:
    content = separator.join(entries) + "\n"
    for by_name in ("", "csv", "tsv"):
        assert recognise(content.encode(), is_end, by_name, "list") == "text"
