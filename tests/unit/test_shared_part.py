"""Part files with gaps: what their sidecar says, and several Attempts that write one file at once."""

import contextlib
import errno
import fcntl
import math
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import NOTHING_TO_RESUME, Checksum, ResumeInfo, Span, Validator
from downloader.core.spans import first_gap, merged
from downloader.errors import FileInUse
from downloader.storage import shared_part, sidecar
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile
from downloader.storage.shared_part import SharedPart

URL = "https://example.org/file"
VALIDATOR = Validator('"e"', "Sun, 06 Nov 1994 08:49:37 GMT")
DIGEST = Checksum("sha256", "1" * 64)
BODY = bytes(number * 7 % 251 for number in range(1000))
INFO = ResumeInfo(0, VALIDATOR, len(BODY), (DIGEST,))


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_part, "SAVE_SECONDS", math.inf)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the run."""
    return tmp_path / "run"


@pytest.fixture
def folder(root: Path) -> Iterator[Folder]:
    """The same, opened; nothing may be left of what the test opened."""
    before = set(os.listdir("/proc/self/fd"))
    opened = Folder(str(root))
    yield opened
    opened.close()
    assert opened.shared_parts.by_path == {}
    assert set(os.listdir("/proc/self/fd")) == before


def first(folder: Folder, count: int, path: str = "file") -> PartFile:
    """The Attempt that began, with so many bytes from the start; the file is shared."""
    part = PartFile(folder, path, URL)
    part.open(0)
    part.write_sidecar(INFO)
    part.write(BODY[:count])
    part.allow_sharing(INFO)
    return part


def join(folder: Folder, start: int = 0, path: str = "file") -> PartFile:
    """One that joins in, and writes there next."""
    part = PartFile(folder, path, URL)
    part.open_shared(part.resume_info())
    part.seek(start)
    return part


def put(part: PartFile, start: int, stop: int) -> None:
    """Write these bytes of the body."""
    part.seek(start)
    part.write(BODY[start:stop])


def resume_info(folder: Folder, path: str = "file") -> ResumeInfo:
    """What the next run would resume."""
    other = Folder(folder.root)
    try:
        return PartFile(other, path, URL).resume_info()
    finally:
        other.close()


def leave(folder: Folder, *spans: Span) -> None:
    """A part file with these bytes in it, and a sidecar that says so."""
    part = first(folder, 0)
    other = join(folder)
    for start, stop in spans:
        put(other, start, stop)
    other.close()
    part.keep(INFO)


def edit(root: Path, **values: object) -> None:
    """Change what a sidecar says."""
    meta = root / "file.part.meta"
    meta.write_bytes(msgspec.json.encode({**msgspec.json.decode(meta.read_bytes()), **values}))


# --- what is resumed


def test_complete_spans_are_resumed_with_all_that_the_server_said(folder: Folder) -> None:
    leave(folder, (0, 100), (300, 400))
    assert resume_info(folder) == ResumeInfo(0, VALIDATOR, 1000, (DIGEST,), ((0, 100), (300, 400)))


def test_a_file_without_complete_spans_has_an_empty_span(folder: Folder, root: Path) -> None:
    leave(folder, (500, 600))
    edit(root, spans=[])
    assert resume_info(folder).spans == ((0, 0),)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([[0, 100], [100, 200]], ((0, 200),)),  # else it would never be found complete
        ([[0, 100], [100, 100], [300, 400]], ((0, 100), (300, 400))),
        ([[0, 600]], ((0, 600),)),
    ],
)
def test_adjacent_spans_are_joined(folder: Folder, root: Path, spans: list[list[int]], expected: tuple[Span, ...]) -> None:
    leave(folder, (500, 600))
    edit(root, spans=spans)
    assert resume_info(folder).spans == expected


@pytest.mark.parametrize(
    "damage",
    [
        {"spans": [[300, 400], [0, 100]]},
        {"spans": [[0, 100], [99, 200]]},
        {"spans": [[100, 0]]},
        {"spans": [[-5, 10]]},
        {"spans": [[0, 601]]},  # the file is shorter
        {"spans": [[0, 10], [700, 800]]},
        {"spans": [[0, 1000]]},
        {"spans": [[0, 10**30]]},
        {"spans": [[0]]},
        {"spans": [[0, 10, 20]]},
        {"spans": [["0", "10"]]},
        {"spans": [[0.5, 10]]},
        {"spans": 7},
        {"spans": [[0, 10]], "total": None},
        {"spans": [[0, 10]], "total": 599},  # the file is longer than it may be
        {"spans": [[0, 10]], "etag": "", "last_modified": ""},  # nothing to bind the rest to
        {"digests": [["md4", "00"]]},
        {"digests": [["shake_128", "00"]]},
    ],
    ids=str,
)
def test_with_an_inconsistent_sidecar_nothing_is_resumed(folder: Folder, root: Path, damage: dict[str, object]) -> None:
    leave(folder, (500, 600))
    assert resume_info(folder).spans
    edit(root, **damage)
    assert resume_info(folder) == NOTHING_TO_RESUME


@given(st.lists(st.tuples(st.integers(-5, 700), st.integers(-5, 700)), max_size=5), st.integers(0, 700))
def test_no_span_of_any_sidecar_is_beyond_the_end_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, spans: list[Span], size: int
) -> None:
    root = tmp_path_factory.mktemp("run")
    (root / "file.part").write_bytes(BODY[:size])
    found = sidecar.Sidecar(sidecar.digest_of(URL), '"e"', total=700, spans=tuple(spans))
    (root / "file.part.meta").write_bytes(msgspec.json.encode(found))
    folder = Folder(str(root))
    info = PartFile(folder, "file", URL).resume_info()
    folder.close()
    if info != NOTHING_TO_RESUME:
        assert info.spans == (merged(spans) or ((0, 0),))
        assert all(0 <= start <= stop <= size for start, stop in info.spans)


def test_a_part_file_that_a_user_truncated_cannot_be_resumed(folder: Folder, root: Path) -> None:
    leave(folder, (0, 100), (500, 600))
    os.truncate(root / "file.part", 550)
    assert resume_info(folder) == NOTHING_TO_RESUME


def test_a_sidecar_that_gets_shorter_is_still_read(folder: Folder, root: Path) -> None:
    leave(folder, *((100 * number, 100 * number + 50) for number in range(9)))
    before = (root / "file.part.meta").stat().st_size
    part = join(folder)
    for number in range(9):
        put(part, 100 * number + 50, 100 * number + 100)
    part.close()
    assert (root / "file.part.meta").stat().st_size == before
    assert resume_info(folder).spans == ((0, 900),)


# --- sharing


def test_while_one_attempt_writes_the_sidecar_has_no_spans(folder: Folder) -> None:
    part = first(folder, 100)
    assert (part.is_shared, part.may_have_gaps, part.spans, part.is_finished) == (True, False, ((0, 100),), False)
    assert resume_info(folder) == ResumeInfo(100, VALIDATOR, 1000, (DIGEST,))
    part.close()
    assert resume_info(folder) == ResumeInfo(100, VALIDATOR, 1000, (DIGEST,))


def test_when_a_second_attempt_joins_the_sidecar_gets_spans(folder: Folder) -> None:
    part = first(folder, 100)
    other = join(folder)
    assert resume_info(folder).spans == ((0, 100),)
    put(other, 500, 600)
    assert resume_info(folder).spans == ((0, 100),)  # as it stands on the disk: a kill costs no more than it says
    other.close()
    assert resume_info(folder).spans == ((0, 100), (500, 600))
    put(part, 100, 150)
    part.keep(INFO)
    assert resume_info(folder).spans == ((0, 150), (500, 600))


def test_an_attempt_that_joins_sees_the_spans_of_the_others(folder: Folder) -> None:
    part = first(folder, 100)
    other = join(folder)
    put(part, 100, 200)
    put(other, 400, 500)
    third = join(folder)
    assert part.spans == other.spans == third.spans == ((0, 200), (400, 500))
    for item in (part, other, third):
        item.close()


def test_the_sidecar_is_brought_up_to_date_now_and_then(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_part, "SAVE_BYTES", 100)
    part = first(folder, 100)
    other = join(folder)
    put(other, 500, 599)
    assert resume_info(folder).spans == ((0, 100),)
    put(part, 100, 101)
    assert resume_info(folder).spans == ((0, 101), (500, 599))
    part.close()
    other.close()


def test_the_sidecar_is_brought_up_to_date_after_a_while(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    part = first(folder, 100)
    other = join(folder)
    put(other, 500, 510)
    assert resume_info(folder).spans == ((0, 100),)
    monkeypatch.setattr(shared_part, "SAVE_SECONDS", 0.0)
    put(other, 510, 520)
    assert resume_info(folder).spans == ((0, 100), (500, 520))
    part.close()
    other.close()


def test_a_file_joined_after_its_first_attempt_failed_gets_gaps(folder: Folder) -> None:
    """It was shared but never split: its sidecar vouches for all up to its size, which must not be believed from then on."""
    first(folder, 100).keep(INFO)
    other = join(folder, 500)
    assert other.spans == ((0, 100),)
    other.write(BODY[500:600])
    assert resume_info(folder).spans == ((0, 100),)
    other.close()
    assert resume_info(folder).spans == ((0, 100), (500, 600))


def test_a_part_file_in_one_piece_can_be_joined(folder: Folder) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.collect(BODY[:100])
    part.keep(INFO)
    info = resume_info(folder)
    assert (info.size, info.spans) == (100, ())
    other = join(folder)
    assert other.spans == ((0, 100),)
    other.close()


def test_bytes_written_since_the_sidecar_was_read_are_known(folder: Folder) -> None:
    leave(folder, (0, 100), (500, 600))
    late = PartFile(folder, "file", URL)
    info = late.resume_info()
    other = join(folder)
    put(other, 100, 200)
    other.close()
    late.open_shared(info)
    assert late.spans == ((0, 200), (500, 600))
    late.close()


def test_another_version_since_the_sidecar_was_read_is_not_joined(folder: Folder) -> None:
    leave(folder, (0, 100), (500, 600))
    late = PartFile(folder, "file", URL)
    info = late.resume_info()
    part = PartFile(folder, "file", URL)
    part.open(0)
    part.collect(b"x" * 700)
    part.keep(ResumeInfo(0, Validator('"other"'), 1000))
    with pytest.raises(FileInUse):
        late.open_shared(info)
    assert resume_info(folder).validator == Validator('"other"')


def test_a_file_that_got_its_final_name_meanwhile_cannot_be_joined(folder: Folder) -> None:
    part = first(folder, 1000)
    late = PartFile(folder, "file", URL)
    info = late.resume_info()
    assert part.try_finish()
    assert part.commit(None, False) == "file"
    with pytest.raises(FileInUse):
        late.open_shared(info)


def test_a_finished_file_cannot_be_joined(folder: Folder) -> None:
    part = first(folder, 1000)
    late = PartFile(folder, "file", URL)
    info = late.resume_info()
    assert part.try_finish()
    with pytest.raises(FileInUse):
        late.open_shared(info)
    part.close()


def test_a_replaced_part_file_cannot_be_joined(folder: Folder, root: Path) -> None:
    part = first(folder, 100)
    (root / "file.part").unlink()
    (root / "file.part").write_bytes(BODY)
    with pytest.raises(FileInUse):
        join(folder)
    part.close()


def test_a_link_is_not_written_through(folder: Folder, root: Path) -> None:
    leave(folder, (0, 100))
    os.link(root / "file.part", root / "precious")
    with pytest.raises(FileInUse):
        join(folder)
    assert (root / "precious").read_bytes() == BODY[:100]


def test_in_a_folder_below(folder: Folder, root: Path) -> None:
    part = first(folder, 100, "d/e/file")
    other = join(folder, 100, "d/e/file")
    other.write(BODY[100:])
    part.close()
    assert other.try_finish()
    assert other.commit(7.0, False) == "d/e/file"
    assert (root / "d/e/file").read_bytes() == BODY
    assert (root / "d/e/file").stat().st_mtime == 7.0
    assert os.listdir(root / "d/e") == ["file"]


# --- finishing


def test_exactly_one_attempt_finishes_the_file(folder: Folder, root: Path) -> None:
    part = first(folder, 500)
    other, third = join(folder), join(folder)
    assert not any(item.try_finish() for item in (part, other, third))
    put(other, 500, 1000)
    assert [item.try_finish() for item in (third, other, part, third)] == [True, False, False, False]
    assert all(item.is_finished for item in (part, other, third))
    put(part, 0, 10)
    part.seek(10)
    part.write(b"x" * 50)  # it would be written after it was verified
    assert part.written == 10
    part.keep(INFO)
    other.close()
    assert third.commit(None, False) == "file"
    assert (root / "file").read_bytes() == BODY
    assert os.listdir(root) == ["file"]


def test_a_part_file_that_is_not_shared_cannot_be_finished(folder: Folder) -> None:
    part = PartFile(folder, "file", URL)
    part.open(0)
    assert not part.try_finish()
    assert (part.is_shared, part.may_have_gaps, part.is_finished) == (False, False, False)
    part.discard()


def test_a_file_finished_without_a_commit_is_complete_in_the_next_run(folder: Folder, root: Path) -> None:
    part = first(folder, 500)
    other = join(folder, 500)
    other.write(BODY[500:])
    assert other.try_finish()
    other.keep(INFO)
    part.keep(INFO)
    assert resume_info(folder).spans == ((0, 1000),)
    again = join(folder)
    assert first_gap(again.spans, 0, 1000) is None
    assert again.try_finish()
    again.commit(None, False)
    assert os.listdir(root) == ["file"]


def test_no_sidecar_is_written_after_the_file_is_finished(folder: Folder, root: Path) -> None:
    part = first(folder, 500)
    other = join(folder, 500)
    other.write(BODY[500:])
    assert other.try_finish()
    other.commit(None, False)
    part.close()
    assert os.listdir(root) == ["file"]


def test_discarding_ends_the_file_for_all_attempts(folder: Folder, root: Path) -> None:
    part = first(folder, 500)
    other = join(folder, 600)
    part.discard()
    assert other.is_finished
    other.write(BODY[600:])
    other.keep(INFO)
    assert os.listdir(root) == []


def test_a_file_that_appeared_meanwhile_under_the_final_name_is_not_replaced(folder: Folder, root: Path) -> None:
    part = first(folder, 500)
    other = join(folder, 500)
    other.write(BODY[500:])
    (root / "file").write_bytes(b"precious")
    assert other.try_finish()
    with pytest.raises(FileExistsError):
        other.commit(None, False, replace=False)
    other.discard()
    part.close()
    assert os.listdir(root) == ["file"]
    assert (root / "file").read_bytes() == b"precious"


# --- locks and descriptors


def test_the_file_is_locked_until_the_last_attempt_has_closed_it(folder: Folder) -> None:
    part = first(folder, 100)
    other = join(folder, 500)
    part.close()
    elsewhere = Folder(folder.root)
    late = PartFile(elsewhere, "file", URL)
    with pytest.raises(FileInUse):
        late.open_shared(late.resume_info())
    with pytest.raises(FileInUse):
        late.open(0)
    other.close()
    late.open_shared(late.resume_info())
    late.close()
    elsewhere.close()


def test_two_runs_cannot_write_one_file(folder: Folder) -> None:
    leave(folder, (0, 100), (500, 600))
    elsewhere = Folder(folder.root)
    part, late = join(folder), PartFile(elsewhere, "file", URL)
    with pytest.raises(FileInUse):
        late.open_shared(late.resume_info())
    part.close()
    elsewhere.close()


def test_closing_twice_counts_once(folder: Folder) -> None:
    part = first(folder, 100)
    other = join(folder)
    other.close()
    other.close()
    assert not part.is_finished
    third = join(folder)
    third.close()
    part.close()


@pytest.mark.parametrize("good", range(4))
def test_no_descriptor_is_leaked_where_no_further_one_can_be_opened(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    dup, count = os.dup, iter(range(100))

    def failing(descriptor: int) -> int:
        if next(count) >= good:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return dup(descriptor)

    part = PartFile(folder, "file", URL)
    part.open(0)
    part.write_sidecar(INFO)
    part.write(BODY[:10])
    monkeypatch.setattr(os, "dup", failing)
    with contextlib.nullcontext() if good >= 2 else pytest.raises(OSError, match="open files"):
        part.allow_sharing(INFO)
    assert part.is_shared is (good >= 2)
    part.keep(INFO)
    monkeypatch.undo()
    assert resume_info(folder).size == 10


def test_a_sidecar_that_cannot_be_written_prevents_sharing(folder: Folder, root: Path) -> None:
    part = first(folder, 100)
    (root / "file.part.meta").unlink()
    with pytest.raises(FileNotFoundError):
        join(folder)
    assert not part.may_have_gaps
    put(part, 100, 200)
    part.close()


def test_a_disk_that_is_full_in_the_middle_of_a_block(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    part = first(folder, 100)
    other = join(folder, 500)
    pwrite, count = os.pwrite, iter(range(100))

    def failing(descriptor: int, data: memoryview, at: int) -> int:
        if next(count) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, data[:30], at)

    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(OSError, match="space"):
        other.write(BODY[500:600])
    monkeypatch.undo()
    other.keep(INFO)
    part.keep(INFO)
    assert resume_info(folder).spans == ((0, 100), (500, 530))


def test_a_sidecar_that_cannot_be_saved_costs_the_unsaved_bytes(folder: Folder, root: Path) -> None:
    part = first(folder, 100)
    other = join(folder, 500)
    other.write(BODY[500:600])
    (root / "file.part.meta").unlink()
    other.close()
    part.close()
    assert resume_info(folder) == NOTHING_TO_RESUME


def test_a_shared_part_keeps_the_lock_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    parent = os.open(tmp_path, os.O_RDONLY)
    shared = SharedPart(descriptor, parent, INFO, (), lambda folder, info: None)
    os.close(descriptor)
    os.close(parent)
    with path.open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert shared.resume_info.spans == ((0, 0),)
        assert shared.add_writer()
        assert not shared.remove_writer()
        assert shared.remove_writer()
        assert not shared.add_writer()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- all at once


@pytest.mark.parametrize("round_number", range(5))
def test_threads_write_one_file_and_one_of_them_finishes_it(folder: Folder, root: Path, round_number: int) -> None:
    count, size = 8, 40_000
    body = os.urandom(count * size)
    part = PartFile(folder, "file", URL)
    part.open(0)
    info = ResumeInfo(0, VALIDATOR, len(body))
    part.write_sidecar(info)
    part.write(body[:1])
    part.allow_sharing(info)
    ended: list[int] = []
    errors: list[BaseException] = []
    together = threading.Barrier(count)

    def work(number: int) -> None:
        try:
            own = part if number == 0 else PartFile(folder, "file", URL)
            if number:
                own.open_shared(own.resume_info())
            together.wait()
            start, stop = number * size, (number + 1) * size
            while (gap := first_gap(own.spans, start, stop)) is not None:
                own.seek(gap[0])
                own.write(body[gap[0] : min(gap[1], gap[0] + 777)])
            if own.try_finish():
                ended.append(number)
                own.commit(None, False)
            own.keep(info)
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(ended) == 1
    assert (root / "file").read_bytes() == body
    assert os.listdir(root) == ["file"]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 999), st.integers(1, 400)), max_size=20),
    st.sampled_from([1, 50, 10_000]),
)
def test_the_sidecar_never_records_bytes_that_are_not_on_the_disk(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, int]], save_every: int
) -> None:
    root = tmp_path_factory.mktemp("run")
    folder = Folder(str(root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_part, "SAVE_BYTES", save_every)
        part = first(folder, 10)
        users = [part, join(folder), join(folder)]
        for user, start, count in writes:
            put(users[user], start, start + count)
            info = resume_info(folder)
            on_disk = (root / "file.part").read_bytes()
            assert info.validator == VALIDATOR
            assert all(on_disk[begin:end] == BODY[begin:end] for begin, end in info.spans)
            if save_every == 1:
                assert info.spans == part.spans
        for item in users:
            item.keep(INFO)
    assert resume_info(folder).spans == part.resume_info().spans
    folder.close()
