"""What is exported from a journal is what the journal says, and is read again by those who read such files."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from downloader.core.model import Download
from downloader.core.names.file_names import default_path, safe_component, wished_path
from downloader.errors import DownloadError, StorageError, UsageError
from downloader.inventory.expected_files import from_sums
from downloader.inventory.journal_export import Export, ExportCounts, _list_entry, plan_export, write_export
from downloader.sources.text import parse
from downloader.storage.journal_reader import JournalReader
from downloader.storage.journal_rows import JournalRow
from tests.support.journals import done, failed, write_journal

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("to", "kind", "status", "algorithm", "expected"),
    [
        ("urls-failed.txt", "", "", "", Export("", "urls", "failed")),
        ("x.urls", "", "all", "", Export("", "urls", "all")),
        ("report.csv", "", "", "", Export("", "csv", "all")),
        ("REPORT.JSONL", "", "done", "", Export("", "jsonl", "done")),
        ("r.ndjson", "", "", "", Export("", "jsonl", "all")),
        ("r.parquet", "", "", "", Export("", "parquet", "all")),
        ("dir/SHA256SUMS", "", "", "", Export("", "sums", "done", "", "sha256")),
        ("md5sums.txt", "", "done", "", Export("", "sums", "done", "", "md5")),
        ("CHECKSUMS", "", "", "sha-512", Export("", "sums", "done", "", "sha512")),
        ("-", "sums", "", "", Export("", "sums", "done")),
        ("-", "urls", "", "", Export("", "urls", "failed")),
        ("x.csv", "urls", "", "", Export("", "urls", "failed")),
    ],
)
def test_name_tells_what_is_written(to: str, kind: str, status: str, algorithm: str, expected: Export) -> None:
    assert plan_export(to, kind, status, "", algorithm) == replace(expected, to=to)


@pytest.mark.parametrize(
    ("to", "kind", "status", "algorithm", "text"),
    [
        ("-", "", "", "", "--as tells"),
        ("x.bin", "", "", "", "does not tell"),
        ("SHA999SUMS", "", "", "", "unknown kind"),
        ("SHA256SUMS", "", "failed", "", "complete files only"),
        ("x.csv", "", "", "md5", "for sums files"),
        ("x", "sums", "", "nonsense", "unknown kind"),
    ],
)
def test_what_cannot_be_exported_is_refused(to: str, kind: str, status: str, algorithm: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        plan_export(to, kind, status, "", algorithm)


def exported(folder: Path, name: str, *rows: JournalRow, status: str = "", host: str = "") -> tuple[Path, ExportCounts]:
    """The file that is exported from a journal with these rows."""
    path = write_journal(folder, *rows)
    with JournalReader(path) as journal:
        counts = write_export(journal, str(folder), plan_export(str(folder / name), "", status, host, ""))
    return folder / name, counts


def test_list_has_failed_urls_and_their_names(tmp_path: Path) -> None:
    other = replace(failed("b?id=1"), path="sub/b.txt")
    path, counts = exported(tmp_path, "failed.txt", failed("a"), other, done("c"), failed("d", host="b.example"))
    assert counts == ExportCounts(3, 0)
    text = "https://a.example/a\nhttps://a.example/b?id=1\n  out=sub/b.txt\nhttps://b.example/d\n"
    assert path.read_text() == text
    path, counts = exported(
        tmp_path / "2", "all.txt", failed("a"), done("c"), done("d", host="b.example"), status="all", host="a.*"
    )
    assert path.read_text() == "https://a.example/a\nhttps://a.example/c\n"


def test_url_with_a_masked_secret_is_left_out(tmp_path: Path) -> None:
    path, counts = exported(tmp_path, "failed.txt", failed("a?token=***"), failed("b"))
    assert (path.read_text(), counts) == ("https://a.example/b\n", ExportCounts(1, 1))


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.booleans())
def test_exported_entry_is_the_same_download_again(name: str, out: str, named: bool) -> None:
    from urllib.parse import quote

    url = f"https://a.example/x/{quote(name, errors='ignore', safe='')}"
    path = wished_path("", f"sub/{safe_component(out)}") if named else default_path(Download(url))
    entry = _list_entry(replace(failed("x"), url=url, path=path))
    assert entry is not None
    (found,) = parse(iter(entry.decode().splitlines()), "list", pytest.fail)
    assert found.url == url
    assert (wished_path(found.dir, found.out) if found.out else default_path(found)) == path


def test_reports_have_a_row_for_each_url(tmp_path: Path) -> None:
    rows = [failed("a"), done("b,c", 5, f"sha256={DIGEST}")]
    path, counts = exported(tmp_path, "r.csv", *rows)
    assert counts == ExportCounts(2, 0)
    with path.open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [(row["url"], row["path"], row["status"], row["bytes"], row["error.class"]) for row in table] == [
        ("https://a.example/a", "a", "failed", "0", "HTTPStatusError"),
        ("https://a.example/b,c", "b,c", "done", "5", ""),
    ]
    path, _ = exported(tmp_path / "2", "r.jsonl", *rows, status="done")
    (row,) = map(json.loads, path.read_text().splitlines())
    assert row == {
        "url": "https://a.example/b,c",
        "path": "b,c",
        "status": "done",
        "bytes": 5,
        "received": 5,
        "http_status": 200,
        "attempts": 1,
        "etag": "",
        "last_modified": "",
        "digests": f"sha256={DIGEST}",
        "ended": 1500.0,
        "error": {"class": "", "message": ""},
    }


def test_parquet_report_is_read_by_others(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    path, _ = exported(tmp_path, "r.parquet", failed("a"), done("b", 5))
    frame = polars.read_parquet(path)
    assert frame.select("url", "status", "bytes").rows() == [
        ("https://a.example/a", "failed", 0),
        ("https://a.example/b", "done", 5),
    ]


def test_sums_file_has_recorded_digests(tmp_path: Path) -> None:
    rows = [
        done("b", 3, f"md5=1 sha256={DIGEST}"),
        done("a", 3),
        failed("c"),
        replace(done("x", 3, f"sha256={DIGEST}"), path="../x"),
    ]
    path, counts = exported(tmp_path, "SHA256SUMS", *rows)
    assert (path.read_text(), counts) == (f"{DIGEST}  b\n", ExportCounts(1, 2, "sha256"))
    path.unlink()
    with pytest.raises(UsageError, match="no sha512 digest is recorded"):
        exported(tmp_path / "2", "SHA512SUMS", *rows)
    assert not (tmp_path / "2" / "SHA512SUMS").exists()


SHA1, BLAKE3 = f"sha1={'0' * 40}", f"blake3={'1' * 64}"


@pytest.mark.parametrize(
    ("digests", "algorithm", "rows"),
    [
        ([SHA1, SHA1, f"{SHA1} sha256={DIGEST}"], "sha1", 3),
        ([f"{SHA1} sha256={DIGEST}"], "sha256", 1),
        ([BLAKE3, BLAKE3, SHA1, "nonsense=1 nonsense"], "sha1", 1),  # in a file of this name, BLAKE3 would be read as SHA-256
        ([f"sha512={DIGEST * 2}"], "sha512", 1),
    ],
)
def test_sums_file_whose_name_tells_no_algorithm_has_the_digests_of_most_files(
    tmp_path: Path, digests: list[str], algorithm: str, rows: int
) -> None:
    path, counts = exported(tmp_path, "CHECKSUMS", *(done(f"f{number}", 3, text) for number, text in enumerate(digests)))
    assert counts == ExportCounts(rows, len(digests) - rows, algorithm)
    (found, *_) = [item.checksums[0] for item in from_sums(str(path))]
    assert algorithm in found.algorithm.split("|")


def test_algorithms_that_the_journal_has_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="no sha256 digest is recorded in the journal; it has blake3 of 2, sha3-256 of 1 files"
    ):
        exported(tmp_path, "CHECKSUMS", done("a", 3, BLAKE3), done("b", 3, f"{BLAKE3} sha3-256={DIGEST}"))
    with pytest.raises(UsageError, match="--digest sha256 records them"):
        exported(tmp_path / "2", "CHECKSUMS", done("a", 3))


@pytest.mark.parametrize("name", ["missing/x.txt", "missing/x.csv", "missing/x.parquet", "missing/SHA256SUMS"])
def test_file_that_cannot_be_written_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="cannot write") as caught:
        exported(tmp_path, name, done("a", 3, f"sha256={DIGEST}"))
    assert isinstance(caught.value, DownloadError)
