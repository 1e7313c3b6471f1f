"""`--report`: one schema in JSON Lines, CSV, TSV and Parquet, and what is kept of an earlier report."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.facts import Checksum, Timings, Try
from downloader.core.model import Download, Result, Status
from downloader.errors import HTTPStatusError, StorageError
from downloader.reports.manifest import COLUMNS as MANIFEST_COLUMNS
from downloader.reports.report_file import ReportFile
from downloader.reports.row_reader import read_rows
from downloader.reports.rows import Column, RowEncoder, Value, clean_value
from downloader.reports.schema import COLUMNS, row_of

URL = "https://example.org/file"
FORMATS = ("jsonl", "csv", "tsv", "parquet")

DONE = Result(
    url=URL,
    path="d/file",
    status=Status.DONE,
    bytes=15,
    received=10,
    http_status=206,
    attempts=2,
    elapsed=1.23456789,
    final_url="https://other.example/",
    etag='"e"',
    last_modified="Sat, 21 Nov 2026 00:00:00 GMT",
    digests=(Checksum("sha256", "ab"), Checksum("md5", "cd")),
    redirects=("https://one.example/", "https://two.example/"),
    timings=Timings(0.1, 0.2, 0.3, 0.4, 0.5),
    queued=2.0,
    tries=(Try(URL, 503, 0.5, "HTTP 503"),),
    value={"a": [1, None]},
    origin="urls.txt:12",
    metadata=(("id", "7"), ("name.first", 'x,"\n')),
)
FAILED = Result(
    url=URL,
    path="",
    status=Status.FAILED,
    received=3,
    http_status=404,
    attempts=1,
    error=HTTPStatusError(404, URL),
    download=Download("https://u:secret@example.org/file", out="x", headers=(("A", "b"),)),
)
SKIPPED = Result(URL, "d/file", Status.SKIPPED, 15, reason="exists")

EXPECTED_DONE = {
    "schema": 2,
    "url": URL,
    "path": "d/file",
    "status": "done",
    "reason": "",
    "bytes": 15,
    "received": 10,
    "http_status": 206,
    "attempts": 2,
    "elapsed": 1.234568,
    "queued": 2.0,
    "dns": 0.1,
    "connect": 0.2,
    "tls": 0.3,
    "first_byte": 0.4,
    "total": 0.5,
    "final_url": "https://other.example/",
    "redirects": "https://one.example/ https://two.example/",
    "etag": '"e"',
    "last_modified": "Sat, 21 Nov 2026 00:00:00 GMT",
    "digests": "sha256=ab md5=cd",
    "verified": False,
    "value": '{"a":[1,null]}',
    "processed": False,
    "function": "",
    "warning": "",
    "error": {"class": "", "message": ""},
    "tries": '[{"url":"https://example.org/file","status":503,"elapsed":0.5,"error":"HTTP 503"}]',
    "origin": "urls.txt:12",
    "meta": {"id": "7", "name.first": 'x,"\n'},
}


def write(path: Path, *results: Result, complete: bool = True, function: str = "") -> Path:
    """The report of a run with these Results."""
    with ReportFile(str(path), function=function) as sink:
        for result in results:
            sink.add(result)
        sink.complete = complete
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a report, by the names of their columns."""
    return [dict(zip([column.name for column in COLUMNS], row, strict=True)) for row in read_rows(str(path), COLUMNS)]


def test_line_of_a_result_has_exactly_these_fields_in_this_order(tmp_path: Path) -> None:
    text = write(tmp_path / "r.jsonl", DONE).read_bytes()
    assert text.count(b"\n") == 1
    assert list(json.loads(text).items()) == list(EXPECTED_DONE.items())


def test_failure_says_why_and_contains_no_secret(tmp_path: Path) -> None:
    text = write(tmp_path / "r.jsonl", FAILED).read_bytes()
    line = json.loads(text)
    assert line["error"] == {"class": "HTTPStatusError", "message": f"{URL}: HTTP 404 Not Found"}
    assert (line["bytes"], line["value"], line["tries"], line["meta"]) == (0, "", "", {})
    assert b"secret" not in text


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_has_the_same_rows(tmp_path: Path, kind: str) -> None:
    results = (DONE, FAILED, SKIPPED)
    assert read(write(tmp_path / f"r.{kind}", *results)) == read(write(tmp_path / "other.jsonl", *results))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_have_a_column_for_each_key_of_the_metadata(tmp_path: Path, kind: str) -> None:
    later = Result(URL, "b", Status.DONE, metadata=(("id", "8"), ("added later", "é")))
    path = write(tmp_path / f"r.{kind}", DONE, later)
    table = polars.read_csv(path) if kind == "csv" else polars.read_parquet(path)
    assert table.columns == [*[column.name for column in COLUMNS[:-1]], "meta.id", "meta.name.first", "meta"]
    rows = table.to_dicts()
    assert [str(row["meta.id"]) for row in rows] == ["7", "8"]
    assert [row["meta.name.first"] for row in rows] == ['x,"\n', ""]
    assert [row["meta"] for row in rows] == ["", '{"added later":"é"}']


def test_parquet_has_columns_for_the_first_row_with_metadata(tmp_path: Path) -> None:
    path = write(tmp_path / "r.parquet", FAILED, DONE)
    assert polars.read_parquet(path)["meta.id"].to_list() == ["", "7"]
    assert os.listdir(tmp_path) == ["r.parquet"]


TEXT = st.text(st.characters(), max_size=12)
SECONDS = st.floats(0, 1e9)
COUNT = st.integers(0, 2**63 - 1)
RESULTS = st.builds(
    Result,
    url=TEXT,
    path=TEXT,
    status=st.sampled_from(Status),
    bytes=COUNT,
    received=COUNT,
    http_status=st.integers(0, 999),
    attempts=COUNT,
    elapsed=SECONDS,
    queued=SECONDS,
    final_url=TEXT,
    redirects=st.lists(TEXT, max_size=2).map(tuple),
    etag=TEXT,
    last_modified=TEXT,
    verified=st.booleans(),
    value=st.none() | TEXT | st.integers() | st.lists(st.booleans()) | st.dictionaries(TEXT, TEXT) | st.just({object()}),
    warning=TEXT,
    reason=TEXT,
    error=st.none() | st.builds(StorageError, TEXT, TEXT),
    digests=st.lists(st.builds(Checksum, TEXT, TEXT), max_size=2).map(tuple),
    timings=st.none() | st.builds(Timings, SECONDS, SECONDS, SECONDS, SECONDS, SECONDS),
    tries=st.lists(st.builds(Try, TEXT, COUNT, SECONDS, TEXT), max_size=2).map(tuple),
    origin=TEXT,
    metadata=st.dictionaries(TEXT, TEXT.filter(bool), max_size=2).map(lambda texts: tuple(texts.items())),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(RESULTS, max_size=4))
def test_any_result_comes_back_from_each_format(tmp_path_factory: pytest.TempPathFactory, results: list[Result]) -> None:
    folder = tmp_path_factory.mktemp("report")
    expected = [[clean_value(value) for value in row_of(result)] for result in results]
    for kind in FORMATS:
        with ReportFile(str(path := folder / f"r.{kind}")) as sink:
            for result in results:
                sink._rows.add(row_of(result))  # without looking for skipped files
        assert list(read_rows(str(path), COLUMNS)) == expected


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_polars_reads_a_report_without_options_although_errors_come_late(tmp_path: Path, kind: str) -> None:
    plain = Result(URL, "a.bin", Status.DONE, metadata=(("id", "x"),))
    path = write(tmp_path / f"r.{kind}", *[plain] * 1000, DONE, FAILED)
    table = {"jsonl": polars.read_ndjson, "csv": polars.read_csv, "parquet": polars.read_parquet}[kind](path)
    if kind == "jsonl":
        assert table["error"].struct.field("class").to_list()[-1] == "HTTPStatusError"
        table = table.drop("error", "meta")
    types = {"text": polars.String, "integer": polars.Int64, "number": polars.Float64, "boolean": polars.Boolean}
    for name, kind_of_values in COLUMNS[:-1]:
        if name in table.columns:
            assert table[name].dtype == types[kind_of_values], name
            assert table[name].null_count() == 0
    assert table["tries"].to_list()[-2] == EXPECTED_DONE["tries"]


# --- what is kept of an earlier report


@pytest.mark.parametrize("kind", FORMATS)
def test_skipped_file_keeps_what_the_earlier_report_knows(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"r.{kind}", DONE, function="own:f")
    (row,) = read(write(path, SKIPPED, function="own:f"))
    kept = ("etag", "last_modified", "digests", "value", "processed", "function")
    assert [row[name] for name in kept] == ['"e"', DONE.last_modified, "sha256=ab md5=cd", '{"a":[1,null]}', True, "own:f"]
    assert row["status"] == "skipped"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", FORMATS)
def test_run_without_a_result_leaves_the_report_as_it_was(tmp_path: Path, kind: str) -> None:
    before = write(tmp_path / f"r.{kind}", DONE).read_bytes()
    write(tmp_path / f"r.{kind}", complete=False)
    assert (tmp_path / f"r.{kind}").read_bytes() == before
    assert os.listdir(tmp_path) == [f"r.{kind}"]


@pytest.mark.parametrize("kind", FORMATS)
def test_new_report_replaces_the_one_before(tmp_path: Path, kind: str) -> None:
    write(tmp_path / f"r.{kind}", DONE, FAILED, FAILED)
    assert [row["url"] for row in read(write(tmp_path / f"r.{kind}", DONE))] == [URL]


@pytest.mark.parametrize("kind", FORMATS)
def test_stopped_runs_are_merged_and_the_last_row_of_a_file_counts(tmp_path: Path, kind: str) -> None:
    def done(name: str, value: int) -> Result:
        return Result(f"http://h/{name}", name, Status.DONE, 1, value=value, metadata=(("id", name),))

    path = write(tmp_path / f"r.{kind}", done("a", 1), done("b", 1))
    write(path, done("b", 2), done("c", 2), complete=False)
    write(path, done("c", 3), complete=False)
    skipped = [Result(f"http://h/{name}", name, Status.SKIPPED, 1, reason="exists") for name in "abcd"]
    write(path, *skipped)
    assert [row["value"] for row in read(path)] == ["1", "2", "3", ""]
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("kind", FORMATS)
def test_end_by_an_exception_keeps_both_reports(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"r.{kind}", DONE)
    sink = ReportFile(str(path))
    sink.add(FAILED)
    sink.complete = True
    sink.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [row["status"] for row in read(path)] == ["failed"]
    (row,) = read(write(path, SKIPPED))
    assert row["value"] == '{"a":[1,null]}'


def test_rows_of_a_killed_parquet_report_are_found_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    spool = tmp_path / "r.parquet.rows"
    with ReportFile(str(path)) as sink:
        sink.add(DONE)
        sink.flush()
        assert not path.exists()
        written = spool.read_bytes()
    path.unlink()
    spool.write_bytes(written + b'{"url": "cut')  # as a kill leaves it
    (row,) = read(write(path, SKIPPED))
    assert row["value"] == '{"a":[1,null]}'
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("cut", [1, 5, 40, 200])
def test_cut_row_of_a_killed_csv_report_is_left_out(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "r.csv", DONE, Result(URL, "other", Status.DONE, 15, value="x" * 300, metadata=DONE.metadata))
    path.write_bytes(path.read_bytes()[:-cut])
    rows = read(write(path, SKIPPED))
    assert [row["value"] for row in rows] == ['{"a":[1,null]}']


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", ["x", "\0\n", '{"url": 5}\n[]\n{', "url,path\n1\n", '"'])
def test_file_that_is_no_report_is_replaced(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / f"r.{kind}"
    path.write_text(text)
    assert [row["path"] for row in read(write(path, SKIPPED))] == ["d/file"]
    assert os.listdir(tmp_path) == [path.name]


def test_values_of_the_first_version_become_json(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    values = {"a": "text", "b": 5, "c": None, "d": {"x": [1]}}
    old = [
        {"url": f"http://h/{name}", "path": name, "status": "done", "bytes": 1, "etag": None, "value": value, "error": None}
        for name, value in values.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in old))
    rows = read(write(path, *[Result(f"http://h/{name}", name, Status.SKIPPED, 1, reason="exists") for name in values]))
    assert [row["value"] for row in rows] == ['"text"', "5", "", '{"x":[1]}']


# --- outputs of every kind


def test_rows_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    for kind in ("jsonl", "csv", "tsv"):
        with ReportFile(str(path := tmp_path / f"r.{kind}")) as sink:
            for count in (1, 2):
                sink.add(DONE)
                sink.flush()
                assert len(read(path)) == count


def test_report_goes_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with ReportFile("-") as sink:
        sink.add(DONE)
    assert json.loads(capfd.readouterr().out) == EXPECTED_DONE
    os.write(1, b"still open\n")
    assert capfd.readouterr().out == "still open\n"


@pytest.mark.parametrize("kind", FORMATS)
def test_report_that_cannot_be_written_is_a_storage_error(tmp_path: Path, kind: str) -> None:
    os.mkdir(folder := tmp_path / f"r.{kind}")
    with pytest.raises(StorageError, match="Is a directory"), ReportFile(str(folder)) as sink:
        sink.add(DONE)
    with pytest.raises(StorageError, match="No such file"):
        ReportFile(str(tmp_path / "missing" / f"r.{kind}"))


@pytest.fixture(params=FORMATS)
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A file of each format on a disk that is full."""
    path = tmp_path / f"full.{request.param}"
    path.symlink_to("/dev/full")
    yield str(path)
    assert path.is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
@pytest.mark.parametrize("flush", [True, False])
def test_full_disk_is_a_storage_error(full: str, flush: bool) -> None:
    def fill() -> None:
        with ReportFile(full) as sink:
            sink.add(DONE)
            if flush:
                sink.flush()

    with pytest.raises(StorageError, match="No space left"):
        fill()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk here that is always full")
def test_full_disk_does_not_hide_what_ended_the_run(full: str) -> None:
    def broken() -> None:
        with ReportFile(full) as sink:
            sink.add(DONE)
            raise KeyError("what ended the run")

    with pytest.raises(KeyError):
        broken()


def test_columns_have_distinct_names_and_lines_all_of_them() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    line = json.loads(RowEncoder(COLUMNS).line(row_of(DONE)))
    assert list(line) == list(dict.fromkeys(name.partition(".")[0] for name in names))


def test_every_column_is_described_with_its_type() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    described = {name.strip("`"): kinds for names, kinds, *_ in rows for name in names.split(", ")}
    names_of_types = {"text": "text", "integer": "integer", "number": "number", "boolean": "boolean", "texts": "object"}
    for name, kind in COLUMNS:
        assert names_of_types[kind] in described[name].split(", "), name
    assert {column.name for column in MANIFEST_COLUMNS} <= set(described)


def test_unknown_columns_are_ignored_and_missing_ones_are_empty(tmp_path: Path) -> None:
    columns = [Column("url"), Column("n", "integer"), Column("x", "number"), Column("ok", "boolean"), Column("meta", "texts")]
    (tmp_path / "a.csv").write_text('other,ok,url\n1,true,"a"\n')
    (tmp_path / "a.jsonl").write_text('{"other": [1], "ok": true, "url": "a", "n": "5", "x": null, "meta": {"k": "v"}}\n')
    expected: list[list[Value]] = [["a", 0, 0.0, True, {}], ["a", 5, 0.0, True, {"k": "v"}]]
    assert [row for name in ("a.csv", "a.jsonl") for row in read_rows(str(tmp_path / name), columns)] == expected
