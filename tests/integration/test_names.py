"""`--name`, `--flatten` and `--fanout` as a user types them: the dry run, the run, the next run, and the list of failures."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from downloader import Download, download
from downloader.testserver.launch import TestServer
from tests.support.command import Shell


def files_in(folder: Path) -> set[str]:
    """The paths of all files, but for what the program keeps for itself."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if not path.startswith(".downloader")}


def fanned(path: str) -> str:
    digest = hashlib.blake2b(path.encode(), digest_size=2).hexdigest()
    return f"{digest[:2]}/{digest[2:]}/{path}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--name", "{host}/n/{index:03d}-{stem}{ext}"), ["127.0.0.1/n/001-{0}", "127.0.0.1/n/002-{1}", "o/p.bin"]),
        (("--name", "x/{index}", "--flatten"), ["x_1", "x_2", "o_p.bin"]),
        (("--name", "{index}", "--fanout", "2"), [fanned("1"), fanned("2"), fanned("o/p.bin")]),
        (("--flatten",), ["{0}", "{1}", "o_p.bin"]),
    ],
)
def test_each_run_names_the_files_alike(
    server: TestServer, dl: Shell, tmp_path: Path, options: tuple[str, ...], expected: list[str]
) -> None:
    urls = [server.file(number, 100) for number in range(2)]
    names = [urlsplit(url).path.rpartition("/")[2] for url in urls]
    paths = [path.format(*names) for path in expected]
    listing = dl.list(*urls, server.file(2, 100), "  out=o/p.bin")
    dry = dl(listing, "-d", "out", "--dry-run", *options)
    assert [line.split("\t")[2] for line in dry.stdout.splitlines()] == paths
    for counts in ("3 done, 0 skipped", "0 done, 3 skipped"):
        done = dl(listing, "-d", "out", *options)
        assert (done.returncode, counts in done.stderr) == (0, True), done.stderr
        assert files_in(tmp_path / "out") == set(paths)


def test_a_list_of_failures_is_fetched_to_the_same_names(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    listing = dl.list(server.file(1, 10), f"{server.url}/missing/1", f"{server.url}/missing/2")
    options = ("-d", "out", "--name", "{index}", "--fanout", "2")
    done = dl(listing, *options, "--failed", "failed.txt")
    assert done.returncode == 8, done.stderr
    again = dl("failed.txt", *options, "--dry-run")
    assert [line.split("\t")[2] for line in again.stdout.splitlines()] == [fanned("2"), fanned("3")]
    assert files_in(tmp_path / "out") == {fanned("1")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "{nmae}"), "--name: unknown field {nmae} (did you mean {name}?)"),
        (("--name", "{col.id}"), "--name: the list has no column 'id' (tables have columns"),
        (("--name", "{name}", "-x"), "--name and --keep-paths cannot be combined"),
        (("--fanout", "3"), "--fanout: must be 0, 1 or 2"),
    ],
)
def test_nothing_is_started_with_a_wrong_template(
    server: TestServer, dl: Shell, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    listing = dl.list(server.file(1, 10))
    for dry in ((), ("--dry-run",)):
        done = dl(listing, "-d", "out", *options, *dry)
        assert done.returncode == 2
        assert message in done.stderr
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_checksums_match_the_names_of_a_template(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    listing = dl.list(server.file(1, 10))
    dl(listing, "-d", "out", "--name", "n/{index:02d}")
    digest = hashlib.sha256((tmp_path / "out/n/01").read_bytes()).hexdigest()
    (tmp_path / "SUMS").write_text(f"{digest}  n/01\n")
    done = dl(listing, "-d", "out", "--name", "n/{index:02d}", "--checksums", "SUMS")
    assert done.returncode == 0, done.stderr
    assert "1 verified by a checksum" in done.stderr
    (tmp_path / "SUMS").write_text(f"{digest}  m/01\n")
    done = dl(listing, "-d", "out", "--name", "n/{index:02d}", "--checksums", "SUMS")
    assert done.returncode == 2
    assert "'n/01' was expected" in done.stderr


def test_columns_name_the_files_of_a_caller(server: TestServer, tmp_path: Path) -> None:
    listed = [Download(server.file(number, 10), metadata=(("id", f"../{number}"),)) for number in range(3)]
    listed.append(Download(server.file(3, 10)))
    report = download(listed, tmp_path, name="{col.id}/{index}")
    assert (report.done, report.failures) == (3, 1)
    assert files_in(tmp_path) == {".._0/1", ".._1/2", ".._2/3"}
    assert "no column 'id'" in str(report.failed[0].error)
    assert report.failed[0].url == listed[3].url
