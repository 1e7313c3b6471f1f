"""Metalinks, of version 4 and 3: what each file of one becomes, and which documents are refused."""

import hashlib
import io
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

from downloader.core.facts import Checksum, Pieces
from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.sources import metalink
from downloader.sources.formats import DEFAULT_OPTIONS, ListOptions

V4 = '<?xml version="1.0" encoding="UTF-8"?>\n<metalink xmlns="urn:ietf:params:xml:ns:metalink">\n'
V3 = '<?xml version="1.0" encoding="UTF-8"?>\n<metalink version="3.0" xmlns="http://www.metalinker.org/"><files>\n'
A, B, C = "https://a.example/1", "https://b.example/1", "http://c.example/1"
SHA1, SHA256, MD5 = "ab" * 20, "cd" * 32, "ef" * 16


def read(document: str | bytes, options: ListOptions = DEFAULT_OPTIONS) -> tuple[list[Download], list[str]]:
    """The Downloads of a Metalink, and the errors of its files."""
    bad: list[UsageError] = []
    content = document.encode() if isinstance(document, str) else document
    found = list(metalink.read(io.BytesIO(content), "m.meta4", options, bad.append))
    return found, [str(error) for error in bad]


def v4(*files: str) -> str:
    return V4 + "\n".join(files) + "\n</metalink>\n"


def v3(*files: str) -> str:
    return V3 + "\n".join(files) + "\n</files></metalink>\n"


def one(document: str, options: ListOptions = DEFAULT_OPTIONS) -> Download:
    (found,), bad = read(document, options)
    assert bad == []
    return found


# --- what is read


def test_version_4_with_all_that_it_may_have() -> None:
    document = v4(
        f"""<file name="images/big.iso">
          <size>14</size><identity>big</identity><language>en</language>
          <hash type="md5">{MD5}</hash><hash type="sha-256">{SHA256}</hash><hash type="sha-1">{SHA1}</hash>
          <pieces length="8" type="sha-1"><hash>{SHA1}</hash><hash>{SHA1.upper()}</hash></pieces>
          <url location="de" priority="2">{B}</url>
          <url priority="1"> {A} </url>
          <url>{C}</url>
          <metaurl mediatype="torrent">http://a.example/x.torrent</metaurl>
          <url priority="1">ftp://a.example/1</url>
        </file>"""
    )
    assert one(document) == Download(
        A,
        out="images/big.iso",
        mirrors=(B, C),
        checksums=(Checksum("sha256", SHA256),),
        size=14,
        origin="m.meta4:3",
        pieces=Pieces("sha1", 8, (SHA1, SHA1)),
    )


def test_version_3_with_all_that_it_may_have() -> None:
    document = v3(
        f"""<file name="big.iso"><size>17</size>
          <verification>
            <hash type="md5">{MD5}</hash><hash type="sha1">{SHA1}</hash><hash type="sha256">{SHA256}</hash>
            <pieces length="10" type="sha1"><hash piece="1">{"22" * 20}</hash><hash piece="0">{"11" * 20}</hash></pieces>
          </verification>
          <resources maxconnections="5">
            <url type="http" location="uk" preference="10">{B}</url>
            <url type="bittorrent" preference="100">http.torrent</url>
            <url type="https" location="de" preference="90">{A}</url>
            <url type="http">{C}</url>
          </resources></file>"""
    )
    assert one(document) == Download(
        A,
        out="big.iso",
        mirrors=(B, C),
        checksums=(Checksum("sha256", SHA256),),
        size=17,
        origin="m.meta4:3",
        pieces=Pieces("sha1", 10, ("11" * 20, "22" * 20)),
    )


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ((), [A, B, C]),
        (("DE",), [C, A, B]),
        (("fr", "de"), [B, C, A]),
        (("jp",), [A, B, C]),
    ],
)
def test_mirrors_of_a_preferred_country_come_first(wanted: tuple[str, ...], order: list[str]) -> None:
    urls = [(A, "us", 1), (B, "fr", 2), (C, "de", 3)]
    options = ListOptions(prefer_location=wanted)
    listed4 = "".join(f'<url location="{country}" priority="{rank}">{url}</url>' for url, country, rank in reversed(urls))
    listed3 = "".join(f'<url location="{country}" preference="{100 - rank}">{url}</url>' for url, country, rank in urls)
    for document in (v4(f'<file name="a">{listed4}</file>'), v3(f'<file name="a"><resources>{listed3}</resources></file>')):
        download = one(document, options)
        assert [download.url, *download.mirrors] == order


def test_equal_priorities_stay_as_listed_and_a_url_counts_once() -> None:
    download = one(v4(f'<file name="a"><url>{B}</url><url>{A}</url><url>{B}</url><url priority="5">{C}</url></file>'))
    assert (download.url, download.mirrors) == (C, (B, A))


@pytest.mark.parametrize("name", ["", ' name=""', ' name="."'])
def test_a_file_without_a_name_is_named_after_its_url(name: str) -> None:
    assert one(v4(f"<file{name}><url>{A}</url></file>")).out == ""


def test_other_namespaces_and_unknown_elements_and_hashes_are_left_out() -> None:
    document = f"""<m:metalink xmlns:m="urn:ietf:params:xml:ns:metalink" xmlns:x="urn:x">
      <x:file name="x"><x:url>{B}</x:url></x:file>
      <m:file name="a"><m:hash type="quantum-9">12</m:hash><x:url>{B}</x:url><m:url>{A}</m:url><m:new/>
        <m:pieces type="quantum-9" length="1"/></m:file>
      </m:metalink>"""
    assert one(document) == Download(A, out="a", origin="m.meta4:3")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_the_document_may_name_its_encoding(encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    document = f'{declared}<metalink><file name="gr\u00fcn.txt"><url>{A}</url></file></metalink>'
    (found,), bad = read(document.encode(encoding))
    assert (found.out, bad) == ("gr\u00fcn.txt", [])


# --- files that cannot be fetched


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (f'<file name="../x"><url>{A}</url></file>', "file 2: the path leaves the folder: '../x'"),
        (f'<file name="a/../../x"><url>{A}</url></file>', "file 2: the path leaves the folder"),
        (f'<file name="/etc/passwd"><url>{A}</url></file>', "file 2: the path is absolute: '/etc/passwd'"),
        (f'<file name="C:\\x"><url>{A}</url></file>', "file 2: the path is absolute"),
        ('<file name="a"/>', "file 2: no http or https URL"),
        ('<file name="a"><url>ftp://a/1</url><url>magnet:x</url></file>', "no http or https URL, only ftp, magnet"),
        ('<file name="a"><url>https://:99999/</url></file>', "file 2: not a URL"),
        (f'<file name="a"><size>many</size><url>{A}</url></file>', "file 2: the size is not a number: 'many'"),
        (f'<file name="a"><size>-1</size><url>{A}</url></file>', "file 2: the size is not a number: '-1'"),
        (f'<file name="a"><url priority="first">{A}</url></file>', "file 2: the priority is not a number: 'first'"),
        (f'<file name="a"><hash type="sha-256">12</hash><url>{A}</url></file>', "file 2: not a sha256 checksum: '12'"),
        (f'<file name="a"><pieces type="md5"><hash>{MD5}</hash></pieces><url>{A}</url></file>', "the length of a piece is not"),
        (f'<file name="a"><pieces type="md5" length="0"/><url>{A}</url></file>', "the length of a piece is 0"),
        (
            f'<file name="a"><size>9</size><pieces type="md5" length="4"><hash>{MD5}</hash></pieces><url>{A}</url></file>',
            "file 2: 1 pieces of 4 bytes do not make 9 bytes",
        ),
        (
            f'<file name="a"><pieces type="md5" length="4"><hash piece="1">{MD5}</hash></pieces><url>{A}</url></file>',
            "file 2: the numbers of the pieces have a gap",
        ),
    ],
)
def test_a_wrong_file_is_one_error_with_its_line_and_number(file: str, said: str) -> None:
    document = v4(f'<file name="first"><url>{A}</url></file>', file, f'<file name="last"><url>{B}</url></file>')
    found, bad = read(document)
    assert [download.out for download in found] == ["first", "last"]
    assert len(bad) == 1
    assert bad[0].startswith("m.meta4:4: ")
    assert said in bad[0]


def test_an_error_does_not_show_the_password_of_a_url() -> None:
    _, bad = read(v4('<file name="a"><url>https://user:secret@[x/1</url></file>'))
    assert "secret" not in bad[0]


# --- documents that are refused

BOMB = '<?xml version="1.0"?>\n<!DOCTYPE metalink [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n<metalink>&b;</metalink>'
EXTERNAL = '<?xml version="1.0"?>\n<!DOCTYPE metalink [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<metalink>&x;</metalink>'


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (BOMB, "m.meta4:2: the document declares an entity"),
        (EXTERNAL, "m.meta4:2: the document declares an entity"),
        ("<metalink>\n<file>\n</wrong></metalink>", "m.meta4:3: not well-formed XML: mismatched tag"),
        ("<metalink>&nbsp;</metalink>", "m.meta4:1: not well-formed XML: undefined entity"),
        ("\n<rss></rss>", "m.meta4:2: the root element is <rss>, not <metalink>"),
        (v4("<file")[:-14], "the document is truncated"),
        ("", "m.meta4:1: the document is truncated: no element found"),
        ("https://a.example/1\n", "m.meta4:1: not well-formed XML"),
        ('<?xml version="1.0" encoding="klingon"?><metalink/>', "m.meta4:1: "),
        (b"\xff\xfe\x00", "m.meta4:1: "),
        (b"<metalink>\n\xff</metalink>", "m.meta4:2: not well-formed XML: not well-formed (invalid token)"),
    ],
)
def test_a_wrong_document_is_one_error_with_its_line(document: str | bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(document)
    assert said in str(caught.value)


def test_the_files_before_the_end_of_a_truncated_document_are_read() -> None:
    whole = v4(*(f'<file name="{number}"><url>{A}</url></file>' for number in range(5)))
    source = metalink.read(io.BytesIO(whole[:-40].encode()), "m.meta4", DEFAULT_OPTIONS, pytest.fail)
    assert [next(source).out for _ in range(4)] == list("0123")
    with pytest.raises(UsageError, match="truncated"):
        next(source)


@pytest.mark.parametrize("endless", ["<url>" + "x" * 500 + "</url>", "<a>" * 100], ids=["text", "depth"])
def test_an_endless_file_is_an_error(monkeypatch: pytest.MonkeyPatch, endless: str) -> None:
    monkeypatch.setattr("downloader.sources.xml_entries.MAX_ENTRY_CHARACTERS", 400)
    with pytest.raises(UsageError, match=r"m\.meta4:\d: an entry is longer than 400 characters"):
        read(v4(f"<file>{endless}"))


@pytest.mark.parametrize("start", ["<file name='", "<!-- ", "<?x "])
def test_an_endless_tag_is_an_error(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """Of a tag that does not end, the parser reads every block once more with each further block."""
    monkeypatch.setattr("downloader.sources.xml_entries.MAX_TAG_BYTES", 200_000)
    with pytest.raises(UsageError, match=r"m\.meta4:3: a tag or comment is longer than 200000 bytes"):
        read(v4(start + "x" * 2_000_000))


# --- large documents


class Generated(io.RawIOBase):
    """A Metalink that is made while it is read."""

    def __init__(self, files: int) -> None:
        self._blocks = self._made(files)
        self.read_blocks = 0

    def _made(self, files: int) -> Iterator[bytes]:
        yield V4.encode()
        for number in range(0, files, 100):
            numbers = range(number, number + 100)
            yield "".join(
                f'<file name="{n}"><size>{n}</size><hash type="sha-256">{hashlib.sha256(b"%d" % n).hexdigest()}</hash>'
                f"<url>{A}/{n}</url></file>\n"
                for n in numbers
            ).encode()
        yield b"</metalink>"

    def read(self, size: int = -1) -> bytes:
        self.read_blocks += 1
        return next(self._blocks, b"")


def test_the_first_file_is_there_before_the_document_was_read() -> None:
    stream = Generated(100_000)
    source = metalink.read(stream, "m", DEFAULT_OPTIONS, pytest.fail)  # type: ignore[arg-type]
    assert next(source).out == "0"
    assert stream.read_blocks <= 3


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files() -> None:
    def peak(files: int) -> int:
        tracemalloc.start()
        try:
            count = sum(1 for _ in metalink.read(Generated(files), "m", DEFAULT_OPTIONS, pytest.fail))  # type: ignore[arg-type]
            assert count == files
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # loads the modules
    assert peak(20_000) < 2 * peak(500)


def test_reading_in_small_blocks_gives_the_same() -> None:
    document = v4(*(f'<file name="{n}"><url>{A}/{n}</url><size>{n}</size></file>' for n in range(30))).encode()

    class Small(io.RawIOBase):
        offsets = itertools.count()

        def read(self, size: int = -1) -> bytes:
            at = next(self.offsets)
            return document[at : at + 1]

    assert list(metalink.read(Small(), "m.meta4", DEFAULT_OPTIONS, pytest.fail)) == read(document)[0]  # type: ignore[arg-type]
