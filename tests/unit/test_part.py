"""Part files: what can be resumed, which run may write, where they may be, and how they get their final name."""

import errno
import fcntl
import hashlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import NOTHING_TO_RESUME, Checksum, Existing, ResumeInfo, Validator
from downloader.core.model import Attempt
from downloader.core.names.file_names import part_names
from downloader.errors import FileInUse, FolderFull, IntegrityError, PolicyError, StorageError
from downloader.storage.checksum import ChecksumVerifier
from downloader.storage.folder import Folder, storage_error
from downloader.storage.part import PartFile
from downloader.storage.publish import publish_block

URL = "https://example.org/file"
VALIDATOR = Validator('"e"', "Sun, 06 Nov 1994 08:49:37 GMT")
INFO = ResumeInfo(0, VALIDATOR, 10)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the run, with something beside it that is not to be touched."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_bytes(b"precious")
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(root: Path) -> Iterator[Folder]:
    """The same, opened."""
    held = Folder(str(root))
    yield held
    held.close()


def names(root: Path) -> set[str]:
    """Everything below the folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def untouched(root: Path) -> bool:
    """Whether what is outside of the folder is as it was."""
    outside = root.parent / "outside"
    return names(outside) == {"precious"} and (outside / "precious").read_bytes() == b"precious"


def leave(folder: Folder, path: str, data: bytes, info: ResumeInfo | None = None) -> None:
    """What an Attempt at this path leaves that got so far."""
    part = PartFile(folder, path, URL)
    part.open(0)
    part.collect(data)
    part.keep(info or INFO)


# --- what can be resumed


def test_bytes_that_were_kept_can_be_resumed(folder: Folder, root: Path) -> None:
    leave(folder, "d/file", b"12345")
    assert names(root) == {"d", "d/file.part", "d/file.part.meta"}
    assert PartFile(folder, "d/file", URL).resume_info() == ResumeInfo(5, VALIDATOR, 10)


def test_total_size_and_digests_are_resumed_too(folder: Folder) -> None:
    digests = (Checksum("sha256", "1" * 64), Checksum("sha512", "2" * 128))
    leave(folder, "file", b"12345", ResumeInfo(0, VALIDATOR, None, digests))
    assert PartFile(folder, "file", URL).resume_info() == ResumeInfo(5, VALIDATOR, None, digests)


def test_without_a_part_file_there_is_nothing_to_resume(folder: Folder) -> None:
    assert PartFile(folder, "file", URL).resume_info() == NOTHING_TO_RESUME
    assert PartFile(folder, "no/such/folder/file", URL).resume_info() == NOTHING_TO_RESUME


def test_bytes_without_a_validator_are_not_kept(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345", ResumeInfo())
    assert names(root) == set()


def test_no_bytes_are_not_kept(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"")
    assert names(root) == set()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\x00\xff\x00",
        b"[]",
        b"null",
        b"{}",
        b'{"source": 5}',
        b'{"source": "x", "total": "many"}',
        b'{"source": "x", "digests": [["sha256"]]}',
        b'{"source": "' + b"x" * 10_000 + b'"}',
    ],
)
def test_with_a_damaged_sidecar_nothing_is_resumed(folder: Folder, root: Path, damage: bytes) -> None:
    leave(folder, "file", b"12345")
    (root / "file.part.meta").write_bytes(damage)
    part = PartFile(folder, "file", URL)
    assert part.resume_info() == NOTHING_TO_RESUME
    part.open(0)
    assert (root / "file.part").read_bytes() == b""
    part.close()


@given(st.binary(max_size=60))
def test_a_sidecar_of_any_bytes_never_raises(tmp_path_factory: pytest.TempPathFactory, damage: bytes) -> None:
    root = tmp_path_factory.mktemp("run")
    (root / "file.part").write_bytes(b"12345")
    (root / "file.part.meta").write_bytes(damage)
    folder = Folder(str(root))
    assert PartFile(folder, "file", URL).resume_info() == NOTHING_TO_RESUME
    folder.close()


def test_with_the_sidecar_of_another_url_nothing_is_resumed(folder: Folder) -> None:
    leave(folder, "file", b"12345")
    assert PartFile(folder, "file", URL + "?other").resume_info() == NOTHING_TO_RESUME
    assert PartFile(folder, "file", "").resume_info() == NOTHING_TO_RESUME
    assert PartFile(folder, "file", URL).resume_info().size == 5


def test_the_sidecar_does_not_contain_the_url(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "file", "https://user:hunter2@example.org/file")
    part.open(0)
    part.collect(b"12345")
    part.keep(INFO)
    assert b"hunter2" not in (root / "file.part.meta").read_bytes()


@pytest.mark.parametrize("missing", ["file.part", "file.part.meta"])
def test_a_part_file_or_a_sidecar_alone_cannot_be_resumed(folder: Folder, root: Path, missing: str) -> None:
    leave(folder, "file", b"12345")
    (root / missing).unlink()
    assert PartFile(folder, "file", URL).resume_info() == NOTHING_TO_RESUME


def test_an_empty_part_file_cannot_be_resumed(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    os.truncate(root / "file.part", 0)
    assert PartFile(folder, "file", URL).resume_info() == NOTHING_TO_RESUME


def test_a_folder_or_a_pipe_with_the_name_of_a_part_file_is_refused(folder: Folder, root: Path) -> None:
    for name, make in (("one", os.mkdir), ("two", os.mkfifo)):
        leave(folder, name, b"12345")
        (root / f"{name}.part").unlink()
        make(root / f"{name}.part")
        part = PartFile(folder, name, URL)
        assert part.resume_info() == NOTHING_TO_RESUME
        with pytest.raises(OSError, match=r"directory|not a regular file"):
            part.open(0)
    assert stat.S_ISFIFO((root / "two.part").stat().st_mode)


def test_a_sidecar_without_its_part_is_ignored_by_a_later_run(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"old version")
    (root / "file.part").unlink()  # by hand, say
    killed = PartFile(folder, "file", URL)
    assert killed.resume_info() == NOTHING_TO_RESUME
    killed.open(0)
    killed.write_sidecar(ResumeInfo())  # what comes now has no validator
    killed.write(b"new")
    killed.close()
    assert PartFile(folder, "file", URL).resume_info() == NOTHING_TO_RESUME


def test_a_sidecar_without_a_part_file_is_removed_when_the_file_is_complete(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"old version")
    (root / "file.part").unlink()
    part = PartFile(folder, "file", URL)
    part.resume_info()
    part.open(0)
    part.write(b"new")
    part.commit(None, False)
    assert names(root) == {"file"}


# --- writing


def test_a_resume_continues_at_the_end_of_the_part_file(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    part = PartFile(folder, "file", URL)
    part.open(part.resume_info().size)
    part.collect(b"67")
    part.collect(b"890")
    assert part.buffered == 5
    part.write(part.take())
    assert (part.written, part.buffered) == (10, 0)
    assert part.commit(None, False) == "file"
    assert names(root) == {"file"}
    assert (root / "file").read_bytes() == b"1234567890"


def test_opening_at_zero_truncates_the_part_file_and_removes_its_sidecar(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    part = PartFile(folder, "file", URL)
    part.resume_info()
    part.open(0)
    assert names(root) == {"file.part"}
    assert (root / "file.part").read_bytes() == b""
    part.close()


@pytest.mark.parametrize("size", [4, 6, 0])
def test_a_part_file_that_was_changed_meanwhile_is_not_written_to(folder: Folder, root: Path, size: int) -> None:
    leave(folder, "file", b"12345")
    part = PartFile(folder, "file", URL)
    assert part.resume_info().size == 5
    os.truncate(root / "file.part", size)
    with pytest.raises(FileInUse, match="changed by another program"):
        part.open(5)
    assert not part.is_open
    assert (root / "file.part").stat().st_size == size


def test_a_part_file_that_was_removed_meanwhile_is_not_made_with_a_hole(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    part = PartFile(folder, "file", URL)
    part.resume_info()
    (root / "file.part").unlink()
    with pytest.raises(FileInUse, match="has just finished this file"):
        part.open(5)
    assert not (root / "file.part").exists()


def test_the_sidecar_is_written_once_and_only_with_a_validator(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write_sidecar(ResumeInfo(0, Validator(), 10))
    assert names(root) == {"file.part"}
    part.write_sidecar(INFO)
    first = (root / "file.part.meta").read_bytes()
    part.write_sidecar(ResumeInfo(0, Validator('"other"'), 11))
    assert (root / "file.part.meta").read_bytes() == first
    assert msgspec.json.decode(first)["etag"] == '"e"'
    part.discard()
    assert names(root) == set()


def test_a_killed_run_leaves_what_it_wrote(folder: Folder) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write_sidecar(ResumeInfo(0, VALIDATOR))
    part.write(b"123")
    part.close()  # as the system does it
    assert PartFile(folder, "file", URL).resume_info() == ResumeInfo(3, VALIDATOR, None)


def test_closing_twice_and_ending_an_attempt_without_a_file_do_nothing(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "d/file", URL)
    part.keep(INFO)
    part.discard()
    part.close()
    part.open(0)
    part.close()
    part.close()
    part.keep(INFO)
    part.discard()
    assert names(root) == {"d", "d/file.part"}
    assert folder.existing("d") is not None  # the folder of the run is still open


def test_keeping_in_spite_of_a_full_disk_does_not_raise(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.collect(b"12345")

    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    part.keep(INFO)
    assert not part.is_open


def test_a_write_of_only_some_of_the_bytes_is_continued(folder: Folder, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write(b"1234567890")
    assert part.written == 10
    part.commit(None, False)
    assert (root / "file").read_bytes() == b"1234567890"


# --- one owner at a time


@pytest.mark.parametrize("offset", [0, 5])
def test_a_part_that_another_run_writes_is_refused_and_left_untouched(folder: Folder, root: Path, offset: int) -> None:
    leave(folder, "file", b"12345")
    owner = PartFile(folder, "file", URL)
    owner.open(owner.resume_info().size)
    other = PartFile(folder, "file", URL)
    assert other.resume_info().size == 5
    with pytest.raises(FileInUse, match="another run"):
        other.open(offset)
    assert not other.is_open
    other.keep(INFO)
    other.discard()
    assert names(root) == {"file.part", "file.part.meta"}
    assert (root / "file.part").read_bytes() == b"12345"
    owner.write(b"67890")
    owner.commit(None, False)
    assert (root / "file").read_bytes() == b"1234567890"


def test_a_part_can_be_opened_again_once_its_owner_has_closed_it(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    part = PartFile(folder, "file", URL)
    part.open(5)
    part.close()
    other = PartFile(folder, "file", URL)
    other.open(other.resume_info().size)  # and not FileInUse
    other.write(b"67890")
    other.commit(None, False)
    assert names(root) == {"file"}
    assert (root / "file").read_bytes() == b"1234567890"


@pytest.mark.parametrize("third", [True, False])
def test_a_part_file_that_another_run_completes_meanwhile_is_never_truncated(
    folder: Folder, root: Path, monkeypatch: pytest.MonkeyPatch, third: bool
) -> None:
    leave(folder, "file", b"12345")
    late = PartFile(folder, "file", URL)
    late.resume_info()
    flock = fcntl.flock

    def finished_just_now(descriptor: int, operation: int) -> None:
        (root / "file.part").rename(root / "file")
        if third:
            (root / "file.part").write_bytes(b"a third run's")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", finished_just_now)
    with pytest.raises(FileInUse, match="has just finished"):
        late.open(0)
    assert (root / "file").read_bytes() == b"12345"
    assert not third or (root / "file.part").read_bytes() == b"a third run's"


# --- links


def test_a_part_that_is_a_symbolic_link_is_never_written_through(folder: Folder, root: Path) -> None:
    (root / "file.part").symlink_to(root.parent / "outside" / "precious")
    part = PartFile(folder, "file", URL)
    assert part.resume_info() == NOTHING_TO_RESUME
    with pytest.raises(OSError, match="symbolic links"):
        part.open(0)
    assert untouched(root)


def test_a_part_that_is_a_symbolic_link_to_nothing_makes_nothing(folder: Folder, root: Path) -> None:
    (root / "file.part").symlink_to(root.parent / "outside" / "new")
    with pytest.raises(OSError, match="symbolic links"):
        PartFile(folder, "file", URL).open(0)
    assert untouched(root)


@pytest.mark.parametrize("offset", [0, 8])
def test_a_part_that_is_a_hard_link_is_refused_and_only_its_name_removed(folder: Folder, root: Path, offset: int) -> None:
    os.link(root.parent / "outside" / "precious", root / "file.part")
    part = PartFile(folder, "file", URL)
    with pytest.raises(FileInUse, match="two names"):
        part.open(offset)
    assert not part.is_open
    assert untouched(root)
    part.open(0)  # the next try makes one of its own
    part.write(b"mine")
    part.commit(None, False)
    assert untouched(root)
    assert names(root) == {"file"}


def test_a_symbolic_link_as_a_sidecar_is_not_followed(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    (root / "file.part.meta").rename(root / "moved")
    (root / "file.part.meta").symlink_to(root / "moved")
    assert PartFile(folder, "file", URL).resume_info() == NOTHING_TO_RESUME
    (root / "other.part.meta").symlink_to(root.parent / "outside" / "precious")
    part = PartFile(folder, "other", URL)
    part.open(0)
    part.collect(b"123")
    part.keep(INFO)
    assert untouched(root)


def test_a_sidecar_that_is_a_hard_link_is_not_written_through(folder: Folder, root: Path) -> None:
    os.link(root.parent / "outside" / "precious", root / "file.part.meta")
    leave(folder, "file", b"12345")
    assert untouched(root)


@pytest.mark.parametrize("path", ["out/file", "d/out/file", "out/new/file"])
@pytest.mark.parametrize("target", ["outside", "/", ".", "outside/precious", "nowhere"])
def test_a_folder_that_is_a_link_leading_out_is_refused(folder: Folder, root: Path, path: str, target: str) -> None:
    link = root / path[: path.index("out") + 3]
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(root.parent / target if target != "." else root.parent)
    with pytest.raises(PolicyError, match="leads out of the folder"):
        PartFile(folder, path, URL).open(0)
    assert untouched(root)


def test_a_folder_beside_ours_with_a_name_that_begins_alike_is_outside(folder: Folder, root: Path) -> None:
    beside = root.with_name("run-2")
    beside.mkdir()
    (root / "out").symlink_to(beside)
    with pytest.raises(PolicyError):
        PartFile(folder, "out/file", URL).open(0)
    assert names(beside) == set()


def test_a_folder_that_is_a_link_leading_inside_is_fine(folder: Folder, root: Path) -> None:
    (root / "real").mkdir()
    (root / "alias").symlink_to("real")
    (root / "absolute").symlink_to(root / "real")
    for name in ("alias", "absolute"):
        part = PartFile(folder, f"{name}/sub/{name}.txt", URL)
        part.open(0)
        part.write(b"x")
        assert part.commit(None, False) == f"{name}/sub/{name}.txt"
    assert names(root / "real") == {"sub", "sub/alias.txt", "sub/absolute.txt"}


def test_a_run_folder_that_is_a_link_itself_is_the_users_choice(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    folder = Folder(str(link))
    leave(folder, "d/file", b"123")
    folder.close()
    assert names(root) == {"d", "d/file.part", "d/file.part.meta"}


def test_a_final_name_that_is_a_link_is_replaced_not_followed(folder: Folder, root: Path) -> None:
    (root / "file").symlink_to(root.parent / "outside" / "precious")
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write(b"new")
    part.commit(None, False)
    assert untouched(root)
    assert not (root / "file").is_symlink()
    assert (root / "file").read_bytes() == b"new"


def test_a_file_in_the_place_of_a_folder_is_an_error(folder: Folder, root: Path) -> None:
    (root / "d").write_bytes(b"mine")
    with pytest.raises(NotADirectoryError):
        PartFile(folder, "d/file", URL).open(0)
    assert (root / "d").read_bytes() == b"mine"


# --- the final name


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "x" * 251 + ".bin", "\U0001f600" * 63])
def test_a_name_as_long_as_the_system_allows_works(folder: Folder, root: Path, name: str) -> None:
    leave(folder, f"d/{name}", b"12345")
    part = PartFile(folder, f"d/{name}", URL)
    assert part.resume_info() == ResumeInfo(5, VALIDATOR, 10)
    part.open(5)
    part.write(b"67890")
    assert part.commit(None, False) == f"d/{name}"
    assert names(root) == {"d", f"d/{name}"}


def test_a_file_gets_the_time_it_is_given(folder: Folder, root: Path) -> None:
    for name, modified in (("then", 784111777.0), ("no time", 1e300)):
        part = PartFile(folder, name, URL)
        part.open(0)
        part.write(b"x")
        part.commit(modified, False)
    assert (root / "then").stat().st_mtime == 784111777.0
    assert (root / "no time").read_bytes() == b"x"


def test_an_existing_file_is_replaced_or_the_new_one_gets_a_number(folder: Folder, root: Path) -> None:
    (root / "a.txt").write_bytes(b"old")
    for data, number, path in (
        (b"1", True, "a.1.txt"),
        (b"2", True, "a.2.txt"),
        (b"3", False, "a.txt"),
        (b"4", True, "a.3.txt"),
    ):
        part = PartFile(folder, "a.txt", URL)
        part.open(0)
        part.write(data)
        part.write_sidecar(INFO)
        assert part.commit(None, number) == path
        assert (root / path).read_bytes() == data
        assert not part.is_open
    assert names(root) == {"a.txt", "a.1.txt", "a.2.txt", "a.3.txt"}
    assert (root / "a.1.txt").stat().st_nlink == 1


def test_a_free_name_needs_no_number(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "d/a.txt", URL)
    part.open(0)
    assert part.commit(None, True) == "d/a.txt"
    assert names(root) == {"d", "d/a.txt"}


def test_a_link_to_nothing_is_a_name_that_is_taken(folder: Folder, root: Path) -> None:
    (root / "a.txt").symlink_to(root / "nowhere")
    part = PartFile(folder, "a.txt", URL)
    part.open(0)
    assert part.commit(None, True) == "a.1.txt"
    assert (root / "a.txt").is_symlink()


def test_a_folder_at_the_final_name_leaves_the_part_file(folder: Folder, root: Path) -> None:
    (root / "file").mkdir()
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write(b"12345")
    with pytest.raises(IsADirectoryError):
        part.commit(None, False)
    part.keep(ResumeInfo(5, VALIDATOR, 5))
    assert PartFile(folder, "file", URL).resume_info() == ResumeInfo(5, VALIDATOR, 5)


@pytest.mark.parametrize("number", [True, False])
def test_a_name_that_cannot_be_given_leaves_a_part_that_can_be_resumed(folder: Folder, root: Path, number: bool) -> None:
    (root / "file").mkdir()
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write_sidecar(INFO)
    part.write(b"12345")

    def refused(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", refused)
        patch.setattr(os, "link", refused)
        with pytest.raises(PermissionError):
            part.commit(None, number)
    part.keep(INFO)
    assert PartFile(folder, "file", URL).resume_info() == ResumeInfo(5, VALIDATOR, 10)


def test_a_file_that_appeared_meanwhile_is_not_replaced_unless_asked_to(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write(b"new")
    (root / "file").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        part.commit(None, False, replace=False)
    assert (root / "file").read_bytes() == b"old"
    assert part.commit(None, False, replace=True) == "file"
    assert (root / "file").read_bytes() == b"new"


def test_a_free_name_is_taken_without_replacing(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    assert part.commit(None, False, replace=False) == "file"
    assert names(root) == {"file"}


@pytest.mark.parametrize("second", [True, False])
def test_a_foreign_file_at_the_part_name_is_not_published(folder: Folder, root: Path, second: bool) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write(b"ours")
    (root / "file.part").unlink()
    if second:
        (root / "file.part").write_bytes(b"not ours")
    with pytest.raises(FileInUse, match="changed by another program"):
        part.commit(None, False)
    assert not (root / "file").exists()


def test_discarding_removes_the_part_and_its_sidecar(folder: Folder, root: Path) -> None:
    leave(folder, "file", b"12345")
    part = PartFile(folder, "file", URL)
    part.open(part.resume_info().size)
    part.discard()
    assert names(root) == set()


def test_part_files_are_found_by_their_names(folder: Folder, root: Path) -> None:
    leave(folder, "d/e/file", b"12345")
    assert names(root / "d" / "e") == set(part_names("file"))


# --- the folder of a run


def test_a_folder_is_made_with_all_above_it(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    folder.close()
    folder.close()


def test_a_missing_folder_that_is_not_to_be_made_looks_empty(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "missing"), make=False)
    assert folder.existing("file") is None
    folder.close()
    assert names(tmp_path) == set()


def test_an_existing_folder_is_read_without_making_it(root: Path) -> None:
    (root / "file").write_bytes(b"123")
    os.utime(root / "file", (5.0, 6.0))
    (root / "sub").mkdir()
    folder = Folder(str(root), make=False)
    assert folder.existing("file") == Existing(3, 6.0)
    found = folder.existing("sub")
    assert found is not None
    assert found.is_folder
    assert folder.existing("nothing") is None
    assert folder.existing("file/below") is None
    folder.close()


@pytest.mark.parametrize(("blocks", "files", "room"), [(1000, 5, 4096_000), (0, 5, 0), (1000, 0, 0)])
def test_a_file_system_that_can_hold_no_further_file_is_full(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, blocks: int, files: int, room: int
) -> None:
    found = os.statvfs_result((4096, 4096, 9000, blocks, blocks, 9000, files, files, 0, 255))
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: found)
    assert folder.free_bytes() == room
    assert isinstance(folder.write_problem(), FolderFull) is (room == 0)


def test_a_folder_that_cannot_be_made_is_a_storage_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        Folder(str(tmp_path / "file" / "run"))
    assert str(tmp_path / "file" / "run") in str(caught.value)
    with pytest.raises(StorageError):
        Folder(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "permissions"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, ""),
    ],
)
def test_a_storage_error_says_what_happened_where_and_what_to_do(number: int, advice: str) -> None:
    error = storage_error(OSError(number, os.strerror(number)), "d/file", URL)
    assert (error.url, error.exit_code, error.retryable) == (URL, 3, False)
    assert error.reason == f"{os.strerror(number).lower()}: cannot write d/file"
    assert advice in error.hint
    assert bool(error.hint) == bool(advice)


def test_a_storage_error_without_a_system_text_has_a_reason() -> None:
    assert str(storage_error(OSError(), "file")) == "i/o error: cannot write file"


# --- checksums

BODY = bytes(range(256)) * 20


def checksum(algorithm: str, data: bytes = BODY) -> Checksum:
    """What the data hash to."""
    return Checksum(algorithm, hashlib.new(algorithm, data).hexdigest())


@given(st.lists(st.integers(0, len(BODY)), max_size=6), st.integers(0, len(BODY)))
def test_any_chunking_and_any_resume_has_the_same_digest(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], held: int
) -> None:
    path = tmp_path_factory.mktemp("sums") / "part"
    path.write_bytes(BODY[:held] + b"and more")
    verifier = ChecksumVerifier([checksum("sha256"), checksum("md5")])
    with path.open("rb") as file:
        verifier.hash_existing(file.fileno(), held)
    places = [held, *sorted(cut for cut in cuts if cut > held), len(BODY)]
    for start, stop in itertools.pairwise(places):
        verifier.update(BODY[start:stop])
    verifier.verify(URL)  # raises IntegrityError unless both digests are right


@pytest.mark.parametrize("good", [[], ["sha256"]])
def test_one_wrong_digest_among_good_ones_is_an_integrity_error(good: list[str]) -> None:
    verifier = ChecksumVerifier([*map(checksum, good), checksum("md5", b"other")])
    verifier.update(BODY)
    with pytest.raises(IntegrityError, match="md5 checksum is wrong") as caught:
        verifier.verify(URL)
    assert caught.value.url == URL


def test_hashing_a_part_file_ends_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"12")
    verifier = ChecksumVerifier([checksum("sha256", b"12")])
    with (tmp_path / "part").open("rb") as file:
        verifier.hash_existing(file.fileno(), 5)
    verifier.verify(URL)  # raises IntegrityError unless exactly the two bytes were read


@pytest.mark.parametrize("path", ["file", "d/e/file", "x" * 250, "d/" + "ü" * 120])
def test_path_of_the_part_file_is_where_its_bytes_are(folder: Folder, root: Path, path: str) -> None:
    part = PartFile(folder, path, URL)
    part.open(0)
    part.write(b"12345")
    assert (root / part.path).read_bytes() == b"12345"
    part.discard()
    assert not (root / part.path).exists()


def test_bytes_that_the_caller_wrote_are_counted(folder: Folder, root: Path) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    os.write(part.descriptor, b"12345")
    part.advance(5)
    assert (part.written, part.spans) == (5, ((0, 5),))
    part.write(b"67")
    assert part.commit(None, False) == "file"
    assert (root / "file").read_bytes() == b"1234567"


def test_folder_that_was_empty_when_the_run_began_is_so_in_a_worker_that_opens_it_later(folder: Folder, root: Path) -> None:
    assert folder.was_empty
    (root / "file").write_bytes(b"")
    later = Folder(str(root))
    assert not later.was_empty
    later.set_was_empty(True)
    assert later.was_empty
    later.close()


def test_small_file_gets_a_part_file_where_the_file_system_has_no_files_without_a_name(folder: Folder, root: Path) -> None:
    assert publish_block(folder, "a", b"1", None, False) == "a"
    folder.set_tmpfile_unsupported()
    assert publish_block(folder, "b", b"1", None, False) is None
    assert names(root) == {"a"}


@pytest.mark.parametrize(("number", "files", "nothing"), [(1, [], True), (2, [], False), (1, ["other"], False)])
def test_only_the_first_attempt_in_an_empty_folder_can_find_nothing(
    tmp_path: Path, number: int, files: list[str], nothing: bool
) -> None:
    for name in files:
        (tmp_path / name).touch()
    folder = Folder(str(tmp_path))
    assert folder.has_nothing_of(Attempt(1, number, "http://h/a", "http://h/a", "a")) is nothing
    folder.close()
