"""`--manifest`: what is known of each file of a list, from run to run, in each format."""

import os
import threading
from itertools import count
from pathlib import Path
from typing import Any

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Result, Status
from downloader.errors import HTTPStatusError, StorageError, UsageError
from downloader.reports.manifest import COLUMNS, Manifest, ManifestRow
from downloader.reports.row_reader import read_rows

FORMATS = ("jsonl", "csv", "tsv", "parquet")
NAMES = [column.name for column in COLUMNS]


def done(name: str, size: int = 3, etag: str = "1", **more: Any) -> Result:
    """A file that was fetched."""
    return Result(f"http://h/{name}", name, Status.DONE, size, etag=etag, http_status=200, **more)


def skipped(name: str, size: int = 3, reason: str = "exists", etag: str = "") -> Result:
    """A file that existed."""
    return Result(f"http://h/{name}", name, Status.SKIPPED, size, reason=reason, etag=etag)


def failed(name: str, status: int = 404) -> Result:
    """A file that was not fetched."""
    url = f"http://h/{name}"
    return Result(url, name, Status.FAILED, http_status=status, error=HTTPStatusError(status, url))


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of a manifest in each format. The folder `out` beside it is the folder of the run."""
    (tmp_path / "out").mkdir()
    return tmp_path / f"m.{request.param}"


def run(path: Path, *results: Result, complete: bool = True, now: int = 0, function: str = "") -> dict[str, dict[str, Any]]:
    """The rows of a manifest after a run with these Results, by their paths; the files of the Results are on disk."""
    for result in results:
        if result.bytes:
            (path.parent / "out" / result.path).write_bytes(b"x" * result.bytes)
    with Manifest(str(path), str(path.parent / "out"), function, lambda: float(now)) as manifest:
        for result in results:
            manifest.add(result)
        manifest.complete = complete
    return read(path)


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The rows by the paths of their files, in their order."""
    rows = [dict(zip(NAMES, row, strict=True)) for row in read_rows(str(path), COLUMNS)]
    assert len({(row["url"], row["path"]) for row in rows}) == len(rows)
    return {row["path"]: row for row in rows}


def test_fields_of_a_row_are_the_columns() -> None:
    assert [name.replace(".", "_") for name in NAMES] == list(ManifestRow.__struct_fields__)


def test_row_of_a_file_that_was_fetched(path: Path) -> None:
    more = {"value": [1], "digests": (Checksum("sha256", "ab"),), "metadata": (("id", "7"),), "origin": "l.csv:2"}
    rows = run(path, done("a", verified=True, last_modified="then", **more), now=86400, function="own:f")
    assert rows == {
        "a": {
            "schema": 2,
            "url": "http://h/a",
            "path": "a",
            "status": "done",
            "listed": True,
            "bytes": 3,
            "changed": "1970-01-02T00:00:00Z",
            "etag": "1",
            "last_modified": "then",
            "digests": "sha256=ab",
            "verified": True,
            "value": "[1]",
            "processed": True,
            "function": "own:f",
            "warning": "",
            "http_status": 200,
            "final_url": "",
            "error.class": "",
            "error.message": "",
            "origin": "l.csv:2",
            "meta": {"id": "7"},
        }
    }


def test_skipped_file_keeps_what_is_known(path: Path) -> None:
    before = run(path, done("a", value=5, digests=(Checksum("md5", "ab"),)), now=60, function="own:f")
    assert run(path, skipped("a"), now=99, function="own:f") == before
    assert run(path, skipped("a", reason="not modified", etag="1"), now=99) == before


def test_file_that_existed_before_the_manifest_is_skipped(path: Path) -> None:
    row = run(path, skipped("a"))["a"]
    assert (row["status"], row["bytes"], row["changed"]) == ("skipped", 3, "")
    assert run(path, skipped("a"))["a"] == row


@pytest.mark.parametrize("now", [skipped("a", size=4), skipped("a", etag="2")])
def test_nothing_is_kept_of_a_file_that_has_changed(path: Path, now: Result) -> None:
    run(path, done("a", value=5, digests=(Checksum("md5", "ab"),)))
    row = run(path, now)["a"]
    assert (row["bytes"], row["value"], row["digests"], row["changed"]) == (now.bytes, "", "", "")


def test_failure_keeps_what_is_known_of_the_file_on_disk(path: Path) -> None:
    run(path, done("a", value=5, digests=(Checksum("md5", "ab"),)), now=60)
    row = run(path, failed("a", 503))["a"]
    assert (row["status"], row["http_status"], row["error.class"]) == ("failed", 503, "HTTPStatusError")
    assert (row["bytes"], row["value"], row["digests"], row["etag"]) == (3, "5", "md5=ab", "1")
    assert row["changed"] == "1970-01-01T00:01:00Z"
    row = run(path, skipped("a"))["a"]
    assert (row["status"], row["error.class"], row["value"]) == ("done", "", "5")


def test_failure_says_nothing_of_a_file_that_has_gone(path: Path) -> None:
    run(path, done("a", value=5))
    (path.parent / "out" / "a").unlink()
    row = run(path, failed("a"))["a"]
    assert (row["bytes"], row["value"], row["changed"]) == (0, "", "")


def test_empty_file_is_a_file(path: Path) -> None:
    (path.parent / "out" / "a").touch()
    run(path, done("a", size=0, value=5))
    assert run(path, failed("a"))["a"]["value"] == "5"


def test_rows_keep_their_order_and_new_ones_follow(path: Path) -> None:
    run(path, done("c"), done("a"))
    assert list(run(path, done("z"), skipped("a"), done("b"), skipped("c"))) == ["c", "a", "z", "b"]


def test_entry_that_left_the_list_stays_while_its_file_does(path: Path) -> None:
    run(path, done("a", value=5), failed("b"), done("c"))
    (path.parent / "out" / "c").unlink()
    rows = run(path, done("d"))
    assert {name: row["listed"] for name, row in rows.items()} == {"a": False, "d": True}
    assert rows["a"]["value"] == "5"
    assert run(path, skipped("a"))["a"]["listed"] is True


def test_stopped_run_changes_only_the_rows_that_it_came_to(path: Path) -> None:
    before = run(path, done("a"), failed("b"))
    after = run(path, done("c"), complete=False)
    assert {name: after[name] for name in before} == before
    assert after["c"]["status"] == "done"


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("jsonl", b'{"url": "http'),
        ("jsonl", b'{"schema": 2, "url": 7, "bytes": "x"}'),
        ("csv", b"only,three,cells"),
        ("tsv", b"x"),
    ],
)
def test_damaged_rows_are_counted(tmp_path: Path, kind: str, damage: bytes) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / f"m.{kind}"
    run(path, done("a"), done("b"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], damage, b"\n\n", damage, b"\n", lines[-1]]))
    told: list[int] = []
    for _ in range(2):
        with Manifest(str(path), str(tmp_path / "out"), on_bad_rows=told.append) as manifest:
            manifest.add(done("c"))
    assert told == [2]  # the second run finds none
    assert list(read(path)) == ["a", "b", "c"]


def test_duplicates_have_no_row_of_their_own(path: Path) -> None:
    assert run(path, done("a"), skipped("a", reason="duplicate", size=0))["a"]["status"] == "done"


def test_one_url_under_two_names_is_two_files(path: Path) -> None:
    one, two = (Result("http://h/a", name, Status.DONE, 1) for name in ("x", "y"))
    assert list(run(path, one, two)) == ["x", "y"]


def test_run_without_a_file_changes_nothing(path: Path) -> None:
    run(path, done("a"))
    before = path.read_bytes()
    run(path)
    assert path.read_bytes() == before


def test_rows_of_a_killed_run_are_merged_by_the_next(path: Path) -> None:
    run(path, done("a", value=1))
    before = path.read_bytes()
    with Manifest(str(path), str(path.parent / "out")) as manifest:
        manifest.add(done("b"))
        manifest.flush()
        assert path.read_bytes() == before  # the earlier one, until the end
        rows = Path(f"{path}.rows").read_bytes()
    path.write_bytes(before)
    Path(f"{path}.rows").write_bytes(rows + b'{"url": "cut')  # as a kill leaves them
    assert list(run(path, done("c"), complete=False)) == ["a", "b", "c"]
    assert sorted(os.listdir(path.parent)) == sorted([path.name, "out"])


def test_metadata_has_columns_in_tables(path: Path) -> None:
    run(path, done("a", metadata=(("id", "x"),)))
    run(path, skipped("a"), done("b", metadata=(("id", "y"), ("other", "z"))))
    if path.suffix in (".csv", ".parquet"):
        table = polars.read_csv(path) if path.suffix == ".csv" else polars.read_parquet(path)
        assert table.columns[-2:] == ["meta.id", "meta"]
    assert read(path)["b"]["meta"] == {"id": "y", "other": "z"}


def test_manifest_must_be_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("-", str(tmp_path / "pipe.csv"), "/dev/null"):
        with pytest.raises(UsageError, match="no regular file"):
            Manifest(name)
    with pytest.raises(UsageError, match="no regular file"):
        Manifest(str(tmp_path))


def test_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        Manifest(str(tmp_path / "missing" / "m.csv"))


def test_failure_at_the_end_loses_nothing(path: Path) -> None:
    run(path, done("a"))
    before = path.read_bytes()
    (blocked := Path(f"{path}.new")).mkdir()
    (blocked / "file").touch()
    with pytest.raises(StorageError, match="cannot write"):
        run(path, done("b"))
    assert path.read_bytes() == before
    (blocked / "file").unlink()
    blocked.rmdir()
    assert list(run(path, done("c"), complete=False)) == ["a", "b", "c"]


def test_two_runs_do_not_write_one_manifest(path: Path) -> None:
    with Manifest(str(path), str(path.parent / "out")) as manifest:
        manifest.add(done("a"))
        with pytest.raises(StorageError, match="another run writes this manifest"):
            Manifest(str(path))
    assert list(read(path)) == ["a"]
    assert list(run(path, done("b"), complete=False)) == ["a", "b"]


def test_second_run_can_wait_for_the_first(path: Path) -> None:
    waits = threading.Event()

    def second() -> None:
        with Manifest(str(path), str(path.parent / "out"), on_wait=waits.set) as manifest:
            manifest.add(done("b"))

    with Manifest(str(path), str(path.parent / "out")) as manifest:
        manifest.add(done("a"))
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(20)
    thread.join(20)
    assert list(read(path)) == ["a", "b"]


STEPS = st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("dsfe")), max_size=4), max_size=6)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.sampled_from(FORMATS))
def test_value_is_that_of_the_run_that_fetched_the_file_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[str, str]]], kind: str
) -> None:
    """Any runs: files fetched, skipped, failed, or deleted and then failed."""
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "out").mkdir()
    values: dict[str, str] = {}
    number = count(1)
    for step in steps:
        results = []
        for name, what in dict(step).items():
            if what == "d":
                values[name] = str(value := next(number))
                results.append(done(name, value=value))
            elif what == "s" and name in values:
                results.append(skipped(name))
            else:
                if what == "e" and values.pop(name, None):
                    (folder / "out" / name).unlink()
                results.append(failed(name))
        if results:
            rows = run(folder / f"m.{kind}", *results, complete=False)
            assert {name: row["value"] for name, row in rows.items() if row["value"]} == values


@pytest.mark.parametrize(
    "content", [b"https://h/a\n", b"\x00\xff garbage", b'{"url": "https://h/a"}\n', b'"url","path"\n"u","p"\n']
)
def test_file_that_is_no_manifest_stays_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is no manifest"):
        Manifest(str(path), str(path.parent / "out"))
    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir() if entry.name not in ("out", path.name)] == []
