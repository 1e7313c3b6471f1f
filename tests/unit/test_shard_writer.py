"""From the staging folder to tar files, whatever fails and whenever the run is killed."""

import errno
import json
import os
import re
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader.core.model import Result, Status
from downloader.core.names.shard_names import PARQUET, complete_shards, shard_name
from downloader.errors import FolderError, FolderFull, HTTPStatusError, Interrupted, StorageError, TotalReached
from downloader.reports.stored_samples import sample_rows
from downloader.runs import shard_writer
from downloader.runs.shard_writer import ShardWriter
from downloader.storage.folder import Folder
from downloader.storage.shard_folder import ShardFolder
from tests.support.processes import wait_until


class Killed(BaseException):
    """The process ends here, without any cleaning up."""


def opened(root: Path) -> ShardFolder:
    """The folder, locked and ready."""
    storage = ShardFolder(str(root))
    storage.begin()
    return storage


class Run:
    """A run that adds Results as a strategy does."""

    def __init__(self, root: Path, max_files: int = 3, max_bytes: int = 1 << 30) -> None:
        self.storage = opened(root)
        self.folder = Folder(self.storage.staging)
        self.told: list[Result] = []
        self.recorded = 0
        self.blocked: list[bool] = []
        self.errors: list[BaseException] = []
        limits = max_files, max_bytes
        tell: Callable[[Result], object] = self.told.append
        self.writer = ShardWriter(
            self.storage, self.folder, limits, "", tell, self._count, self.blocked.append, self.errors.append
        )

    def _count(self, count: int) -> None:
        self.recorded += count

    def done(self, name: str, size: int = 10) -> Result:
        (Path(self.storage.staging) / name).write_bytes(name.encode().ljust(size, b"."))
        result = Result(f"http://h/{name}", name, Status.DONE, size)
        self.writer.add(result)
        return result

    def failed(self, name: str) -> Result:
        result = Result(f"http://h/{name}", name, Status.FAILED, error=HTTPStatusError(404))
        self.writer.add(result)
        return result

    def close(self) -> None:
        self.writer.close()
        self.folder.close()
        self.storage.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "shards"


def numbers_of(root: Path) -> list[int]:
    return complete_shards(os.listdir(root))


def check(root: Path) -> dict[str, str]:
    """The paths in the tables, and how they ended; all files of all shards belong together, and the numbers have no gaps."""
    numbers = numbers_of(root)
    assert numbers == list(range(len(numbers)))
    ended: dict[str, str] = {}
    for number in numbers:
        name = str(root / shard_name(number))
        rows = list(sample_rows(name + PARQUET))
        with tarfile.open(name + ".tar") as tar:
            contents = [tar.extractfile(member).read() for member in tar.getmembers()]  # type: ignore[union-attr]
        stored = dict(zip([json.loads(text)["path"] for text in contents[1::2]], contents[::2], strict=True))
        assert [path for _, path, status, _ in rows if status == "done"] == list(stored)
        assert all(text.rstrip(b".").decode() == path for path, text in stored.items())
        stats = json.loads(Path(name + ".stats.json").read_text())
        assert stats["done"] + stats["failed"] == len(rows)
        ended.update({path: status for _, path, status, _ in rows})
    return ended


def test_a_full_shard_is_stored_and_then_its_results_are_told(root: Path) -> None:
    run = Run(root)
    run.done("a")
    run.failed("b")
    run.done("c")
    assert not run.told
    run.done("d")
    wait_until(lambda: len(run.told) == 4)
    assert numbers_of(root) == [0]
    run.done("e")
    run.close()
    assert [result.path for result in run.told] == ["a", "b", "c", "d", "e"]
    assert check(root) == {"a": "done", "b": "failed", "c": "done", "d": "done", "e": "done"}
    assert not (root / ".downloader" / "tar").exists()


def test_what_is_in_no_shard_is_told_at_once(root: Path) -> None:
    run = Run(root)
    results = [
        Result("http://h/a", "a", Status.SKIPPED, reason="duplicate"),
        Result("http://h/a", "a", Status.SKIPPED, 5, reason="exists", is_recorded=True),
        Result("http://h/b", "b", Status.FAILED, error=Interrupted("stopped")),
        Result("http://h/c", "c", Status.FAILED, error=FolderFull("full")),
    ]
    for result in results:
        run.writer.add(result)
    run.writer.add_recorded(7)
    wait_until(lambda: run.recorded == 7)
    assert run.told == results
    run.close()
    assert os.listdir(root) == [".downloader"]


def test_files_that_max_total_has_ended_have_failed(root: Path) -> None:
    run = Run(root)
    run.writer.add(Result("http://h/a", "a", Status.FAILED, error=TotalReached("enough")))
    run.close()
    assert check(root) == {"a": "failed"}


def test_a_file_that_is_larger_than_a_shard_gets_one_of_its_own(root: Path) -> None:
    run = Run(root, max_files=100, max_bytes=50_000)
    for name, size in {"a": 10_000, "b": 10_000, "c": 100_000, "d": 5_000, "e": 20_000}.items():
        run.done(name, size)
    run.close()
    check(root)
    rows = [[row[1] for row in sample_rows(str(root / f"{shard_name(number)}.parquet"))] for number in numbers_of(root)]
    assert rows == [["a", "b"], ["c"], ["d", "e"]]
    sizes = [(root / f"{shard_name(number)}.tar").stat().st_size for number in numbers_of(root)]
    assert sizes[0] <= 50_000 < sizes[1]


def test_a_file_whose_name_is_taken_is_not_skipped(root: Path) -> None:
    run = Run(root)
    run.writer.add(Result("http://h/A", "A", Status.SKIPPED, 5, reason="exists"))
    run.close()
    (result,) = run.told
    assert (result.status, str(result.error)) == (
        *("failed", "http://h/A: another file of the run has this name (run the same command again)"),
    )
    assert check(root) == {"A": "failed"}


def test_a_list_of_failures_has_shards(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_writer, "MAX_ROWS", 5)
    run = Run(root, max_files=1)
    for number in range(12):
        run.failed(f"{number}")
    run.close()
    assert numbers_of(root) == [0, 1, 2]
    assert set(check(root).values()) == {"failed"}


def test_numbers_of_other_files_are_left_alone(root: Path) -> None:
    root.mkdir()
    (root / "00001.tar").write_bytes(b"of another program")
    run = Run(root, max_files=1)
    for name in "abc":
        run.done(name)
    run.close()
    assert numbers_of(root) == [0, 2, 3]
    assert (root / "00001.tar").read_bytes() == b"of another program"


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, FolderFull), (errno.EIO, FolderError)])
def test_a_shard_that_cannot_be_stored_ends_the_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[FolderError]
) -> None:
    run = Run(root)
    for name in "abc":
        run.done(name)
    wait_until(lambda: run.told)

    def store(number_of_shard: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run.storage, "store", store)
    run.done("d")
    not_found = run.failed("e")
    for name in "fghi":
        run.done(name)
    run.close()
    (error,) = run.errors
    assert type(error) is kind
    assert "cannot write the tar file" in str(error)
    told = {result.path: result for result in run.told}
    assert sorted(told) == list("abcdefghi")
    assert all(told[name].status is Status.DONE for name in "abc")
    assert told["e"] is not_found
    for name in "dfghi":
        assert (told[name].status, type(told[name].error), told[name].bytes) == (Status.FAILED, kind, 0)
    assert check(root) == {"a": "done", "b": "done", "c": "done"}


def test_a_file_that_is_gone_ends_the_run(root: Path) -> None:
    run = Run(root)
    run.writer.add(Result("http://h/a", "a", Status.DONE, 5))
    run.close()
    (error,) = run.errors
    assert isinstance(error, FolderError)
    assert "cannot read a in" in str(error)
    assert [result.status for result in run.told] == [Status.FAILED]
    assert numbers_of(root) == []


def test_an_error_of_the_caller_ends_the_run(root: Path) -> None:
    class Broken(Exception):
        pass

    run = Run(root, max_files=1)

    def tell(result: Result) -> None:
        raise Broken

    run.writer._tell = tell
    for name in "abc":
        run.done(name)
    run.close()
    assert [type(error) for error in run.errors] == [Broken]
    assert check(root) == {"a": "done"}


def test_no_attempt_starts_while_many_files_wait(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_writer, "MAX_WAITING_FILES", 4)
    run = Run(root, max_files=2)
    gate = threading.Event()
    store = run.storage.store
    monkeypatch.setattr(run.storage, "store", lambda number: (gate.wait(), store(number)))
    for number in range(10):
        run.done(f"{number}")
    assert run.blocked == [True]
    gate.set()
    wait_until(lambda: run.blocked == [True, False])
    run.close()
    assert len(check(root)) == 10


def test_no_attempt_starts_while_many_bytes_wait(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(root, max_files=1, max_bytes=1000)
    gate = threading.Event()
    store = run.storage.store
    monkeypatch.setattr(run.storage, "store", lambda number: (gate.wait(), store(number)))
    for number in range(5):
        run.done(f"{number}", 300)
    assert run.blocked == [True]
    gate.set()
    run.close()
    assert run.blocked[-1] is False


EVENTS = st.lists(st.sampled_from(["done", "failed", "duplicate"]), max_size=9)
KILLS = st.lists(st.tuples(EVENTS, st.integers(0, 12)), min_size=1, max_size=3)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(KILLS, EVENTS)
def test_kills_lose_nothing_that_was_told(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[list[str], int]], last: list[str]
) -> None:
    root = tmp_path_factory.mktemp("root") / "shards"
    names = map(str, range(1000))
    told: set[tuple[str, str]] = set()
    for events, renames in [*kills, (last, 10**9)]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "rename", _killed_after(renames))
            try:
                run = Run(root, max_files=2)
            except Killed:
                continue
            for event, name in zip(events, names, strict=False):
                if event == "done":
                    run.done(name)
                elif event == "failed":
                    run.failed(name)
                else:
                    run.writer.add(Result(f"http://h/{name}", name, Status.SKIPPED, reason="duplicate"))
            run.writer.close()
            run.folder.close()
            run.storage._release()  # and nothing is cleaned up
        told |= {(result.path, result.status) for result in run.told if result.status is not Status.SKIPPED}
        rows = [sample_rows(str(root / f"{shard_name(number)}.parquet")) for number in numbers_of(root)]
        assert told <= {(path, status) for table in rows for _, path, status, _ in table}
    opened(root).close()
    assert told <= set(check(root).items())


def _killed_after(renames: int) -> Callable[..., None]:
    left, rename = [renames], os.rename

    def counted(source: str, target: str, **more: int) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        rename(source, target, **more)

    return counted


def test_a_second_run_is_refused(root: Path) -> None:
    first = opened(root)
    with pytest.raises(StorageError, match=rf"another run writes tar files to {re.escape(str(root))} \(process {os.getpid()}"):
        opened(root)
    first.close()
    opened(root).close()


def test_part_files_outlive_a_run_and_nothing_else_does(root: Path) -> None:
    storage = opened(root)
    staging = Path(storage.staging)
    (staging / "sub" / "empty").mkdir(parents=True)
    for name in ("a", "a.part", "b.part", "b.part.meta", "c.part.meta", "sub/d.part", "sub/d.part.meta", "sub/e"):
        (staging / name).write_bytes(b"")
    (staging / "link").symlink_to(root.parent)
    (staging.parent / "00000.tar").write_bytes(b"")
    storage.close()
    left = sorted(str(path.relative_to(staging)) for path in staging.rglob("*"))
    assert left == ["b.part", "b.part.meta", "sub", "sub/d.part", "sub/d.part.meta"]
    assert sorted(os.listdir(staging.parent)) == ["files"]


@pytest.mark.parametrize("place", [".downloader", ".downloader/tar", ".downloader/tar/files"])
def test_a_link_in_place_of_a_folder_is_refused(root: Path, place: str) -> None:
    (root / place).parent.mkdir(parents=True)
    precious = root.parent / "precious"
    precious.mkdir()
    (precious / "a").write_bytes(b"1")
    (root / place).symlink_to(precious)
    with pytest.raises(StorageError, match="is not a folder"):
        opened(root)
    assert os.listdir(precious) == ["a"]


def test_a_dry_run_makes_nothing(root: Path) -> None:
    storage = ShardFolder(str(root))
    assert storage.names() == []
    storage.close()
    assert not root.exists()
