"""Lists in Parquet: what each row becomes, and which files are refused."""

import datetime
import decimal
import io
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.errors import UsageError
from downloader.sources import parquet
from downloader.sources.formats import DEFAULT_OPTIONS, ListOptions

A, B, C = "https://a.example/1", "https://b.example/2", "https://c.example/3"
SHA256 = "ab" * 32


def written(columns: dict[str, Any] | pa.Table, **options: Any) -> bytes:
    """A Parquet file with these columns."""
    target = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), target, **options)
    return target.getvalue()


def read(content: bytes, options: ListOptions = DEFAULT_OPTIONS) -> tuple[list[Download], list[str]]:
    """The Downloads of a Parquet file, and the errors of its rows."""
    bad: list[UsageError] = []
    found = list(parquet.read(io.BytesIO(content), "t.parquet", options, bad.append))
    return found, [str(error) for error in bad]


def test_columns_are_told_as_for_other_tables() -> None:
    content = written(
        {
            "title": ["first", "second"],
            "image_url": [A, B],
            "filename": ["a/1.jpg", None],
            "sha256": [SHA256, None],
            "size": [7, None],
            "priority": pa.array([3, 0], pa.int8()),
            "mirrors": [[B, C], None],
        }
    )
    assert read(content) == (
        [
            Download(
                A,
                "a/1.jpg",
                "",
                (B, C),
                (),
                (Checksum("sha256", SHA256),),
                7,
                3,
                "t.parquet:row 1",
                None,
                (("title", "first"),),
            ),
            Download(B, origin="t.parquet:row 2", metadata=(("title", "second"),)),
        ],
        [],
    )


def test_the_user_may_name_the_columns() -> None:
    content = written({"url": [A], "where": pa.array([B.encode()], pa.binary()), "n": [5]})
    options = ListOptions(url_column="where", size_column="n")
    assert read(content, options)[0] == [Download(B, size=5, origin="t.parquet:row 1", metadata=(("url", A),))]
    with pytest.raises(UsageError, match=r"^t\.parquet: --url-column: there is no column 'which'"):
        read(content, ListOptions(url_column="which"))


def test_the_user_is_told_what_the_columns_mean() -> None:
    notices: list[str] = []
    read(written({"link": [A], "title": ["x"]}), ListOptions(on_notice=notices.append))
    assert notices == ["t.parquet: a Parquet file; url: column link; 1 other column goes into the report"]


def test_a_column_with_urls_of_another_name_is_found_by_its_content() -> None:
    assert read(written({"n": [1], "where it is": [A]}))[0][0].url == A


def test_other_columns_are_metadata_as_text() -> None:
    content = written(
        {
            "url": [A, B],
            "whole": [1, None],
            "number": [1.5, 2.0],
            "exact": [decimal.Decimal("1.50"), None],
            "flag": [True, False],
            "day": [datetime.date(2024, 5, 1), None],
            "time": pa.array([1_700_000_000_000_000_001, None], pa.timestamp("ns", tz="UTC")),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "labels": [["x", "y"], []],
            "nothing": pa.nulls(2),
        }
    )
    first, second = (dict(download.metadata) for download in read(content)[0])
    assert first.pop("time").startswith("2023-11-14 22:13:20.000000001")
    assert list(first.values()) == ["1", "1.5", "1.50", "true", "2024-05-01", "x", "x y", ""]
    assert list(second.values()) == ["", "2", "", "false", "", "", "y", "", ""]


def test_columns_of_bytes_and_structures_are_left_out() -> None:
    content = written({"url": [A], "image": [b"\xff"], "vector": [[1.0, 2.0]], "more": [{"a": 1}], "caption": ["x"]})
    assert read(content)[0][0].metadata == (("caption", "x"),)


def test_urls_in_a_column_of_bytes() -> None:
    found, bad = read(written({"url": [A.encode(), b"https://a.example/\xff"]}))
    assert [download.url for download in found] == [A]
    assert bad[0].startswith("t.parquet:row 2: the row is not UTF-8 text")


def test_text_that_is_not_utf_8_is_an_error_of_its_row() -> None:
    buffers = pa.array([A.encode(), b"\xff", B.encode()], pa.binary()).buffers()
    found, bad = read(written({"url": pa.Array.from_buffers(pa.string(), 3, buffers)}))
    assert ([download.url for download in found], len(bad)) == ([A, B], 1)
    assert bad[0].startswith("t.parquet:row 2: ")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "t.parquet:row 2: no URL in the column url"),
        (" ", "t.parquet:row 2: no URL in the column url"),
        ("nonsense", "t.parquet:row 2: not a URL: nonsense"),
        ("ftp://a/1", "t.parquet:row 2: cannot fetch ftp: URLs"),
    ],
)
def test_a_wrong_row_is_one_error_with_its_number(url: str | None, said: str) -> None:
    found, bad = read(written({"url": [A, url, B]}))
    assert [download.url for download in found] == [A, B]
    assert len(bad) == 1
    assert bad[0].startswith(said)


def test_numbers_of_rows_go_on_from_batch_to_batch_and_group_to_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_BATCH_ROWS", 7)
    urls = [f"{A}/{number}" if number % 10 else None for number in range(100)]
    found, bad = read(written({"url": urls}, row_group_size=30))
    assert [download.origin for download in found] == [f"t.parquet:row {n + 1}" for n in range(100) if n % 10]
    assert [error.partition(": ")[0] for error in bad] == [f"t.parquet:row {n + 1}" for n in range(0, 100, 10)]


def test_an_empty_table_has_no_downloads() -> None:
    assert read(written({"url": pa.array([], pa.string())})) == ([], [])


# --- files that are refused


@pytest.mark.parametrize("kept", [0, 3, 20, -1], ids=str)
def test_a_truncated_file(kept: int) -> None:
    with pytest.raises(UsageError, match=r"^t\.parquet: not a Parquet file, or a truncated one: "):
        read(written({"url": [A]})[:kept])


def test_a_file_of_another_kind() -> None:
    with pytest.raises(UsageError, match=r"^t\.parquet: not a Parquet file"):
        read(f"{A}\n{B}\n".encode())


def test_a_damaged_file_says_at_which_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MAX_BATCH_ROWS", 50)
    group = written({"url": [f"{A}/{number}" for number in range(100)]}, use_dictionary=False, row_group_size=50)
    start = pq.ParquetFile(io.BytesIO(group)).metadata.row_group(1).column(0).data_page_offset
    damaged = group[:start] + bytes(200) + group[start + 200 :]
    source = parquet.read(io.BytesIO(damaged), "t.parquet", DEFAULT_OPTIONS, pytest.fail)
    for _ in range(50):
        next(source)
    with pytest.raises(UsageError, match=r"^t\.parquet: the Parquet file is damaged, at row 51 or"):
        next(source)


@pytest.mark.parametrize("columns", [{"n": [1]}, {"image": [b"x"]}, {"n": pa.array([], pa.int8())}], ids=list)
def test_no_column_with_urls(columns: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        read(written(columns))
    (name,) = columns
    assert str(caught.value) == f"t.parquet: no column has URLs (--url-column NAME; the columns are {name})"


def test_without_pyarrow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written({"url": [A]})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"a list in Parquet needs pyarrow \(pip install "):
        read(content)


# --- pipes, and large files


class Pipe(io.BytesIO):
    """A stream that cannot go back."""

    def seekable(self) -> bool:
        return False

    def seek(self, *arguments: int) -> int:
        raise io.UnsupportedOperation("seek")


def test_a_pipe_is_read_by_way_of_a_temporary_file() -> None:
    (found,) = parquet.read(Pipe(written({"url": [A]})), "-", DEFAULT_OPTIONS, pytest.fail)
    assert found == Download(A, origin="-:row 1")


def test_a_pipe_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda: full)
        with pytest.raises(UsageError, match="-: cannot write a temporary file for the list: No space left on device"):
            list(parquet.read(Pipe(written({"url": [A]})), "-", DEFAULT_OPTIONS, pytest.fail))


def test_rows_of_large_texts_are_read_in_small_batches() -> None:
    content = written({"url": [A] * 200, "text": [f"{number}" * 200_000 for number in range(200)]}, compression="zstd")
    table = pq.ParquetFile(io.BytesIO(content))
    assert 1 <= parquet._batch_rows(table, ["url", "text"]) <= 60
    assert parquet._batch_rows(table, ["url"]) == parquet.MAX_BATCH_ROWS


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    def peak(rows: int) -> int:
        content = written({"url": [f"{A}/{number}" for number in range(rows)]}, use_dictionary=False)
        before, most = pa.total_allocated_bytes(), 0
        for number, _ in enumerate(parquet.read(io.BytesIO(content), "t", DEFAULT_OPTIONS, pytest.fail)):
            if number % 1000 == 0:
                most = max(most, pa.total_allocated_bytes() - before)
        return most

    assert peak(500_000) < 2 * peak(50_000)


def test_pyarrow_is_not_loaded_with_the_module() -> None:
    import subprocess

    script = "import sys, downloader.sources.parquet; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
