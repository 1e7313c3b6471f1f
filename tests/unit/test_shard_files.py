"""The files of one shard: a tar file, a table and statistics."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Result, Status
from downloader.core.names.earlier_files import NOT_WANTED, UNKNOWN
from downloader.errors import HTTPStatusError, StorageError
from downloader.reports import shard_files
from downloader.reports.shard_files import SHARD_COLUMNS, ShardFiles
from downloader.reports.stored_samples import StoredSamples, sample_rows

FAILED = Result("http://h/x", "x", Status.FAILED, error=HTTPStatusError(404, "http://h/x"))


def add(shard: ShardFiles, result: Result, folder: Path, content: bytes) -> None:
    path = folder / "staged"
    path.write_bytes(content)
    os.utime(path, (0, 86400))
    with path.open("rb", buffering=0) as file:
        shard.add(result, file)


def done(path: str, content: bytes = b"", **values: object) -> Result:
    return Result(f"http://h/{path}", path, Status.DONE, len(content), **values)  # type: ignore[arg-type]


def test_members_rows_and_statistics_agree(tmp_path: Path) -> None:
    contents = {"a.jpg": b"1" * 700, "b/c.json": b"{}", "empty": b"", "x" * 250 + ".jpg": b"2" * 512, "\udc80.png": b"3"}
    shard = ShardFiles(str(tmp_path), 7, ["caption"], "m:f")
    for path, content in contents.items():
        metadata = (("caption", f"of {path}"), ("other", "1"))
        result = done(path, content, metadata=metadata, digests=(Checksum("md5", "00"),), value=1)
        add(shard, result, tmp_path, content)
    shard.add(FAILED)
    size = shard.size
    shard.close()
    assert (tmp_path / "00007.tar").stat().st_size == size

    with tarfile.open(tmp_path / "00007.tar") as tar:
        members = tar.getmembers()
        read = {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    assert [member.name for member in members[:4]] == [
        *("00007_000000.jpg", "00007_000000.json", "00007_000001.data.json", "00007_000001.json")
    ]
    assert members[0].mtime == 86400
    rows = polars.read_parquet(tmp_path / "00007.parquet").to_dicts()
    assert list(rows[0]) == [*(column.name for column in SHARD_COLUMNS[:-1]), "meta.caption", "meta"]
    for place, (row, content) in enumerate(zip(rows, contents.values(), strict=False)):
        key = f"00007_{place:06d}"
        (data,) = [text for name, text in read.items() if name.startswith(key) and name != f"{key}.json"]
        assert data == content
        assert row["key"] == key
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert row["processed"]
        assert row["meta.caption"].startswith("of ")
        described = json.loads(read[f"{key}.json"])
        assert described["meta"]["other"] == "1"
        assert {name: described[name] for name in ("key", "url", "path", "bytes", "sha256", "digests", "value")} == {
            name: row[name] for name in ("key", "url", "path", "bytes", "sha256", "digests", "value")
        }
    assert (rows[-1]["key"], rows[-1]["status"], rows[-1]["error.class"]) == ("", "failed", "HTTPStatusError")

    stats = json.loads((tmp_path / "00007.stats.json").read_text())
    assert (stats["shard"], stats["done"], stats["failed"], stats["tar_bytes"]) == ("00007", 5, 1, size)
    assert stats["success_rate"] == pytest.approx(5 / 6, abs=1e-6)
    assert stats["reasons"] == {"HTTPStatusError: HTTP 404 Not Found": 1}
    assert not list(tmp_path.glob("*.new"))


def test_a_shard_without_files_can_be_read(tmp_path: Path) -> None:
    shard = ShardFiles(str(tmp_path), 0)
    shard.add(FAILED)
    shard.close()
    with tarfile.open(tmp_path / "00000.tar") as tar:
        assert tar.getnames() == []
    assert list(sample_rows(str(tmp_path / "00000.parquet"))) == [("http://h/x", "x", "failed", 0)]


@given(st.from_regex(r"[0-9_]{1,40}\.[a-z0-9]{1,16}", fullmatch=True), st.integers(0, 9 * 1024**3), st.integers(-5, 2**33 - 1))
def test_headers_are_those_of_tarfile(name: str, size: int, modified: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = size, max(0, modified)
    header = shard_files._header(name, size, modified)
    assert header == info.tobuf(tarfile.USTAR_FORMAT if size < 8 * 1024**3 else tarfile.GNU_FORMAT)
    read = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
    assert (read.name, read.size, read.mtime) == (name, size, max(0, modified))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=6), st.integers(0, 5000))
def test_the_size_with_another_file_is_not_too_small(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], last: int
) -> None:
    folder = tmp_path_factory.mktemp("shard")
    shard = ShardFiles(str(folder), 0)
    for size in sizes:
        add(shard, done("a.b", bytes(size)), folder, bytes(size))
    expected = shard.size_with(last)
    add(shard, done("a.b", bytes(last)), folder, bytes(last))
    assert shard.size <= expected <= shard.size + shard_files.ROW_BYTES + tarfile.RECORDSIZE
    shard.close()


def test_a_file_that_shrinks_is_refused(tmp_path: Path) -> None:
    class Shrinking(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            return b""

    (tmp_path / "staged").write_bytes(b"12345")
    shard = ShardFiles(str(tmp_path), 0)
    with Shrinking(tmp_path / "staged") as shrinking, pytest.raises(OSError, match="changed while it was read"):
        shard.add(done("a.b", b"12345"), shrinking)
    shard.discard()


ROWS = st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from("ab"), st.sampled_from(["done", "failed", "skipped"])))


@given(ROWS)
def test_what_stored_samples_know(rows: list[tuple[str, str, str]]) -> None:
    fetched, again = StoredSamples(), StoredSamples(only_failed=True)
    for samples in (fetched, again):
        samples.load([(url, path, status, 5) for url, path, status in rows])
    last = {(url, path): status for url, path, status in rows if status != "skipped"}
    failed = {entry for entry, status in last.items() if status == "failed"}
    stored = {url for url, _, status in rows if status == "done"}
    assert fetched.failed == again.failed == len(failed)
    for url in "uvw":
        for path in "abc":
            expected = UNKNOWN if (url, path) in failed or url not in stored else 5
            assert fetched.state_of(url, path) == expected
            assert again.state_of(url, path) == (UNKNOWN if (url, path) in failed else NOT_WANTED)


def test_a_damaged_table_is_an_error_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "00000.parquet"
    for content in (b"", b"PAR1 no table"):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"cannot read .*00000\.parquet.*remove the files of this number"):
            list(sample_rows(str(path)))
    polars.DataFrame({"url": ["http://h/a"]}).write_parquet(path)
    with pytest.raises(StorageError, match="cannot read"):
        list(sample_rows(str(path)))
