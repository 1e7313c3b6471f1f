"""Rows in JSON Lines, CSV, TSV and Parquet: the same values in each, read back by csv, json and polars without options."""

import csv
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.errors import StorageError, UsageError
from downloader.reports.rows import Column, Value, clean, format_of, open_rows

COLUMNS = [
    Column("url"),
    Column("bytes", "integer"),
    Column("elapsed", "number"),
    Column("verified", "boolean"),
    Column("error.class"),
    Column("meta", "texts"),
]
ROW: list[Value] = ["http://h/a", 5, 0.5, True, "", {}]
FORMATS = ("jsonl", "csv", "tsv", "parquet")

TEXT = st.text(st.characters(), max_size=20)  # any character, lone surrogates too
ROWS = st.lists(
    st.tuples(
        TEXT,
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        TEXT,
        st.dictionaries(TEXT, TEXT, max_size=3),
    ),
    max_size=5,
)


def write(path: Path, rows: Sequence[Sequence[Value]]) -> Path:
    """Write these rows."""
    with open_rows(str(path), COLUMNS) as sink:
        for row in rows:
            sink.add(row)
    return path


def flat(row: Sequence[Any]) -> list[Any]:
    """The row as a table has it."""
    texts = {clean(name): clean(text) for name, text in row[5].items()}
    meta = json.dumps(texts, ensure_ascii=False, separators=(",", ":")) if texts else ""
    return [clean(row[0]), *row[1:4], clean(row[4]), meta]


def delimited(path: Path) -> list[list[Any]]:
    """The rows of a CSV or TSV file, as the csv module reads them, with the types of the columns."""
    with open(path, newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
    assert header == [column.name for column in COLUMNS]
    kinds: list[Any] = [str, int, float, {"true": True, "false": False}.__getitem__, str, str]
    return [[kind(cell) for kind, cell in zip(kinds, row, strict=True)] for row in rows]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("-", "jsonl"),
        ("r.jsonl", "jsonl"),
        ("r.ndjson", "jsonl"),
        ("r.json", "jsonl"),
        ("report", "jsonl"),
        ("csv", "jsonl"),
        ("r.csv", "csv"),
        ("folder.csv/r.CSV", "csv"),
        ("r.tsv", "tsv"),
        ("r.Parquet", "parquet"),
    ],
)
def test_format_is_chosen_by_the_name(name: str, kind: str) -> None:
    assert format_of(name) == kind


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_any_value_comes_back_from_each_format(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    lines = write(folder / "r.jsonl", rows).read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "url": clean(url),
            "bytes": count,
            "elapsed": elapsed,
            "verified": verified,
            "error": {"class": clean(error)},
            "meta": {clean(name): clean(text) for name, text in meta.items()},
        }
        for url, count, elapsed, verified, error, meta in rows
    ]
    tables = [flat(row) for row in rows]
    assert delimited(write(folder / "r.csv", rows)) == tables
    assert delimited(write(folder / "r.tsv", rows)) == tables
    assert [list(row) for row in polars.read_parquet(write(folder / "r.parquet", rows)).rows()] == tables


@pytest.mark.parametrize("kind", FORMATS)
def test_polars_reads_each_format_without_options_although_the_first_rows_are_empty(tmp_path: Path, kind: str) -> None:
    empty: list[Value] = ["", 0, 0.0, False, "", {}]
    full: list[Value] = ['a "b",\n=1+1', 2**40, 1e-9, True, "Timeout", {}]
    path = write(tmp_path / f"r.{kind}", [empty] * 1000 + [full])
    read = {"jsonl": polars.read_ndjson, "csv": polars.read_csv, "parquet": polars.read_parquet}
    table = polars.read_csv(path, separator="\t") if kind == "tsv" else read[kind](path)  # type: ignore[operator]
    if kind == "jsonl":
        table = table.with_columns(polars.col("error").struct.field("class").alias("error.class"), meta=polars.lit(""))
        table = table.select([column.name for column in COLUMNS])
    assert table.dtypes == [polars.String, polars.Int64, polars.Float64, polars.Boolean, polars.String, polars.String]
    assert table.null_count().row(0) == (0,) * 6
    assert list(table.row(0)) == flat(empty)
    assert list(table.row(1000)) == flat(full)


def test_parquet_is_written_in_groups_and_gets_its_name_at_the_end(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "r.parquet"
    path.write_bytes(b"earlier")
    with open_rows(str(path), COLUMNS) as sink:
        for _ in range(25_000):
            sink.add(ROW)
        sink.flush()
        assert path.read_bytes() == b"earlier"
    metadata = parquet.read_metadata(path)
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [10_000, 10_000, 5_000]
    assert os.listdir(tmp_path) == ["r.parquet"]


def test_failed_parquet_file_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = write(tmp_path / "r.parquet", [ROW])
    with pytest.raises(ValueError, match="values"):
        write(path, [ROW, ROW[:2]])
    assert polars.read_parquet(path).height == 1
    assert os.listdir(tmp_path) == ["r.parquet"]


@pytest.mark.parametrize("kind", FORMATS)
def test_rows_of_a_wrong_length_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match=r"argument|values"), open_rows(str(tmp_path / f"r.{kind}"), COLUMNS) as sink:
        sink.add(["http://h/a"])


@pytest.mark.parametrize("kind", FORMATS)
def test_what_cannot_be_written_is_said(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        open_rows(str(tmp_path / "missing" / f"r.{kind}"), COLUMNS)
    os.mkdir(folder := tmp_path / f"folder.{kind}")
    with pytest.raises(StorageError, match="Is a directory"):
        open_rows(str(folder), COLUMNS)
    full = tmp_path / f"full.{kind}"
    full.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        write(full, [ROW] * 20_000)
    null = tmp_path / f"null.{kind}"
    null.symlink_to("/dev/null")
    write(null, [ROW])
    assert os.path.islink(null)


@pytest.mark.parametrize("kind", FORMATS)
def test_pipe_gets_the_rows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"pipe.{kind}"
    os.mkfifo(path)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    write(path, [ROW])
    reader.join(20)
    assert got == [write(tmp_path / f"file.{kind}", [ROW]).read_bytes()]


def test_missing_pyarrow_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs pyarrow \(pip install"):
        open_rows(str(tmp_path / "r.parquet"), COLUMNS)
