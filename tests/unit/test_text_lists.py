"""Text lists: what each line means, which lines are wrong and why, and the way back to text."""

import codecs
import contextlib
import hashlib
import io
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.urls import clean_url
from downloader.errors import UsageError
from downloader.sources import lists, text
from downloader.sources.background import BackgroundSource
from downloader.sources.formats import ListOptions
from downloader.sources.lists import ListReader, from_values
from downloader.sources.text import (
    MAX_LINE_CHARACTERS,
    count_url_lines,
    format_download,
    lines_of,
    parse,
    read_file,
)

A, B, C = "https://a.example/1", "https://b.example/2", "https://c.example/3"
MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4


def read(content: str, name: str = "list") -> tuple[list[Download], list[UsageError]]:
    """The Downloads of a list with this content, and its wrong lines."""
    bad: list[UsageError] = []
    return list(parse(lines_of(io.StringIO(content, newline=None)), name, bad.append)), bad


def one(content: str) -> Download:
    """The only Download of a list in which all is well."""
    (found,), bad = read(content)
    assert bad == []
    return found


# --- good lists


@pytest.mark.parametrize(
    ("content", "urls"),
    [
        ("", []),
        ("\n\n  \n\t\n", []),
        ("# a comment\n   # another\n", []),
        (A, [A]),
        (f"{A}\n", [A]),
        (f"{A}\n{B}", [A, B]),
        (f"{A}\r\n{B}\r\n", [A, B]),
        (f"{A}\r{B}\r", [A, B]),
        (f"\ufeff{A}\n{B}\n", [A, B]),
        (f"\ufeff# a comment\n{A}\n", [A]),
        (f"  {A}  \n\t{B}\t\n", [A, B]),
        (f"{A}\n\n# between\n\n{B}\n", [A, B]),
        (f"{A}\n{A}\n", [A, A]),
        ("https://example.org/a#part\n", ["https://example.org/a"]),
        ("HTTPS://EXAMPLE.ORG\n", ["https://example.org/"]),
        ("https://example.org/ü\n", ["https://example.org/%C3%BC"]),
        (f"{A}#not-a-comment\n", [A]),
    ],
)
def test_a_plain_list_is_a_url_a_line(content: str, urls: list[str]) -> None:
    found, bad = read(content)
    assert [download.url for download in found] == urls
    assert bad == []
    assert all(download == Download(download.url, origin=download.origin) for download in found)


def test_each_download_knows_the_line_that_its_url_is_on() -> None:
    found, _ = read(f"# comment\n{A}\n  out=x\n\n  {B}\n{C}\tmirror", "dir/list.txt")
    assert [download.origin for download in found] == ["dir/list.txt:2", "dir/list.txt:5"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("  out=name.bin", {"out": "name.bin"}),
        ("\tout = name.bin ".replace(" = ", "="), {"out": "name.bin"}),
        ("  out=a = b.bin", {"out": "a = b.bin"}),
        ("  dir=some/folder\n  out=x", {"dir": "some/folder", "out": "x"}),
        (" out=x\n\n # why\n dir=y", {"dir": "y", "out": "x"}),
        (f"  checksum=sha-256={SHA256}", {"checksums": (Checksum("sha256", SHA256),)}),
        (f"  checksum=SHA256={SHA256.upper()}", {"checksums": (Checksum("sha256", SHA256),)}),
        (
            f"  checksum=md5={MD5}\n  checksum=sha-256={SHA256}",
            {"checksums": (Checksum("md5", MD5), Checksum("sha256", SHA256))},
        ),
        ("  header=X-One: 1\n  header=X-Two:2", {"headers": (("X-One", "1"), ("X-Two", "2"))}),
        ("  header=Authorization: Basic a=b:c", {"headers": (("Authorization", "Basic a=b:c"),)}),
        ("  referer=https://r.example/", {"headers": (("Referer", "https://r.example/"),)}),
        ("  user-agent=me/1.0", {"headers": (("User-Agent", "me/1.0"),)}),
        ("  split=5\n  max-connection-per-server=5\n  unknown-option=x", {}),
        ("  out=x\n  out=y", {"out": "y"}),
        ("  out=", {}),
    ],
)
def test_options_below_a_url_are_those_of_aria2(options: str, expected: dict[str, object]) -> None:
    assert one(f"{A}\n{options}\n") == Download(A, origin="list:1", **expected)  # type: ignore[arg-type]


def test_further_urls_on_a_line_are_mirrors() -> None:
    assert one(f"{A}\t{B}\t\t {C} \n  out=x") == Download(A, out="x", mirrors=(B, C), origin="list:1")


def test_options_belong_to_the_url_above_them_only() -> None:
    found, bad = read(f"{A}\n  out=a\n{B}\n{C}\n  out=c\n")
    assert [(download.url, download.out) for download in found] == [(A, "a"), (B, ""), (C, "c")]
    assert bad == []


# --- wrong lines


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (f"{A}\nnot a url\n{B}\n", 2, "not a URL"),
        (f"{A}\nftp://example.org/x\n{B}\n", 2, "cannot fetch ftp"),
        (f"{A}\nhttps://\n{B}\n", 2, "no host"),
        (f"{A}\nfile:///etc/passwd\n{B}\n", 2, "cannot fetch file"),
        (f"{A}\n{C}\tmirror.example/x\n{B}\n", 2, "not a URL"),
        (f"{A}\nout=x\n{B}\n", 2, "not a URL"),
        (f"{A}\n\0\n{B}\n", 2, "not UTF-8"),
        (f"{A}\nhttps://c.example/\udcff\n{B}\n", 2, "not UTF-8"),
        (f"{A}\nhttps://c.example/{'x' * MAX_LINE_CHARACTERS}\n{B}\n", 2, "too long"),
        (f"{A}\nhttps://c.example/{'x' * 5 * MAX_LINE_CHARACTERS}\n{B}\n", 2, "too long"),
        (f"{A}\n{C}\n  out=../x\n{B}\n", 3, "leaves the folder"),
        (f"{A}\n{C}\n  out=/x\n{B}\n", 3, "absolute"),
        (f"{A}\n{C}\n  dir=..\n{B}\n", 3, "leaves the folder"),
        (f"{A}\n{C}\n  dir=~/x\n{B}\n", 3, "absolute"),
        (f"{A}\n{C}\n  checksum=sha-256=abc\n{B}\n", 3, "not a sha-256 checksum"),
        (f"{A}\n{C}\n  checksum=sha-256={MD5}\n{B}\n", 3, "not a sha-256 checksum"),
        (f"{A}\n{C}\n  checksum=sha-256={'g' * 64}\n{B}\n", 3, "not a sha-256 checksum"),
        (f"{A}\n{C}\n  checksum=crc32=00000000\n{B}\n", 3, "unknown kind of checksum"),
        (f"{A}\n{C}\n  checksum=sha-256\n{B}\n", 3, "not a sha-256 checksum"),
        (f"{A}\n{C}\n  header=no colon\n{B}\n", 3, "not of the form"),
        (f"{A}\n{C}\n  header=X: ü\n{B}\n", 3, "not of the form"),
        (f"{A}\n{C}\n  out=\udcff\n{B}\n", 3, "not UTF-8"),
    ],
)
def test_a_wrong_line_is_reported_by_number_and_good_lines_are_kept(content: str, line: int, what: str) -> None:
    found, bad = read(content, "some/list")
    assert [download.url for download in found] == [A, B]
    (error,) = bad
    assert str(error).startswith(f"some/list:{line}: ")
    assert what in str(error)
    assert len(str(error)) < 500


def test_an_option_with_no_url_above_it_is_wrong() -> None:
    found, bad = read(f"  out=x\n{A}\n")
    assert [download.url for download in found] == [A]
    assert [str(error) for error in bad] == ["list:1: an option with no URL above it"]


def test_options_below_a_wrong_line_do_not_go_to_the_url_above_it() -> None:
    found, bad = read(f"{A}\n  out=a\nnonsense\n  out=b\n  dir=d\n{B}\n")
    assert [(download.url, download.out, download.dir) for download in found] == [(A, "a", ""), (B, "", "")]
    assert len(bad) == 1


def test_every_wrong_line_is_reported() -> None:
    found, bad = read(f"x\ny\n{A}\n  out=..\n  out=good\n  checksum=?\nz\n{B}")
    assert [download.url for download in found] == [B]
    assert [error.url for error in bad] == ["list:1", "list:2", "list:4", "list:6", "list:7"]


def test_the_callback_for_invalid_lines_may_end_the_list() -> None:
    def refuse(error: UsageError) -> None:
        raise error

    found = parse(iter([A, B, "nonsense", C]), "list", refuse)
    assert next(found).url == A
    assert next(found).url == B  # what came before the wrong line is good
    with pytest.raises(UsageError, match="list:3"):
        next(found)


def test_a_wrong_header_does_not_show_its_value() -> None:
    _, bad = read(f"{A}\n  header=X y: hunter2\n")
    assert len(bad) == 1
    assert "hunter2" not in str(bad[0])


@pytest.mark.parametrize("length", [MAX_LINE_CHARACTERS - 1, MAX_LINE_CHARACTERS - 2, len(A)])
def test_a_line_of_nearly_the_greatest_length_is_good(length: int) -> None:
    line = "https://a.example/1" + "x" * (length - len(A))
    assert [download.url for download in read(f"{line}\n{B}\n")[0]] == [line, B]
    assert [download.url for download in read(f"{B}\n{line}")[0]] == [B, line]


@given(st.integers(0, 5 * MAX_LINE_CHARACTERS), st.booleans())
def test_a_line_that_is_too_long_takes_no_memory(length: int, ended: bool) -> None:
    found = list(lines_of(io.StringIO("x" * length + ("\n" if ended else ""))))
    assert len(found) == (1 if length or ended else 0)
    assert all(len(line) <= MAX_LINE_CHARACTERS + 1 for line in found)


LINES = st.lists(
    st.sampled_from(
        [A, f"{B}\t{C}", "", "#", "  # x", "nonsense", "  out=x", "\tdir=d", "  out=..", "  header=a:b", "  header=", "x\0y"]
    )
    | st.text(max_size=20),
    max_size=12,
)


@given(LINES)
@example(["\f"])
@example([A, "\xa0", B])
def test_any_text_is_downloads_and_wrong_lines_and_nothing_is_raised(content: list[str]) -> None:
    bad: list[UsageError] = []
    found = list(parse(iter(content), "list", bad.append))
    good_lines = {int(download.origin.removeprefix("list:")) for download in found}
    bad_lines = [int(error.url.removeprefix("list:")) for error in bad]
    assert len(good_lines) == len(found)
    assert not good_lines & set(bad_lines)
    assert bad_lines == sorted(set(bad_lines))
    assert all(clean_url(download.url) == download.url for download in found)


@given(
    LINES | st.lists(st.sampled_from([A, B, C, A + "/" + "x" * 40_000, A + "/" + "y" * 70_000, C + "?a=b"]), max_size=9),
    st.booleans(),
)
@example([A, B, C], True)
def test_a_list_that_is_counted_in_blocks_has_as_many_downloads_and_no_wrong_line(content: list[str], ended: bool) -> None:
    whole = "\n".join(content) + ("\n" if ended else "")
    counted = count_url_lines(io.StringIO(whole, newline=None))
    found, bad = read(whole)
    if counted is None:
        assert bad or [download.url for download in found] != whole.splitlines()
    else:
        assert (counted, bad) == (len(found), [])
        assert [download.url for download in found] == whole.splitlines()


# --- and back to text

WORD = st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
NAME = WORD.map(str.strip).filter(lambda name: name.strip(". ") and not name.startswith(("~", "/", "\\")) and ".." not in name)
NAMES = NAME.filter(lambda name: name[1:3] not in (":/", ":\\"))
URLS = st.builds("https://{}.example/{}".format, st.sampled_from("abc"), st.text("abc123-_.~%&=/?", max_size=10))
DIGESTS = st.sampled_from(["md5", "sha1", "sha224", "sha256", "sha384", "sha512"]).flatmap(
    lambda name: st.binary().map(lambda data: Checksum(name, hashlib.new(name, data).hexdigest()))
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)
HEADERS = st.tuples(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True), VALUES)
DOWNLOADS = st.builds(
    Download,
    url=URLS,
    out=st.just("") | NAMES,
    dir=st.just("") | NAMES,
    mirrors=st.lists(URLS, max_size=2).map(tuple),
    headers=st.lists(HEADERS, max_size=3).map(tuple),
    checksums=st.lists(DIGESTS, max_size=2).map(tuple),
)


@given(st.lists(DOWNLOADS, max_size=5))
@example([Download(A, out="= # out=x", headers=(("Referer", ""), ("X", ": :")))])
def test_a_download_written_as_text_is_read_back_as_it_was(downloads: list[Download]) -> None:
    found, bad = read("".join(map(format_download, downloads)))
    assert bad == []
    assert [Download(item.url, item.out, item.dir, item.mirrors, item.headers, item.checksums) for item in found] == downloads


@pytest.mark.parametrize(
    "download",
    [
        Download(A, out=f"x\n{B}"),
        Download(A, dir=f"x\r{B}", out="y"),
        Download(A, headers=(("X", f"1\n{B}"),)),
    ],
)
def test_no_download_written_as_text_becomes_another_one(download: Download) -> None:
    found, bad = read(format_download(download))
    assert ([item.url for item in found], bad) == ([A], [])


# --- lists as they are named


def urls_of(source: Iterator[Download | None]) -> list[str]:
    """All that a Source gives, however long it has nothing."""
    return [download.url for download in source if download is not None]


def test_lists_are_counted_and_then_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "one").write_text(f"{A}\n{B}\n  out=x\n")
    (tmp_path / "two").write_bytes(f"\ufeff{C}\r\n".encode())
    named = ListReader(
        [str(tmp_path / "one"), "https://d.example/a b", Download("https://e.example/", out="e"), tmp_path / "two"]
    )
    assert named.check() == 5
    assert named.bad_lines == []
    assert urls_of(named.source()) == [A, B, "https://d.example/a%20b", "https://e.example/", C]
    assert urls_of(named.source()) == [A, B, "https://d.example/a%20b", "https://e.example/", C]


def test_a_list_that_may_be_a_table_is_one_if_the_user_names_a_column(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{A},x\n")
    assert urls_of(ListReader([tmp_path / "list"]).source()) == [f"{A},x"]
    (found,) = ListReader([tmp_path / "list"], options=ListOptions(name_column="2")).source()
    assert found is not None
    assert (found.url, found.out) == (A, "x")


@pytest.mark.parametrize(("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_a_list_in_utf_16_is_read(tmp_path: Path, mark: bytes, encoding: str) -> None:
    (tmp_path / "list").write_bytes(mark + "https://a.example/ü\r\nhttps://b.example/\r\n".encode(encoding))
    named = ListReader([tmp_path / "list"])
    assert named.check() == 2
    assert urls_of(named.source()) == ["https://a.example/%C3%BC", "https://b.example/"]


def test_bytes_that_are_not_utf_8_make_one_wrong_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(A.encode() + b"\nhttps://b.example/\xff\xfe\n" + C.encode())
    named = ListReader([tmp_path / "list"])
    assert named.check() == 2
    assert [error.url for error in named.bad_lines] == [f"{tmp_path / 'list'}:2"]
    assert urls_of(named.source()) == [A, C]


def test_wrong_lines_are_counted_and_the_first_ones_kept(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("nonsense\n" * 50 + A)
    named = ListReader([tmp_path / "list"])
    assert named.check() == 1
    assert (named.bad_count, len(named.bad_lines)) == (50, lists.KEPT_ERRORS)
    assert urls_of(named.source()) == [A]
    assert named.bad_count == 50  # told once


def test_a_missing_list_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(A)
    with pytest.raises(UsageError, match="No such file") as caught:
        ListReader([tmp_path / "url.txt"]).check()
    assert caught.value.hint == f"did you mean {tmp_path / 'urls.txt'}?"
    with pytest.raises(UsageError) as caught:
        ListReader([tmp_path / "completely different" / "x"]).check()
    assert "a LIST is" in caught.value.hint


def test_a_folder_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder|directory"):
        ListReader([tmp_path]).check()


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes standard input a pipe with this content."""
    with contextlib.ExitStack() as opened:

        def fill(content: str) -> None:
            reader, writer = os.pipe()
            with os.fdopen(writer, "w") as stream:
                stream.write(content)
            monkeypatch.setattr("sys.stdin", opened.enter_context(os.fdopen(reader)))

        yield fill


def test_standard_input_has_no_length_and_is_read_as_it_comes(stdin: Callable[[str], None], tmp_path: Path) -> None:
    stdin(f"{B}\n  out=x\n{C}\n")
    (tmp_path / "list").write_text(A)
    named = ListReader([tmp_path / "list", "-"])
    assert named.check() is None
    source = named.source()
    assert isinstance(source, BackgroundSource)
    assert urls_of(source) == [A, B, C]
    assert source.error is None


@pytest.mark.parametrize("skip", [True, False])
def test_a_wrong_line_ends_standard_input_unless_skipped(stdin: Callable[[str], None], skip: bool) -> None:
    stdin(f"{A}\nnonsense\n{B}\n")
    named = ListReader(["-"], skip_bad=skip)
    source = named.source()
    assert isinstance(source, BackgroundSource)
    assert urls_of(source) == ([A, B] if skip else [A])
    assert (str(source.error).startswith("-:2: not a URL"), named.bad_count) == ((False, 1) if skip else (True, 0))


# --- BackgroundSource


def test_a_feed_gives_all_that_its_source_has_and_then_ends_for_good() -> None:
    source = BackgroundSource(iter([Download(f"https://a.example/{number}") for number in range(50)]), read_ahead=3)
    assert urls_of(source) == [f"https://a.example/{number}" for number in range(50)]
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(source)
    assert source.error is None


def test_a_feed_never_waits_for_its_source() -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Download]:
        go_on.wait()
        yield Download(A)

    source = BackgroundSource(slow())
    assert [next(source) for _ in range(100)] == [None] * 100
    go_on.set()
    assert urls_of(source) == [A]


def test_a_feed_reads_only_so_far_ahead() -> None:
    numbers = itertools.count()
    source = BackgroundSource((Download(f"https://a.example/{next(numbers)}") for _ in iter(int, 1)), read_ahead=5)
    found = urls_of(itertools.islice((item for item in source if item is not None), 20))
    assert found == [f"https://a.example/{number}" for number in range(20)]
    source.close()
    assert next(numbers) <= 20 + 5 + 2  # in the queue, in hand, and being made


def test_a_feed_that_is_closed_reads_no_further() -> None:
    before = set(threading.enumerate())
    source = BackgroundSource((Download(f"https://a.example/{number}") for number in itertools.count()), read_ahead=2)
    (reader,) = set(threading.enumerate()) - before
    source.close()
    reader.join(30)
    assert not reader.is_alive()


def test_an_error_of_the_source_ends_a_background_source_and_is_kept() -> None:
    def broken() -> Iterator[Download]:
        yield Download(A)
        raise ValueError("the caller's own")

    source = BackgroundSource(broken())
    assert urls_of(source) == [A]
    assert isinstance(source.error, ValueError)


# --- what a caller of the library gives


def test_a_callers_urls_and_downloads_are_cleaned() -> None:
    given_one, given_two = Download(A, out="x"), Download("https://b.example/ü", mirrors=("HTTP://C.example",), priority=3)
    found = list(from_values([" https://a.example/ü ", given_one, given_two]))
    assert found == [
        Download("https://a.example/%C3%BC"),
        given_one,
        Download("https://b.example/%C3%BC", mirrors=("http://c.example/",), priority=3),
    ]
    assert found[1] is given_one


@pytest.mark.parametrize(
    "value", ["nonsense", Download("ftp://x/"), Download(A, mirrors=("x",)), 5, None, b"https://a.example/"]
)
def test_a_value_that_is_neither_a_url_nor_a_download_is_a_usage_error(value: object) -> None:
    with pytest.raises(UsageError):
        list(from_values([value]))  # type: ignore[list-item]


def test_the_modules_limits_are_those_that_these_tests_assume() -> None:
    assert text.MAX_LINE_CHARACTERS == 64 * 1024


LONG_URL = "http://h/" + "x" * 40_000
LIST_LINES = st.sampled_from(
    [
        *("http://h/a", "http://h/b.bin", LONG_URL, "http://h/c\thttp://m/c"),
        *("  out=x", "  checksum=md5=zz", "# a comment", "", "not a url"),
    ]
)


@given(st.lists(LIST_LINES, max_size=30), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_file_is_read_as_its_lines_are(lines: list[str], end: str, ends: bool) -> None:
    whole = end.join(lines) + (end if ends else "")
    by_line: list[str] = []
    by_block: list[str] = []
    wanted = list(parse(lines_of(io.StringIO(whole)), "l", lambda error: by_line.append(str(error))))
    assert list(read_file(io.StringIO(whole), "l", lambda error: by_block.append(str(error)))) == wanted
    assert by_block == by_line


@pytest.mark.parametrize(
    "last", ["http://h/last", "http://h/last\n", "http://h/last\n  out=named\n", "http://h/" + "y" * 70_000]
)
def test_a_long_file_is_read_as_its_lines_are(last: str) -> None:
    whole = "".join(f"http://h/{number}.bin\n" for number in range(5000)) + last
    errors: list[str] = []
    wanted = list(parse(lines_of(io.StringIO(whole)), "l", lambda error: errors.append(str(error))))
    again: list[str] = []
    assert list(read_file(io.StringIO(whole), "l", lambda error: again.append(str(error)))) == wanted
    assert again == errors
    assert len(wanted) + len(errors) == 5001
