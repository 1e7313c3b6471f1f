"""Files on the disk, compared with what is known of them; and digests of a folder, as a sums file."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from downloader.cli.verify_progress import Total, progress_line
from downloader.core import digests
from downloader.core.facts import Checksum
from downloader.core.names.checksum_lines import parse_line
from downloader.errors import DownloadError, StorageError, UsageError
from downloader.inventory import file_check
from downloader.inventory.expected_files import from_journal, from_report, from_sums, kind_of
from downloader.inventory.file_check import CheckedFile, ExpectedFile, FileState, FolderReader, Stopped, path_problem
from downloader.inventory.folder_check import FolderCheck
from downloader.inventory.folder_files import walk
from downloader.inventory.parallel import Parallel
from downloader.inventory.sums_file import algorithm_in_name, base_folder, sums_line
from downloader.inventory.sums_writer import FolderDigests
from downloader.storage.journal_reader import JournalReader
from downloader.storage.replaced_file import replaced_file
from tests.support.journals import done, failed, write_journal

DATA = b"content of a file"
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()
RIGHT = (Checksum("sha256", SHA256),)
WRONG = (Checksum("sha256", "0" * 64),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, links, a pipe and a subfolder; beside it, another file."""
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_bytes(DATA)
    (folder / "sub" / "file").write_bytes(DATA)
    (tmp_path / "outside").write_bytes(DATA)
    (folder / "inner-link").symlink_to("sub/file")
    (folder / "outer-link").symlink_to(tmp_path / "outside")
    (folder / "folder-link").symlink_to(tmp_path)
    (folder / "dangling").symlink_to("nothing")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(
    ("expected", "state"),
    [
        (ExpectedFile("file", len(DATA), RIGHT), FileState.OK),
        (ExpectedFile("file", None, RIGHT), FileState.OK),
        (ExpectedFile("file", None, (*RIGHT, Checksum("md5", MD5))), FileState.OK),
        (ExpectedFile("file", None, (*RIGHT, Checksum("md5", "0" * 32))), FileState.DIGEST_DIFFERS),
        (ExpectedFile("file", None, WRONG), FileState.DIGEST_DIFFERS),
        (ExpectedFile("file", 5, RIGHT), FileState.SIZE_DIFFERS),
        (ExpectedFile("file", 5), FileState.SIZE_DIFFERS),
        (ExpectedFile("file", len(DATA)), FileState.SIZE_ONLY),
        (ExpectedFile("file"), FileState.NAME_ONLY),
        (ExpectedFile("sub/file", None, RIGHT), FileState.OK),
        (ExpectedFile("inner-link", None, RIGHT), FileState.OK),
        (ExpectedFile("missing", 5), FileState.MISSING),
        (ExpectedFile("missing/file", 5), FileState.MISSING),
        (ExpectedFile("file/file", 5), FileState.MISSING),
        (ExpectedFile("dangling", 5), FileState.MISSING),
        (ExpectedFile("sub", 5), FileState.UNREADABLE),
        (ExpectedFile("pipe", 5), FileState.UNREADABLE),
        (ExpectedFile("loop", 5), FileState.UNREADABLE),
        (ExpectedFile("outer-link", None, RIGHT), FileState.UNREADABLE),
        (ExpectedFile("folder-link/outside", None, RIGHT), FileState.UNREADABLE),
        (ExpectedFile("x" * 300, 5), FileState.UNREADABLE),
        (ExpectedFile("a\0b", 5), FileState.UNREADABLE),
        (ExpectedFile("../outside", None, RIGHT, "the path leaves the folder"), FileState.REFUSED),
    ],
)
def test_one_file(folder: Path, expected: ExpectedFile, state: FileState) -> None:
    checked = FolderReader(str(folder), threading.Event()).check(expected)
    assert (checked.path, checked.state) == (expected.path, state)
    assert bool(checked.detail) == (state not in (FileState.OK, FileState.MISSING, FileState.SIZE_ONLY, FileState.NAME_ONLY))


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a/b", ""),
        ("a..b/..c", ""),
        ("", "not the path of a file"),
        ("a\0", "not the path of a file"),
        ("/a", "the path is absolute"),
        ("../a", "the path leaves the folder"),
        ("a/../b", "the path leaves the folder"),
        ("..", "the path leaves the folder"),
    ],
)
def test_path_stays_in_the_folder(path: str, problem: str) -> None:
    assert path_problem(path) == problem


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_file_without_permission_is_unreadable(folder: Path) -> None:
    (folder / "file").chmod(0)
    assert FolderReader(str(folder), threading.Event()).check(ExpectedFile("file", 17, RIGHT)).state is FileState.UNREADABLE


def test_file_that_changes_while_it_is_read_is_neither_right_nor_wrong(folder: Path) -> None:
    reader = FolderReader(str(folder), threading.Event())
    descriptor = reader.open("file")
    grow = (folder / "file").open("ab")
    assert not reader.read(descriptor, lambda block: (grow.write(b"x"), grow.close()) if not grow.closed else None)
    os.close(descriptor)


def test_large_file_is_read_in_blocks_and_a_stop_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_check, "BLOCK_BYTES", 5)
    stop = threading.Event()
    reader = FolderReader(str(folder), stop)
    assert reader.check(ExpectedFile("file", None, RIGHT)).state is FileState.OK
    assert reader.bytes_read == len(DATA)
    stop.set()
    with pytest.raises(Stopped):
        reader.check(ExpectedFile("file", None, RIGHT))
    assert reader.bytes_read == len(DATA) + 5


def test_several_files_are_compared_at_once(folder: Path) -> None:
    expected = [ExpectedFile("file", None, RIGHT), ExpectedFile("sub/file", None, WRONG), ExpectedFile("missing")]
    ticks: list[int] = []
    verification = FolderCheck(str(folder), iter(expected * 50), True, lambda: ticks.append(1), threads=3)
    wrong = sorted(item.path for item in verification)
    assert wrong == ["missing"] * 50 + ["sub/file"] * 50
    assert verification.counts == {FileState.OK: 50, FileState.DIGEST_DIFFERS: 50, FileState.MISSING: 50}
    assert (verification.checked, verification.wrong, verification.complete) == (150, 100, True)
    assert verification.bytes_read == 100 * len(DATA)
    assert len(ticks) >= 150
    skipped: dict[str, str] = {}
    (folder / "mine").write_text("")
    assert list(verification.unknown_files(skipped.__setitem__)) == ["mine"]
    assert set(skipped) == {"inner-link", "outer-link", "folder-link", "dangling", "loop", "pipe"}


def test_error_of_the_records_ends_the_comparison(folder: Path) -> None:
    def expected() -> Iterator[ExpectedFile]:
        for _ in range(20):
            yield ExpectedFile("file", None, RIGHT)
        raise StorageError("the disk is broken")

    verification = FolderCheck(str(folder), expected(), threads=3)
    with pytest.raises(StorageError, match="the disk is broken"):
        list(verification)
    assert not verification.complete


def test_work_that_is_left_early_ends_its_threads() -> None:
    stop, before = threading.Event(), threading.active_count()

    def endless() -> Iterator[int]:
        number = 0
        while True:
            number += 1
            yield number

    work = iter(Parallel(endless(), str, stop, threads=3))
    assert next(work).isdigit()
    work.close()  # type: ignore[attr-defined]
    assert stop.is_set()
    assert threading.active_count() == before


# --- what is known


def test_journal_tells_size_and_digests(tmp_path: Path) -> None:
    rows = [done("a", 3, f"sha256={SHA256} md5={MD5}"), done("b", 4), failed("c"), done("d", 5, "new-kind=12 crc32c=nonsense")]
    with JournalReader(write_journal(tmp_path, *rows)) as journal:
        found = {item.path: (item.size, item.checksums, item.problem) for item in from_journal(journal)}
    assert found == {"a": (3, (*RIGHT, Checksum("md5", MD5)), ""), "b": (4, (), ""), "d": (5, (), "")}


SUMS = f"""\
# comment
{SHA256}  plain name.txt

{SHA256} *binary
SHA256 (bsd name (1)) = {SHA256}
MD5 (md5) = {MD5}
\\{SHA256}  new\\nline
{SHA256}  ../outside
{SHA256}  /etc/passwd
nonsense
{SHA256}  ./dotted
"""


def test_sums_file_tells_digests(tmp_path: Path) -> None:
    path = tmp_path / "SHA256SUMS"
    path.write_text(SUMS)
    found = list(from_sums(str(path)))
    assert [item.path for item in found if not item.problem] == [
        *("plain name.txt", "binary", "bsd name (1)", "md5", "new\nline", "dotted")
    ]
    assert [item.origin for item in found if item.problem] == ["SHA256SUMS:8", "SHA256SUMS:9", "SHA256SUMS:10"]
    assert all(item.checksums == RIGHT for item in found if item.checksums and item.path != "md5")


def test_signed_sums_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "CHECKSUM"
    armour = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SHA256}  a\n-----BEGIN PGP SIGNATURE-----\n\nabc=\n"
    path.write_text(armour + "-----END PGP SIGNATURE-----\n")
    assert [(item.path, item.checksums) for item in from_sums(str(path))] == [("a", RIGHT)]


REPORT = f'{{"url":"u","path":"a","status":"done","bytes":17,"digests":"sha256={SHA256}"}}\n'
CSV_REPORT = f'"url","path","status","bytes","digests"\n"u","a,b","done",17,"sha256={SHA256}"\n'
CUT = '{"path":"a","status":"skipped","bytes":1}\n{"path":"b","sta'
UNREADABLE = ("", None, (), True)


@pytest.mark.parametrize(
    ("name", "text", "kind", "expected"),
    [
        ("r.jsonl", REPORT, "jsonl", [("a", 17, RIGHT, False)]),
        ("r", REPORT, "jsonl", [("a", 17, RIGHT, False)]),
        ("r.jsonl", '{"path":"a","status":"failed","bytes":0}\n\n', "jsonl", []),
        ("r.jsonl", '{"path":"a","status":"skipped","reason":"duplicate"}\n', "jsonl", []),
        (
            "r.jsonl",
            '{"path":"a","status":"skipped","bytes":1}\n{"path":"b","sta',
            "jsonl",
            [("a", 1, (), False), ("", None, (), True)],
        ),
        ("r.jsonl", f'{{"path":"a","digests":{{"sha256":"{SHA256}"}}}}\n', "jsonl", [("a", None, RIGHT, False)]),
        ("r.jsonl", f'{{"path":"a","digests":["sha256={SHA256}"]}}\n', "jsonl", [("a", None, RIGHT, False)]),
        ("r.jsonl", '{"path":"../a","bytes":"x"}\n', "jsonl", [("../a", None, (), True)]),
        ("r.jsonl", '{"path":"../a"}\n{"path":null}\n', "jsonl", [("../a", None, (), True), UNREADABLE]),
        (
            "r.csv",
            f'"url","path","status","bytes","digests"\n"u","a,b","done",17,"sha256={SHA256}"\n',
            "csv",
            [("a,b", 17, RIGHT, False)],
        ),
        ("r.csv", "path,bytes\na,1,2\nb,2\n", "csv", [UNREADABLE, ("b", 2, (), False)]),
        ("r", "url\tpath\nu\ta\n", "tsv", [("a", None, (), False)]),
    ],
)
def test_report_tells_size_and_digests(
    tmp_path: Path, name: str, text: str, kind: str, expected: list[tuple[str, int | None, tuple[Checksum, ...], bool]]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    found_kind = kind_of(str(path))
    assert found_kind == kind
    found = [(item.path, item.size, item.checksums, bool(item.problem)) for item in from_report(str(path), found_kind)]
    assert found == expected


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"SQLite format 3\0...", "journal"),
        (b"PAR1...", "parquet"),
        (b"\xef\xbb\xbf{}", "jsonl"),
        (b'"path","url"\n', "csv"),
        (f"{SHA256}  x\n".encode(), "sums"),
        (b"", "sums"),
        (b"\xff\xfe\x00", "sums"),
    ],
)
def test_kind_of_records_is_told_by_their_bytes(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "file").write_bytes(data)
    assert kind_of(str(tmp_path / "file")) == kind
    assert kind_of(str(tmp_path)) == "journal"


def _read_sums(path: Path) -> None:
    list(from_sums(str(path)))


def _read_report(path: Path) -> None:
    list(from_report(str(path), kind_of(str(path))))


@pytest.mark.parametrize(
    ("data", "read", "kind"),
    [
        (b"https://a.example/\n", _read_sums, UsageError),
        (b"x" * 100_000, _read_sums, UsageError),
        (os.urandom(500).replace(b"\n", b""), _read_sums, UsageError),
        (b'{"url":"u"}\n', _read_report, UsageError),
        (b"PAR1 nothing", _read_report, StorageError),
    ],
)
def test_what_is_no_record_is_refused(
    tmp_path: Path, data: bytes, read: Callable[[Path], None], kind: type[DownloadError]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(kind, match="file"):
        read(path)


def test_records_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        kind_of(str(tmp_path / "missing"))


# --- sums files


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("SHA256SUMS", "sha256"),
        ("dir/sha512sum.txt", "sha512"),
        ("MD5SUMS", "md5"),
        ("B2SUMS", "b2"),
        ("B3SUMS", "b3"),
        ("SHA3-256SUMS", "sha3-256"),
        ("file.iso.sha256", "sha256"),
        ("x.md5", "md5"),
        ("CHECKSUMS", ""),
        ("checksums.txt", ""),
        ("urls.txt", None),
        ("report.csv", None),
        ("-", None),
    ],
)
def test_name_of_a_sums_file_tells_the_algorithm(name: str, algorithm: str | None) -> None:
    assert algorithm_in_name(name) == algorithm


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(PATHS)
@example("a\nb")
@example("a\\nb")
@example("a\r")
@example("\\")
@example("\udcff\udc80")
@example("x  y")
@example("*x")
def test_line_is_read_again_as_it_was_written(path: str) -> None:
    line = sums_line(SHA256, path).decode("utf-8", "surrogateescape")
    assert line.count("\n") == 1
    assert "\r" not in line
    assert parse_line(line.rstrip("\n"), "SHA256SUMS") == (path.removeprefix("./"), RIGHT[0])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
@given(st.lists(NAMES, max_size=5))
@example(["a\nb", "c\\d", "e\rf", " g ", "*h", "-", "--check"])
def test_sha256sum_accepts_the_file_and_writes_the_same(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, item in enumerate(names):
            if not item.lower().endswith((".part", ".part.meta")):
                (folder / item).write_bytes(bytes([number]))
        lines = list(FolderDigests(name, "sha256", f"{name}/SHA256SUMS", lambda path, reason: None, threads=2))
        present = sorted(os.fsencode(item) for item in os.listdir(name))
        assert [line for line in lines if b"SHA256SUMS" in line] == []
        (folder / "SHA256SUMS").write_bytes(b"".join(lines))
        if present:
            assert b"-" not in present or f"{hashlib.sha256((folder / '-').read_bytes()).hexdigest()}  ./-\n".encode() in lines
            check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
            checked = subprocess.run(check, cwd=name, capture_output=True)
            assert (checked.returncode, checked.stderr) == (0, b"")
            theirs = subprocess.run(["sha256sum", "--", *present], cwd=name, capture_output=True, check=True, input=b"")
            named = [line for line in theirs.stdout.splitlines(True) if not line.endswith(b"  -\n")]
            assert named == [line for line in lines if not line.endswith(b"  ./-\n")]


def test_digests_come_in_the_order_of_the_paths(tmp_path: Path) -> None:
    for path in ("a/z", "a.b", "a-b", "b", "a/a/a", "B", "\udcff"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * (5_000_000 if path == "a-b" else 1))
    paths = list(walk(str(tmp_path), lambda path, reason: None))
    assert paths == sorted(paths, key=os.fsencode)
    digests = FolderDigests(str(tmp_path), "md5", "-", lambda path, reason: None, threads=3)
    lines = list(digests)
    assert [os.fsdecode(line[34:-1]) for line in lines] == paths
    assert (digests.files, digests.left_out, digests.bytes_read) == (7, 0, 5_000_006)


def test_part_files_links_and_the_journal_are_left_out(folder: Path) -> None:
    write_journal(folder, done("file"))
    for name in ("x.part", "x.part.meta", "SHA256SUMS"):
        (folder / name).write_text("")
    skipped: dict[str, str] = {}
    digests = FolderDigests(str(folder), "sha256", str(folder / "SHA256SUMS"), skipped.__setitem__)
    assert list(digests) == [f"{SHA256}  {path}\n".encode() for path in ("file", "sub/file")]
    assert (set(skipped), digests.left_out) == ({"inner-link", "outer-link", "folder-link", "dangling", "loop", "pipe"}, 0)


def test_names_are_relative_to_the_sums_file(folder: Path, tmp_path: Path) -> None:
    root = str(tmp_path)
    assert base_folder(f"{root}/SUMS", str(folder)) == (root, "folder/")
    assert base_folder(f"{root}/folder/SUMS", str(folder)) == (f"{root}/folder", "")
    assert base_folder(f"{root}/folder/sub/SUMS", str(folder)) == (f"{root}/folder", "")
    assert base_folder("-", str(folder)) == (str(folder), "")


def test_file_is_replaced_only_when_its_content_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "SUMS"
    path.write_text("old")
    with pytest.raises(KeyError), replaced_file(str(path)) as stream:  # noqa: PT012 - the error comes from the block
        stream.write(b"new")
        assert path.read_text() == "old"
        raise KeyError
    assert (path.read_text(), os.listdir(tmp_path)) == ("old", ["SUMS"])
    with replaced_file(str(path)) as stream:
        stream.write(b"new")
    assert (path.read_text(), os.listdir(tmp_path)) == ("new", ["SUMS"])
    with pytest.raises(StorageError, match="cannot write"), replaced_file(str(tmp_path / "missing" / "SUMS")):
        pass
    with pytest.raises(StorageError, match="no space"), replaced_file("/dev/full") as stream:
        stream.write(b"x")


def test_link_to_a_sums_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with replaced_file(str(tmp_path / "link")) as stream:
        stream.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_states_are_of_a_fixed_set() -> None:
    assert CheckedFile("a", FileState.OK) == ("a", "ok", "", "")


@pytest.mark.parametrize(
    ("files", "count", "total", "text"),
    [
        (3, 2_000_000, Total(), "3 files, 2.0 MB, 1.0 MB/s"),
        (3, 2_000_000, Total(10, 8_000_000), "3 of 10 files, 2.0 MB of 8.0 MB, 1.0 MB/s, 0:06 left"),
        (0, 0, Total(10, 8_000_000), "0 of 10 files, 0 B of 8.0 MB, 0 B/s"),
        (9, 9_000_000, Total(10, 8_000_000), "9 of 10 files, 9.0 MB of 8.0 MB, 4.5 MB/s, 0:00 left"),
    ],
)
def test_progress_line(files: int, count: int, total: Total, text: str) -> None:
    assert progress_line(files, count, total, 2.0) == text


@pytest.mark.parametrize("threads", [1, 3])
def test_every_item_is_done_once_whether_work_is_short_or_long(threads: int) -> None:
    def work(number: int) -> int:
        if number % 500 == 499:
            time.sleep(0.01)  # so that batches shrink again
        return -number

    done_work = list(Parallel(iter(range(3000)), work, threading.Event(), threads=threads))
    assert sorted(done_work) == [-number for number in reversed(range(3000))]
    assert threads > 1 or done_work == [-number for number in range(3000)]


def test_long_work_is_done_by_several_threads_at_once() -> None:
    barrier = threading.Barrier(3, timeout=30)
    places = Parallel(iter(range(3)), lambda number: barrier.wait(), threading.Event(), threads=3)
    assert sorted(places) == [0, 1, 2]


def test_items_are_taken_lazily() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    stop = threading.Event()
    work = iter(Parallel(items(), lambda number: time.sleep(0.01), stop, threads=2))
    next(work)
    work.close()  # type: ignore[attr-defined]
    assert len(taken) < 100_000


def test_digest_that_needs_a_missing_package_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(user: str, *modules: str, extra: str) -> None:
        raise UsageError(f"{user} needs {modules[0]}", hint="pip install 'blake3>=1'")

    monkeypatch.setattr("downloader.extras.require", missing)
    digests.algorithm.cache_clear()
    (tmp_path / "B3SUMS").write_text(f"{SHA256}  a\n")
    with pytest.raises(UsageError, match=r"needs blake3.*pip install"):
        list(from_sums(str(tmp_path / "B3SUMS")))
    (tmp_path / "r.jsonl").write_text(f'{{"path":"a","digests":"blake3={SHA256}"}}\n')
    with pytest.raises(UsageError, match="needs blake3"):
        list(from_report(str(tmp_path / "r.jsonl"), "jsonl"))
    with JournalReader(write_journal(tmp_path, done("a", 3, f"blake3={SHA256}"))) as journal, pytest.raises(UsageError):
        list(from_journal(journal))
    digests.algorithm.cache_clear()
