"""Tables as lists: which column has what, by name, by option and by content; and each way in which a table can be wrong."""

import csv
import hashlib
import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.sources import table
from downloader.sources.columns import URL_NAMES, algorithm_of, columns_of, plain
from downloader.sources.delimiters import delimiter_of
from downloader.sources.formats import ListOptions

A, B, C = "https://a.example/1.jpg", "https://b.example/2.jpg", "https://c.example/3.jpg"
MD5, SHA1, SHA256 = "0123456789abcdef" * 2, "0123456789" * 4, "0123456789abcdef" * 4


def read(content: str | bytes, **options: Any) -> tuple[list[Download], list[str], list[str]]:
    """The Downloads of a table with this content, the errors of its rows, and the sentences about it."""
    bad: list[str] = []
    said: list[str] = []
    data = content.encode() if isinstance(content, str) else content
    wanted = ListOptions(**{"format": "csv", "on_notice": said.append, **options})
    found = list(table.read(io.BytesIO(data), "list", wanted, lambda error: bad.append(str(error))))
    return found, bad, said


def one(content: str | bytes, **options: Any) -> Download:
    """The only Download of a table in which all is right."""
    (found,), bad, _ = read(content, **options)
    assert bad == []
    return found


# --- the columns


@pytest.mark.parametrize("name", ["url", "URL", "Link", "href", "uri", "Download URL", "download_url", "imageUrl", "image-url"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_column_with_urls_is_found_by_its_name(name: str, delimiter: str) -> None:
    found, bad, _ = read(f"id{delimiter}{name}\n7{delimiter}{A}\n8{delimiter}{B}\n")
    assert [(item.url, item.metadata, item.origin) for item in found] == [
        (A, (("id", "7"),), "list:2"),
        (B, (("id", "8"),), "list:3"),
    ]
    assert bad == []


@pytest.mark.parametrize(
    ("header", "cell", "expected"),
    [
        ("name", "x/a b.jpg", {"out": "x/a b.jpg"}),
        ("filename", "a.jpg", {"out": "a.jpg"}),
        ("path", "a.jpg", {"out": "a.jpg"}),
        ("out", "", {}),
        ("dir", "d/e", {"dir": "d/e"}),
        ("md5", MD5, {"checksums": (Checksum("md5", MD5),)}),
        ("SHA-256", SHA256.upper(), {"checksums": (Checksum("sha256", SHA256),)}),
        ("sha256sum", SHA256, {"checksums": (Checksum("sha256", SHA256),)}),
        ("md5_checksum", "", {}),
        ("checksum", SHA1, {"checksums": (Checksum("sha1", SHA1),)}),
        ("hash", f"sha256:{SHA256}", {"checksums": (Checksum("sha256", SHA256),)}),
        ("digest", f"SHA-256={SHA256}", {"checksums": (Checksum("sha256", SHA256),)}),
        ("size", " 120 ", {"size": 120}),
        ("File Size", "0", {"size": 0}),
        ("bytes", "", {}),
        ("length", "5", {"size": 5}),
        ("mirror", B, {"mirrors": (B,)}),
        ("mirrors", f"{B} {C}", {"mirrors": (B, C)}),
        ("mirrors", f"{B}|{C};{A}", {"mirrors": (B, C, A)}),
        ("url2", B, {"mirrors": (B,)}),
        ("mirror", "", {}),
        ("priority", "-3", {"priority": -3}),
        ("caption", " a b ", {"metadata": (("caption", " a b "),)}),
        ("", "x", {"metadata": (("column2", "x"),)}),
        ("url", B, {"mirrors": (B,)}),
    ],
)
def test_each_column_has_the_meaning_of_its_name(header: str, cell: str, expected: dict[str, Any]) -> None:
    assert one(f"url\t{header}\n{A}\t{cell}\n") == Download(A, origin="list:2", **expected)


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("hash", "ffd8a0"),  # a perceptual hash
        ("size", "large"),
        ("length", "3.5"),
        ("priority", "high"),
        ("path", "/data/1.jpg"),
        ("file", B),
    ],
)
def test_a_column_whose_first_cell_is_something_else_than_its_name_says_is_metadata(header: str, cell: str) -> None:
    assert one(f"url,{header}\n{A},{cell}\n") == Download(A, metadata=((header, cell),), origin="list:2")


def test_a_column_for_checksums_may_be_empty_in_the_first_row() -> None:
    found, bad, _ = read(f"url,hash\n{A},\n{B},{MD5}\n")
    assert [item.checksums for item in found] == [(), (Checksum("md5", MD5),)]
    assert bad == []


def test_a_report_is_a_list_and_its_bytes_are_no_sizes() -> None:
    assert one(f"url,path,status,bytes,attempts\n{A},x,failed,0,3\n").size is None
    assert one(f"url,path,bytes\n{A},x,0\n").size == 0


def test_a_table_without_names_is_understood_by_its_contents() -> None:
    found, bad, said = read(f"7,{A},{MD5},12\n8,{B},{MD5},13\n")
    checksums = (Checksum("md5", MD5),)
    assert found == [
        Download(A, checksums=checksums, origin="list:1", metadata=(("column1", "7"), ("column4", "12"))),
        Download(B, checksums=checksums, origin="list:2", metadata=(("column1", "8"), ("column4", "13"))),
    ]
    assert bad == []
    assert said == ["list: a table without a header; url: column 2, checksum: column 3; 2 other columns go into the report"]


def test_a_column_with_urls_and_an_unknown_name_is_found_by_its_contents() -> None:
    assert one(f"n,picture\n1,{A}\n").url == A


def test_what_was_understood_is_said_in_one_sentence() -> None:
    _, _, said = read(f"link,file,md5,size,mirror,priority,dir,note\n{A},x,{MD5},1,{B},2,d,n\n")
    assert said == [
        "list: a table with a header; url: column link, name: column file, folder: column dir, md5: column md5, size: column "
        "size, mirror: column mirror, priority: column priority; 1 other column goes into the report"
    ]


def test_a_column_that_verifies_nothing_is_said() -> None:
    _, _, said = read(f"url,checksum,size\n{A},n/a,?\n{B},{MD5},1\n")
    assert "; column checksum, size verifies nothing: the first row has no such value" in said[0]


@pytest.mark.parametrize("header", ["url,mirror1,mirror2", "url,mirror 1,mirror-2", "url,Mirror URL 1,mirror_url_2"])
def test_numbered_mirrors_begin_with_one(header: str) -> None:
    assert one(f"{header}\n{A},{B},{C}\n").mirrors == (B, C)


def test_a_quoted_cell_may_have_another_delimiter() -> None:
    assert delimiter_of([f'"{A}";"a, x.bin"', f'"{B}";"b, x.bin"']) == ";"
    assert delimiter_of([f'{A};"a, x.bin"', f"{B};b.bin"]) == ";"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"url_column": "b"}, {"url": B, "metadata": (("a", A), ("c", "x.jpg"), ("d", "9"), ("e", MD5))}),
        ({"url_column": "2"}, {"url": B, "metadata": (("a", A), ("c", "x.jpg"), ("d", "9"), ("e", MD5))}),
        ({"url_column": "B", "name_column": "c"}, {"url": B, "out": "x.jpg"}),
        ({"name_column": "3", "size_column": "D"}, {"url": A, "out": "x.jpg", "size": 9}),
        ({"checksum_column": "e"}, {"url": A, "checksums": (Checksum("md5", MD5),)}),
        ({"mirror_column": "b"}, {"url": A, "mirrors": (B,)}),
    ],
)
def test_columns_are_chosen_by_options(options: dict[str, str], expected: dict[str, Any]) -> None:
    found = one(f"a,b,c,d,e\n{A},{B},x.jpg,9,{MD5}\n", **options)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize("option", ["url", "name", "checksum", "size", "mirror"])
@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (f"link,note\n{A},x\n", "the columns are link, note"),
        (f"{A},x\n{B},y\n", "the columns are 1 to 2; the first row has no names"),
    ],
)
@pytest.mark.parametrize("wanted", ["nothing", "3"])
def test_a_column_that_does_not_exist_is_an_error_that_names_those_that_do(
    option: str, content: str, hint: str, wanted: str
) -> None:
    with pytest.raises(UsageError, match=f"--{option}-column: there is no column '{wanted}'") as caught:
        read(content, **{f"{option}_column": wanted})
    assert (caught.value.hint, caught.value.url) == (hint, "list")


@pytest.mark.parametrize(
    ("option", "field"), [("name", "out"), ("size", "size"), ("checksum", "checksums"), ("mirror", "mirrors")]
)
def test_the_number_0_turns_a_column_off(option: str, field: str) -> None:
    found = one(f"url,name,size,md5,mirror\n{A},x,1,{MD5},{B}\n", **{f"{option}_column": "0"})
    assert getattr(found, field) == getattr(Download(A), field)
    assert len(found.metadata) == 1


def test_no_column_with_urls_is_one_error_that_names_the_columns() -> None:
    with pytest.raises(UsageError, match="no column has URLs") as caught:
        read("id,note\n1,x\n2,y\n")
    assert caught.value.url == "list"
    assert "the columns are id, note; --url-column" in caught.value.hint


def test_each_name_of_a_url_column_is_plain() -> None:
    assert [name for name in URL_NAMES if plain(name) != name] == []
    assert columns_of(("a", "b"), ("x", "y"), ListOptions(), True) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("MD5", "md5"), ("sha_512_hash", "sha512"), ("file_md5", "md5"), ("Digest", ""), ("md5x", None), ("url", None)],
)
def test_the_name_of_a_column_says_the_algorithm(name: str, kind: str | None) -> None:
    assert algorithm_of(name) == kind


# --- how cells are written


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        (f'url,note\n{A},"a, b"\n', "a, b"),
        (f'url,note\n{A},"a ""b"" c"\n', 'a "b" c'),
        (f'url,note\n{A},"two\nlines"\n', "two\nlines"),
        (f'url,note\r\n{A},"two\r\nlines"\r\n', "two\r\nlines"),
        (f"url,note\r\n{A},x\r\n", "x"),
        (f"url,note\r{A},x\r", "x"),
        (f"url,note\n{A},x", "x"),
        (f"\ufeffurl,note\n{A},x\n", "x"),
        (f'\ufeff"url","note"\n"{A}","x"\n', "x"),
        (f"\n\n# a comment\nurl,note\n\n# another, with, commas\n{A},x\n\n", "x"),
        (f"#url,note\n{A},x\n", "x"),
        (f"url,note\n#{B},y\n{A},x\n", "x"),
        (f"sep=;\nurl;note\n{A};x\n", "x"),
        (f"url , note\n {A} ,x\n", "x"),
        (f'url,note\n{A},5" disk\n', '5" disk'),
    ],
)
def test_a_cell_is_read_as_spreadsheets_write_it(content: str, metadata: str) -> None:
    found = one(content)
    assert (found.url, found.metadata) == (A, (("note", metadata),))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_in_any_unicode_encoding(encoding: str) -> None:
    found = one("url,note\nhttps://a.example/ü,ü\n".encode(encoding))
    assert (found.url, found.metadata) == ("https://a.example/%C3%BC", (("note", "ü"),))


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), st.sampled_from(",;\t|"))
@example([("#", "\r"), ("\n", '"')], ",")
def test_any_cells_are_read_as_the_csv_module_writes_them(rows: list[tuple[str, str]], delimiter: str) -> None:
    output = io.StringIO(newline="")
    writer = csv.writer(output, delimiter=delimiter)
    writer.writerow(["url", "b", "c"])
    for cells in rows:
        writer.writerow([A, *cells])
    found, bad, _ = read(output.getvalue(), **({"format": "tsv"} if delimiter == "\t" else {}))
    assert bad == []
    assert [tuple(value for _, value in item.metadata) for item in found] == rows


# --- wrong tables


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (f"{A},x", "2 cells, but 5 columns in the table"),
        (f"{A},x,,,,y", "6 cells, but 5 columns in the table"),
        (",x,,,", "no URL in the column url"),
        ("nonsense,x,,,", "not a URL"),
        ("ftp://a.example/x,x,,,", "cannot fetch ftp"),
        (f"{A},../x,,,", "leaves the folder"),
        (f"{A},/etc/x,,,", "absolute"),
        (f"{A},x,{MD5},,", "not a sha256 checksum"),
        (f"{A},x,xyz,,", "not a sha256 checksum"),
        (f"{A},x,,12 MB,", "not a number of bytes"),
        (f"{A},x,,-1,", "not a number of bytes"),
        (f"{A},x,,,mirror.example", "not a URL"),
        (f"{A},x\0,,,", "not UTF-8 text"),
        (f'"{A}"x,x,,,', "malformed"),
        (f"{A},{'x' * 200_000},,,", "too long"),
    ],
)
def test_a_wrong_row_is_reported_by_its_line_and_the_others_are_kept(row: str, what: str) -> None:
    found, bad, _ = read(f'url,file,sha256,bytes,mirror\n{B},"b\n",,1,\n{row}\n{C},c,,1,\n')
    assert [item.url for item in found] == [B, C]
    (error,) = bad
    assert error.startswith("list:4: ")
    assert what in error
    assert len(error) < 300


def test_bytes_that_are_not_utf_8_make_one_wrong_row() -> None:
    found, bad, _ = read(f"url,note\n{A},a\n{B},".encode() + b"\xff\xfe" + f"\n{C},c\n".encode())
    assert [item.url for item in found] == [A, C]
    assert bad == ["list:3: the row is not UTF-8 text, or too long"]


@pytest.mark.parametrize("quote", ['"', ""])
def test_a_line_of_10_mb_is_one_wrong_row_and_is_not_kept_in_memory(quote: str) -> None:
    import tracemalloc

    content = f"url,note\n{A},a\n{B},{','.join(['x' * 1000] * 10_000)}\n{C},c\n".encode()
    tracemalloc.start()
    try:
        found, bad, _ = read(content)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(content)  # BytesIO has the first copy of it
    finally:
        tracemalloc.stop()
    assert [item.url for item in found] == [A, C]
    assert len(bad) == 1
    assert bad[0].startswith("list:3: ")


@pytest.mark.parametrize("rows", [1, 200_000])
def test_a_quoted_cell_that_never_ends_is_an_error_of_the_table(rows: int) -> None:
    content = f'url,note\n{A},a\n{B},"never\n' + f"{C},c\n" * rows
    read_lines = 0

    class Counted(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            nonlocal read_lines
            read_lines += (count := super().readinto(buffer))
            return count

    wanted = ListOptions(format="csv")
    with pytest.raises(UsageError, match="a quoted cell of the row that begins in line 3 has no end") as caught:
        list(table.read(io.BufferedReader(Counted(content.encode())), "list", wanted, lambda error: None))  # type: ignore[arg-type]
    assert caught.value.url == "list"
    assert read_lines < 1_300_000  # less, unless another reader of CSV has raised the limit of the module csv


@pytest.mark.parametrize(("content", "line"), [('# x\n\nurl,"n\n', 3), (f'url,n\n{A},"n\n', 2), (f'# x\n1,{A},"n\n', 2)])
def test_the_line_of_a_quoted_cell_that_never_ends_is_named(content: str, line: int) -> None:
    for more in ("", f"{B},b\n" * 30_000):
        with pytest.raises(UsageError, match=f"the row that begins in line {line} has no end"):
            read(content + more)


def test_a_quoted_cell_that_never_ends_is_found_although_the_limit_of_the_csv_module_was_raised() -> None:
    before = csv.field_size_limit(1 << 40)
    try:
        with pytest.raises(UsageError, match="has no end"):
            read(f'url,note\n{A},"never\n' + f"{C},c\n" * 100_000)
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "url,name\n", "\ufeff"])
def test_an_empty_table_has_no_downloads(content: str) -> None:
    assert read(content)[:2] == ([], [])


def test_a_row_is_read_when_its_line_is_there_and_not_before() -> None:
    lines = [f"url,note\n{A},a\n".encode(), f"{B},b\n".encode()]
    read_so_far = []

    class Pipe(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            line = lines.pop(0) if lines else b""
            read_so_far.append(line)
            buffer[: len(line)] = line
            return len(line)

    rows = table.read(io.BufferedReader(Pipe()), "list", ListOptions(format="csv"), lambda error: None)
    assert next(rows).url == A
    assert len(read_so_far) == 1
    assert [item.url for item in rows] == [B]


@given(
    st.lists(st.lists(st.sampled_from([A, "x", '"', "", "ü", hashlib.md5(b"").hexdigest(), "\0", "#"]), max_size=4), max_size=6)
)
def test_any_cells_are_downloads_or_errors_and_nothing_else_is_raised(rows: list[list[str]]) -> None:
    content = "\n".join(",".join(cells) for cells in rows)
    try:
        found, bad, _ = read(content)
    except UsageError:
        return
    lines = [item.origin for item in found] + [error.split(": ")[0] for error in bad]
    assert len(set(lines)) == len(lines)
