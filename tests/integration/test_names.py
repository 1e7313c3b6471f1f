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


def fanned(path: str, levels: int = 2) -> str:
    digest = hashlib.blake2b(path.encode(), digest_size=2).hexdigest()
    return "/".join([*(digest[:2], digest[2:])[:levels], path])


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
    assert {line.split("\t")[2] for line in again.stdout.splitlines()} == {fanned("2"), fanned("3")}
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
    assert not (tmp_path / "out").exists()


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
    assert "no value in a column of --name: 'id'" in str(report.failed[0].error)
    assert report.failed[0].url == listed[3].url


def test_columns_of_a_table_name_the_files(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    rows = [("1", "Rome/../x"), ("2", ""), ("", "Oslo")]
    lines = ["id,album,url", *(f"{number},{album},{server.file(index, 10)}" for index, (number, album) in enumerate(rows))]
    listing = dl.list(*lines, name="photos.csv")
    done = dl(listing, "-d", "out", "--name", "{col.album}/{index:04d}-{col.id}{ext}")
    assert done.returncode == 0, done.stderr
    suffix = Path(urlsplit(server.file(0, 10)).path).suffix
    assert files_in(tmp_path / "out") == {
        f"Rome_.._x/0001-1{suffix}",
        f"0002-2{suffix}",
        f"Oslo/0003-{suffix}",
    }
    wrong = dl(listing, "-d", "out", "--name", "{col.Album}")
    assert wrong.returncode == 2
    assert "the list has no column 'Album' (the columns are id, album)" in wrong.stderr


def test_a_row_without_a_value_fails_alone(server: TestServer, dl: Shell, tmp_path: Path) -> None:
    rows = [f'{{"url": "{server.file(0, 10)}", "id": 7}}', f'{{"url": "{server.file(1, 10)}"}}']
    done = dl(dl.list(*rows, name="list.jsonl"), "-d", "out", "--name", "{col.id}", "--failed", "failed.txt")
    assert done.returncode == 10
    assert "1 done, 0 skipped, 1 failed" in done.stderr
    assert f"{server.file(1, 10)}: the row has no value in a column of --name: 'id'" in done.stderr
    assert (files_in(tmp_path / "out"), (tmp_path / "failed.txt").read_text()) == ({"7"}, f"{server.file(1, 10)}\n")


@pytest.mark.parametrize("options", [("--order", "reversed"), ("--retry-failed",)])
def test_positions_do_not_depend_on_what_is_fetched_and_when(
    server: TestServer, dl: Shell, tmp_path: Path, options: tuple[str, ...]
) -> None:
    listing = dl.list(server.file(1, 10), f"{server.url}/missing", server.file(3, 10))
    names = ("-d", "out", "--name", "{index}", "--fanout", "1")
    assert dl(listing, *names).returncode == 8
    (tmp_path / "out" / fanned("3", 1)).unlink()
    dry = dl(listing, *names, "--dry-run", *options)
    paths = {line.split("\t")[2] for line in dry.stdout.splitlines() if line.startswith("fetch")}
    assert fanned("2", 1) in paths
    assert paths <= {fanned("2", 1), fanned("3", 1)}


def test_a_retry_without_the_list_knows_the_names(server: TestServer, dl: Shell) -> None:
    listing = dl.list(server.file(1, 10), f"{server.url}/missing")
    dl(listing, "-d", "out", "--name", "{index}", "--fanout", "2")
    for options in ((), ("--fanout", "2"), ("--fanout", "2", "--name", "{index}")):
        dry = dl("-d", "out", "--retry-failed", "--dry-run", *options)
        assert dry.stdout == f"fetch\t{server.url}/missing\t{fanned('2')}\n", dry.stderr
