"""One Attempt from its first request to its file, driven step by step by a server that is only a value."""

import base64
import copy
import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from downloader.core.facts import Checksum, Pieces, ResumeInfo, Validator
from downloader.core.http.headers import content_range, format_http_date
from downloader.core.http.messages import Head, Request, TransferPolicy
from downloader.core.model import Attempt, End, Outcome
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.body import FLUSH_BYTES, FLUSH_SECONDS
from downloader.engine.attempt.commands import DROP, READ, Call, Command, Write
from downloader.engine.contract import AttemptContext, Slot, WorkerConfig
from downloader.engine.control import Cut
from downloader.engine.stats import LocalStats
from downloader.errors import (
    DownloadError,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NetworkError,
    PolicyError,
    ProtocolError,
    StorageError,
    WrongPieces,
)
from downloader.storage import hashes, sidecar
from downloader.storage.folder import Folder
from downloader.transports.base import ClientOptions
from tests.support.fake_server import BODY, CHANGED_AT, NOW, SUM, FakeServer

URL = "https://example.org/file.bin"


@dataclass
class AttemptDriver:
    """A folder, and a driver of Attempts that looks into the folder before every step."""

    root: Path
    config: WorkerConfig
    attempt: Attempt = field(default_factory=lambda: Attempt(0, 1, URL, URL, "file.bin"))
    slot: Slot = field(default_factory=lambda: Slot(LocalStats(), Cut()))
    commands: list[Command] = field(default_factory=list)
    tick: float = 0.0
    now: float = 0.0
    early: bool = False
    is_slow: bool = False
    obeying: bool = False

    def clock(self) -> float:
        """Seconds, ``tick`` more on every look."""
        self.now += self.tick
        return self.now

    def run(
        self, server: FakeServer, at: Callable[[int, Command], BaseException | None] | None = None, **changes: Any
    ) -> Outcome:
        """Drive one Attempt. ``at`` may say what to throw at a step; ``changes`` are of the Attempt."""
        folder = Folder(str(self.root))
        folder.is_slow = self.is_slow
        attempt = replace(self.attempt, **changes)
        before = self.files()
        context = AttemptContext(self.config, folder, clock=self.clock, epoch_now=lambda: NOW)
        steps = attempt_steps(attempt, context, self.slot)
        pieces: Iterator[bytes] = iter(())
        answer: Head | bytes | None = None
        error: BaseException | None = None
        self.commands = []
        try:
            while True:
                command = steps.send(answer) if error is None else steps.throw(error)
                self.commands.append(command)
                self.early |= self.files().get(attempt.path) != before.get(attempt.path)
                answer, error = None, at(len(self.commands), command) if at else None
                if error is not None:
                    continue
                self.obeying = True
                try:
                    if isinstance(command, Request):
                        answer, pieces = server.answer(command)
                    elif command is READ:
                        answer = next(pieces, b"")
                    elif isinstance(command, Write):
                        command.part.write(command.block)
                    elif isinstance(command, Call):
                        command.call()
                    else:
                        assert command is DROP
                except (DownloadError, OSError) as failure:
                    error = failure
                self.obeying = False
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        finally:
            folder.close()

    def files(self) -> dict[str, bytes]:
        """All files below the folder, with what they hold."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}

    @property
    def names(self) -> set[str]:
        """Their names."""
        return set(self.files())


def driver_in(root: Path, policy: TransferPolicy | None = None, **options: Any) -> AttemptDriver:
    """An AttemptDriver in this folder."""
    return AttemptDriver(root, WorkerConfig(str(root), policy or TransferPolicy(), ClientOptions(), **options))


@pytest.fixture
def driver(tmp_path: Path) -> AttemptDriver:
    """An AttemptDriver in a new folder."""
    return driver_in(tmp_path)


KEPT = {"file.bin.part", "file.bin.part.meta"}


def header(request: Request, name: str) -> str | None:
    """A header of a request."""
    return dict(request.headers).get(name)


# --- a file that comes


def test_a_whole_file_gets_its_name_its_time_and_an_outcome(driver: AttemptDriver) -> None:
    driver.now = 50.0
    outcome = driver.run(FakeServer())
    assert outcome == Outcome(
        key=0,
        end=End.COMPLETE,
        received=2000,
        size=2000,
        elapsed=0.0,
        status=200,
        final_url=URL,
        etag='"v1"',
        path="file.bin",
        last_modified=format_http_date(CHANGED_AT),
    )
    assert driver.files() == {"file.bin": BODY}
    assert (driver.root / "file.bin").stat().st_mtime == CHANGED_AT
    assert driver.slot.stats.received == driver.slot.stats.done == driver.slot.stats.size == 2000
    assert driver.slot.stats.since == 0.0
    assert pickle.loads(pickle.dumps(outcome)) == outcome


@given(
    size=st.integers(0, 2000),
    pieces=st.lists(st.integers(1, 900), min_size=1, max_size=6).map(tuple),
    tick=st.sampled_from([0.0, 0.3, 2.0]),
    length=st.booleans(),
    checked=st.booleans(),
    held=st.integers(0, 1999),
)
def test_any_chunking_and_any_pace_give_the_same_file(
    size: int, pieces: tuple[int, ...], tick: float, length: bool, checked: bool, held: int
) -> None:
    body = BODY[:size]
    sums = (Checksum("sha256", hashlib.sha256(body).hexdigest()),) if checked else ()
    with tempfile.TemporaryDirectory() as root:
        driver = driver_in(Path(root), TransferPolicy(low_speed_limit=0))
        driver.tick = tick
        if held < size:
            cut = driver.run(FakeServer(body=body, length=length, pieces=pieces[::-1], cut=held), checksums=sums)
            assert isinstance(cut.error, NetworkError)
        outcome = driver.run(FakeServer(body=body, length=length, pieces=pieces), checksums=sums)
        assert (outcome.end, outcome.size) == (End.COMPLETE, size)
        assert outcome.received == size - (held if held < size else 0)
        assert driver.files() == {"file.bin": body}
        assert not driver.early


def test_the_final_name_never_appears_early(driver: AttemptDriver) -> None:
    driver.tick = FLUSH_SECONDS
    assert driver.run(FakeServer(pieces=(50,))).end is End.COMPLETE
    assert not driver.early
    assert len(driver.commands) > 2000 // 50


# --- slow storage


def waits(driver: AttemptDriver) -> list[bool]:
    """Of each Call of the last Attempt: whether it waits for the storage."""
    return [command.waits for command in driver.commands if isinstance(command, Call)]


@pytest.mark.parametrize("policy", ["skip", "overwrite", "rename"])
def test_a_small_file_needs_one_call_where_the_folder_is_slow_and_none_elsewhere(tmp_path: Path, policy: str) -> None:
    for is_slow, expected in ((False, []), (True, [True])):
        root = tmp_path / str(is_slow)
        config = WorkerConfig(str(root), TransferPolicy(), ClientOptions(), on_exists=policy)
        driver = AttemptDriver(root, config, is_slow=is_slow)
        assert (driver.run(FakeServer()).end, driver.files(), waits(driver)) == (End.COMPLETE, {"file.bin": BODY}, expected)


def test_a_slow_folder_is_written_to_only_in_calls_and_writes(driver: AttemptDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    body = bytes(range(256)) * (FLUSH_BYTES * 7 // 2 // 256)
    driver.run(FakeServer(body=body, pieces=(FLUSH_BYTES // 4,), cut=FLUSH_BYTES * 3 // 2))
    assert driver.names == KEPT
    in_line, flags = [], os.O_WRONLY | os.O_RDWR

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*arguments: Any, **options: Any) -> Any:
            if not driver.obeying and (call is not os_open or arguments[1] & flags):
                in_line.append((call, arguments))
            return call(*arguments, **options)

        return watching

    os_open = os.open
    for name in ("open", "write", "writev", "rename", "link", "unlink"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    driver.is_slow = True
    outcome = driver.run(FakeServer(body=body, pieces=(FLUSH_BYTES // 4,)))
    assert (outcome.end, outcome.received, driver.files()) == (End.COMPLETE, FLUSH_BYTES * 2, {"file.bin": body})
    assert in_line == []
    assert sum(isinstance(command, Write) for command in driver.commands) == 2


def test_a_name_that_is_taken_while_a_thread_works_is_left_alone(driver: AttemptDriver) -> None:
    driver.is_slow = True

    def at(number: int, command: Command) -> None:
        if isinstance(command, Call):
            (driver.root / "file.bin").write_bytes(b"another program's")

    outcome = driver.run(FakeServer(), at)
    assert (outcome.end, outcome.error) == (End.EXISTS, None)
    assert driver.files() == {"file.bin": b"another program's"}


@pytest.mark.parametrize("begun", [False, True])
def test_a_stop_while_a_thread_names_the_file_counts_only_if_it_has_no_name(driver: AttemptDriver, begun: bool) -> None:
    driver.is_slow = True

    def at(number: int, command: Command) -> BaseException | None:
        if not isinstance(command, Call):
            return None
        if begun:
            command.call()
        return Interrupted("stopped")

    outcome = driver.run(FakeServer(), at)
    assert outcome.end is (End.COMPLETE if begun else End.INTERRUPTED)
    assert driver.files() == ({"file.bin": BODY} if begun else {})


def test_a_large_body_is_written_in_large_blocks(driver: AttemptDriver) -> None:
    body = bytes(range(256)) * (FLUSH_BYTES * 5 // 2 // 256)
    outcome = driver.run(FakeServer(body=body, pieces=(FLUSH_BYTES // 4,)))
    assert outcome.end is End.COMPLETE
    assert [len(command.block) for command in driver.commands if isinstance(command, Write)] == [FLUSH_BYTES, FLUSH_BYTES]
    assert driver.files() == {"file.bin": body}


def test_a_large_body_is_written_at_once_and_hashed_in_a_thread(driver: AttemptDriver) -> None:
    body = bytes(FLUSH_BYTES + 1)
    sums = (Checksum("md5", hashlib.md5(body).hexdigest()),)
    assert driver.run(FakeServer(body=body, pieces=(len(body),)), checksums=sums).end is End.COMPLETE
    kinds = [type(command) for command in driver.commands]
    assert kinds.index(Call) < kinds.index(Write)
    assert driver.files() == {"file.bin": body}


def test_few_bytes_are_written_in_line_and_need_no_sidecar(driver: AttemptDriver) -> None:
    seen: list[set[str]] = []
    driver.run(FakeServer(), at=lambda step, command: seen.append(driver.names))
    assert {type(command) for command in driver.commands} == {Request, type(READ)}
    assert all(names <= {"file.bin.part"} for names in seen)


def test_a_slow_body_is_written_once_a_second_and_not_piece_by_piece(driver: AttemptDriver) -> None:
    driver.tick = 0.4  # from one look at the clock to the next: three pieces are more than a second
    driver.run(FakeServer(body=BODY[:1000], pieces=(100,)))
    assert [len(command.block) for command in driver.commands if isinstance(command, Write)] == [300, 300, 300]
    assert driver.files() == {"file.bin": BODY[:1000]}


def test_a_slow_body_is_flushed_with_its_sidecar(driver: AttemptDriver) -> None:
    driver.tick = FLUSH_SECONDS
    seen: list[set[str]] = []
    driver.run(FakeServer(pieces=(500,)), at=lambda step, command: seen.append(driver.names))
    assert KEPT in seen
    assert driver.names == {"file.bin"}


@pytest.mark.parametrize("length", [True, False])
def test_an_empty_file_is_a_file(driver: AttemptDriver, length: bool) -> None:
    outcome = driver.run(FakeServer(body=b"", length=length))
    assert (outcome.end, outcome.size) == (End.COMPLETE, 0)
    assert driver.files() == {"file.bin": b""}


def test_folders_are_made_on_the_way(driver: AttemptDriver) -> None:
    outcome = driver.run(FakeServer(), path="a/b/file.bin")
    assert outcome.path == "a/b/file.bin"
    assert driver.files() == {"a/b/file.bin": BODY}


def test_without_mtime_the_file_is_of_now(tmp_path: Path) -> None:
    driver_in(tmp_path, mtime=False).run(FakeServer())
    assert (tmp_path / "file.bin").stat().st_mtime > CHANGED_AT + 1


@pytest.mark.parametrize(("on_exists", "path"), [("overwrite", "file.bin"), ("rename", "file.1.bin")])
def test_what_is_there_is_overwritten_or_kept_beside_a_numbered_one(tmp_path: Path, on_exists: str, path: str) -> None:
    (tmp_path / "file.bin").write_bytes(b"old")
    driver = driver_in(tmp_path, on_exists=on_exists)
    outcome = driver.run(FakeServer())
    assert outcome.path == path
    assert driver.files() == {"file.bin": b"old", path: BODY}
    assert not driver.early


@pytest.mark.parametrize("on_exists", ["skip", "overwrite", "rename", "fail"])
def test_a_file_is_whole_where_the_system_writes_few_bytes_at_a_time(
    tmp_path: Path, on_exists: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:300]))
    driver = driver_in(tmp_path, on_exists=on_exists)
    assert driver.run(FakeServer()).end is End.COMPLETE
    assert driver.files() == {"file.bin": BODY}


def test_a_redirect_is_followed_after_its_answer_is_dropped(driver: AttemptDriver) -> None:
    moved = FakeServer(status=302, more=(("Location", "https://other.example/x"),))
    good = FakeServer()

    class Both(FakeServer):
        def answer(self, request: Request) -> tuple[Head, Iterator[bytes]]:
            return (good if "other" in request.url else moved).answer(request)

    outcome = driver.run(Both())
    assert [type(command) for command in driver.commands[:3]] == [Request, type(DROP), Request]
    assert driver.commands[1] is DROP
    assert (outcome.end, outcome.final_url) == (End.COMPLETE, "https://other.example/x")


# --- a file that does not come at once


def test_a_truncated_body_is_kept_and_resumed_with_if_range(driver: AttemptDriver) -> None:
    cut = driver.run(FakeServer(cut=1234))
    assert (cut.end, cut.received, cut.size) == (End.FAILED, 1234, 1234)
    assert isinstance(cut.error, NetworkError)
    assert cut.error.url == URL
    assert driver.names == KEPT
    server = FakeServer()
    outcome = driver.run(server)
    assert (header(server.requests[0], "Range"), header(server.requests[0], "If-Range")) == ("bytes=1234-", '"v1"')
    assert (outcome.end, outcome.status, outcome.received, outcome.size) == (End.COMPLETE, 206, 766, 2000)
    assert driver.files() == {"file.bin": BODY}
    assert (driver.root / "file.bin").stat().st_mtime == CHANGED_AT
    assert driver.slot.stats.received == 2000


def test_a_body_that_ends_early_without_an_error_is_truncated_too(driver: AttemptDriver) -> None:
    class Short(FakeServer):
        def blocks(self, data: bytes) -> Iterator[bytes]:
            return iter([data[:100]])

    outcome = driver.run(Short())
    assert isinstance(outcome.error, NetworkError)
    assert "truncated" in str(outcome.error)
    assert driver.names == KEPT
    assert (driver.root / "file.bin.part").read_bytes() == BODY[:100]


def test_without_an_etag_the_date_binds_the_resume(driver: AttemptDriver) -> None:
    driver.run(FakeServer(etag="", cut=10))
    server = FakeServer(etag="")
    assert driver.run(server).end is End.COMPLETE
    assert header(server.requests[0], "If-Range") == format_http_date(CHANGED_AT)
    assert driver.files() == {"file.bin": BODY}


@pytest.mark.parametrize(("etag", "changed"), [("", None), ('W/"v1"', None), ("", NOW)])
def test_without_a_strong_validator_nothing_is_kept_and_it_starts_again(
    driver: AttemptDriver, etag: str, changed: float | None
) -> None:
    driver.run(FakeServer(etag=etag, changed=changed, cut=1234))
    assert driver.names == set()
    server = FakeServer(etag=etag, changed=changed)
    assert driver.run(server).end is End.COMPLETE
    assert header(server.requests[0], "Range") is None
    assert driver.files() == {"file.bin": BODY}


def test_a_file_that_changed_comes_whole(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=1234))
    new = FakeServer(body=BODY[::-1], etag='"v2"')
    outcome = driver.run(new)
    assert header(new.requests[0], "If-Range") == '"v1"'
    assert (outcome.end, outcome.status, outcome.received, outcome.etag) == (End.COMPLETE, 200, 2000, '"v2"')
    assert driver.files() == {"file.bin": BODY[::-1]}


class Careless(FakeServer):
    """Ignores If-Range."""

    def answer(self, request: Request) -> tuple[Head, Iterator[bytes]]:
        bare = replace(request, headers=tuple(line for line in request.headers if line[0] != "If-Range"))
        return super().answer(bare)


@pytest.mark.parametrize(
    "server",
    [
        Careless(body=BODY[::-1], etag='"v2"'),
        Careless(body=BODY + b"more"),
        Careless(body=BODY[::-1], etag='W/"v1"'),
    ],
)
def test_a_changed_file_is_never_merged_with_what_is_held(driver: AttemptDriver, server: FakeServer) -> None:
    driver.run(FakeServer(cut=1234))
    outcome = driver.run(server)
    assert (outcome.end, outcome.error, outcome.received) == (End.MUST_RESTART, None, 0)
    assert driver.names == KEPT  # for now: the next Attempt is fresh
    assert driver.run(server, from_scratch=True).end is End.COMPLETE
    assert driver.files() == {"file.bin": server.body}


def test_a_server_without_ranges_sends_all_and_it_is_taken(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=1234))
    assert driver.run(FakeServer(ranges=False)).status == 200
    assert driver.files() == {"file.bin": BODY}


def test_a_part_that_was_complete_already_only_gets_its_name(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=2000))
    outcome = driver.run(FakeServer(), checksums=(SUM,))
    assert (outcome.end, outcome.status, outcome.received, outcome.size) == (End.COMPLETE, 416, 0, 2000)
    assert driver.files() == {"file.bin": BODY}
    assert (driver.root / "file.bin").stat().st_mtime == CHANGED_AT


def test_a_part_that_is_longer_than_the_file_starts_again(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=1234))
    assert driver.run(Careless(body=BODY[:1000])).end is End.MUST_RESTART
    assert driver.run(FakeServer(body=BODY[:1000]), from_scratch=True).end is End.COMPLETE
    assert driver.files() == {"file.bin": BODY[:1000]}


def test_a_file_that_is_still_good_is_left_alone(driver: AttemptDriver) -> None:
    (driver.root / "file.bin").write_bytes(b"good")
    server = FakeServer(status=304)
    outcome = driver.run(server, modified_since=CHANGED_AT)
    assert header(server.requests[0], "If-Modified-Since") == format_http_date(CHANGED_AT)
    assert (outcome.end, outcome.error) == (End.NOT_MODIFIED, None)
    assert driver.files() == {"file.bin": b"good"}


def test_a_probe_takes_no_body_and_leaves_no_file(driver: AttemptDriver) -> None:
    outcome = driver.run(FakeServer(more=(("Content-Disposition", "attachment; filename=told.bin"),)), is_probe=True)
    assert (outcome.end, outcome.proposed_name) == (End.NAME_LEARNED, "told.bin")
    assert READ not in driver.commands
    assert driver.files() == {}


@pytest.mark.parametrize(
    ("server", "changes"),
    [
        (FakeServer(), {"is_probe": True}),
        (FakeServer(), {"size": 5}),
        (FakeServer(status=304), {"modified_since": 0.0}),
        (FakeServer(status=404), {}),
        (FakeServer(status=203), {}),
        (FakeServer(status=302, more=(("Location", "ftp://example.org/"),)), {}),
        (FakeServer(more=(("Content-Length", "x"),)), {}),
    ],
)
def test_an_unwanted_body_is_dropped(driver: AttemptDriver, server: FakeServer, changes: dict[str, Any]) -> None:
    driver.run(server, **changes)
    assert [type(command) for command in driver.commands] == [Request, type(DROP)]
    assert driver.commands[-1] is DROP
    assert driver.files() == {}


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_keeps_what_is_held_for_another_time(driver: AttemptDriver, status: int) -> None:
    driver.run(FakeServer(cut=1234))
    before = driver.files()
    outcome = driver.run(FakeServer(status=status))
    assert isinstance(outcome.error, HTTPStatusError)
    assert (outcome.end, outcome.status) == (End.FAILED, status)
    assert driver.files() == before


# --- a file that is wrong


@pytest.mark.parametrize("held", [0, 1234])
def test_a_wrong_checksum_leaves_no_final_name_and_no_part(driver: AttemptDriver, held: int) -> None:
    if held:
        driver.run(FakeServer(cut=held))
    wrong = BODY[:-1] + b"\0"
    outcome = driver.run(FakeServer(body=wrong), checksums=(SUM,))
    assert isinstance(outcome.error, IntegrityError)
    assert outcome.error.url == URL
    assert driver.files() == {}
    assert not driver.early
    assert driver.run(FakeServer(), checksums=(SUM,), from_scratch=True).end is End.COMPLETE
    assert driver.files() == {"file.bin": BODY}


def test_a_wrong_checksum_does_not_touch_what_has_the_name_already(tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"old and good")
    driver = driver_in(tmp_path, on_exists="overwrite")
    assert isinstance(driver.run(FakeServer(body=b"bad"), checksums=(SUM,)).error, IntegrityError)
    assert driver.files() == {"file.bin": b"old and good"}


@pytest.mark.parametrize(("second", "good"), [(hashlib.md5(BODY).hexdigest(), True), ("0" * 32, False)])
def test_an_existing_file_is_kept_only_where_every_checksum_matches(driver: AttemptDriver, second: str, good: bool) -> None:
    (driver.root / "file.bin").write_bytes(BODY)
    server = FakeServer()
    outcome = driver.run(server, checksums=(SUM, Checksum("md5", second)), verify_existing=True)
    assert (outcome.end is End.EXISTS, len(server.requests)) == (good, 0 if good else 1)


def test_damaged_bytes_of_a_part_file_are_found_at_its_end(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=2000))
    (driver.root / "file.bin.part").write_bytes(BODY[::-1])
    assert isinstance(driver.run(FakeServer(), checksums=(SUM,)).error, IntegrityError)
    assert driver.files() == {}


@pytest.mark.parametrize("name", ["Repr-Digest", "Content-Digest", "Digest"])
@pytest.mark.parametrize("good", [True, False])
def test_the_servers_own_digest_is_verified(driver: AttemptDriver, name: str, good: bool) -> None:
    digest = base64.b64encode(hashlib.sha256(BODY if good else b"other").digest()).decode()
    value = f"SHA-256={digest}" if name == "Digest" else f"sha-256=:{digest}:"
    outcome = driver.run(FakeServer(more=((name, value),)))
    assert (outcome.end is End.COMPLETE, isinstance(outcome.error, IntegrityError)) == (good, not good)
    assert driver.names == ({"file.bin"} if good else set())


@pytest.mark.parametrize("held", [500, 2000])
def test_the_digest_of_a_first_answer_holds_for_the_resumed_file(driver: AttemptDriver, held: int) -> None:
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    driver.run(FakeServer(cut=held, more=(("Repr-Digest", f"sha-256=:{other}:"),)))
    assert driver.names == KEPT
    assert isinstance(driver.run(FakeServer()).error, IntegrityError)
    assert driver.files() == {}


def test_a_resumed_file_is_verified_as_a_whole(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=1234), checksums=(SUM,))
    assert driver.run(FakeServer(), checksums=(SUM,)).end is End.COMPLETE
    assert driver.files() == {"file.bin": BODY}


def test_more_bytes_than_announced_are_an_error_and_are_not_kept(driver: AttemptDriver) -> None:
    class Long(FakeServer):
        def blocks(self, data: bytes) -> Iterator[bytes]:
            return iter([data, b"and more"])

    assert isinstance(driver.run(Long()).error, ProtocolError)
    assert driver.files() == {}


def test_another_size_than_was_known_is_not_even_begun(driver: AttemptDriver) -> None:
    outcome = driver.run(FakeServer(), size=1999)
    assert isinstance(outcome.error, IntegrityError)
    assert READ not in driver.commands
    assert driver.files() == {}


# --- what goes wrong around it


@pytest.mark.parametrize("step", range(2, 5))
def test_an_interruption_keeps_the_part_with_its_sidecar(driver: AttemptDriver, step: int) -> None:
    outcome = driver.run(FakeServer(), at=lambda number, command: Interrupted("stopped") if number == step else None)
    assert (outcome.end, type(outcome.error)) == (End.INTERRUPTED, Interrupted)
    received = 700 * (step - 2)
    assert outcome.received == received
    assert driver.names == (KEPT if received else set())
    server = FakeServer()
    assert driver.run(server).end is End.COMPLETE
    assert header(server.requests[0], "Range") == (f"bytes={received}-" if received else None)
    assert driver.files() == {"file.bin": BODY}


@pytest.mark.parametrize("step", range(1, 6))
def test_whatever_breaks_the_driver_keeps_what_can_be_resumed(driver: AttemptDriver, step: int) -> None:
    def broken(number: int, command: Command) -> BaseException | None:
        return KeyboardInterrupt() if number == step else None

    driver.now = 50.0
    with pytest.raises(KeyboardInterrupt):
        driver.run(FakeServer(), at=broken)
    assert driver.names == (KEPT if step > 2 else set())
    assert driver.slot.stats.since == 0.0


@pytest.mark.parametrize("step", range(1, 5))
def test_a_generator_that_is_closed_keeps_what_can_be_resumed(driver: AttemptDriver, step: int) -> None:
    folder = Folder(str(driver.root))
    context = AttemptContext(driver.config, folder, clock=driver.clock, epoch_now=lambda: NOW)
    steps = attempt_steps(driver.attempt, context, driver.slot)
    head, pieces = FakeServer().answer(next(steps))  # type: ignore[arg-type]
    answer: Head | bytes = head
    for _ in range(step):
        assert steps.send(answer) is READ
        answer = next(pieces, b"")
    steps.close()
    folder.close()
    assert driver.names == (KEPT if step > 1 else set())


@pytest.mark.parametrize("kind", [Write, Call])
def test_a_full_disk_is_a_storage_error_that_names_the_file_and_the_url(
    driver: AttemptDriver, kind: type[Write] | type[Call]
) -> None:
    driver.tick = FLUSH_SECONDS
    full = OSError(28, "No space left on device")
    outcome = driver.run(FakeServer(), at=lambda number, command: full if isinstance(command, kind) else None, checksums=(SUM,))
    assert isinstance(outcome.error, StorageError)
    assert outcome.error.url == URL
    assert "file.bin" in str(outcome.error)
    assert "free some space" in str(outcome.error)
    assert "file.bin" not in driver.names


def test_a_folder_in_the_way_is_a_storage_error_and_the_bytes_are_kept(tmp_path: Path) -> None:
    driver = driver_in(tmp_path, on_exists="overwrite")
    (driver.root / "file.bin").mkdir()
    outcome = driver.run(FakeServer())
    assert isinstance(outcome.error, StorageError)
    assert driver.names == KEPT


@pytest.mark.parametrize("on_exists", ["skip", "fail", "overwrite", "rename", "refresh"])
def test_a_file_that_appears_during_the_transfer_counts_as_existing(tmp_path: Path, on_exists: str) -> None:
    driver = driver_in(tmp_path, on_exists=on_exists)

    def appear(number: int, command: Command) -> None:
        (tmp_path / "file.bin").write_bytes(b"another's")

    outcome = driver.run(FakeServer(), at=lambda number, command: appear(number, command) if number == 2 else None)
    expected = {"skip": (End.EXISTS, None), "fail": (End.FAILED, StorageError)}.get(on_exists, (End.COMPLETE, None))
    assert (outcome.end, None if outcome.error is None else type(outcome.error)) == expected
    kept = on_exists in ("skip", "fail", "rename")
    assert driver.files()["file.bin"] == (b"another's" if kept else BODY)
    if on_exists == "rename":
        assert driver.files()[outcome.path] == BODY
    if on_exists == "skip":
        assert driver.names == {"file.bin"}


def test_a_folder_that_appears_during_the_transfer_is_an_error(driver: AttemptDriver) -> None:
    (driver.root / "file.bin").mkdir()
    assert isinstance(driver.run(FakeServer()).error, StorageError)


def test_a_link_out_of_the_folder_is_a_policy_error_that_names_the_url(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "out").symlink_to(tmp_path)
    driver = driver_in(tmp_path / "run")
    outcome = driver.run(FakeServer(), path="out/file.bin")
    assert isinstance(outcome.error, PolicyError)
    assert outcome.error.url == URL
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_an_error_that_knew_no_url_gets_it_and_still_pickles_and_copies(driver: AttemptDriver) -> None:
    secret = "https://user:hunter2@example.org/file.bin"
    outcome = driver.run(FakeServer(cut=3), url=secret, primary_url=secret)
    error = outcome.error
    assert isinstance(error, NetworkError)
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert same.args == ("connection reset", URL, "", "")
        assert (same.url, same.reason, str(same)) == (URL, "connection reset", f"{URL}: connection reset")
    assert "hunter2" not in repr(outcome)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)  # no frames, no buffers in them


def test_a_stall_keeps_what_came(tmp_path: Path) -> None:
    driver = driver_in(tmp_path, TransferPolicy(low_speed_limit=1000, low_speed_time=10.0))
    driver.tick = 5.0
    outcome = driver.run(FakeServer(pieces=(10,)))
    assert isinstance(outcome.error, NetworkError)
    assert "too slow" in str(outcome.error)
    assert driver.names == KEPT
    assert (tmp_path / "file.bin.part").stat().st_size == outcome.received > 0


def test_waiting_for_the_head_is_no_stall(tmp_path: Path) -> None:
    driver = driver_in(tmp_path, TransferPolicy(low_speed_limit=1000, low_speed_time=10.0))

    def wait(number: int, command: Command) -> None:
        driver.now += 1000.0 if isinstance(command, Request) else 0.1

    assert driver.run(FakeServer(), at=wait).end is End.COMPLETE


def test_the_lane_shows_what_is_under_way(driver: AttemptDriver) -> None:
    driver.run(FakeServer(cut=1000))
    driver.now = 50.0
    seen: list[tuple[int, int, float]] = []
    driver.run(
        FakeServer(pieces=(500,)),
        at=lambda number, command: seen.append((driver.slot.stats.done, driver.slot.stats.size, driver.slot.stats.since)),
    )
    assert seen == [(0, 0, 50.0), (1000, 2000, 50.0), (1500, 2000, 50.0), (2000, 2000, 50.0)]


def test_the_lane_tells_when_the_body_was_last_heard_of(driver: AttemptDriver) -> None:
    seen: list[float] = []

    def pass_time(number: int, command: Command) -> None:
        seen.append(driver.slot.stats.heard)
        driver.now += 0.125

    driver.now = 50.0
    assert driver.run(FakeServer(pieces=(1000,)), at=pass_time).end is End.COMPLETE
    assert seen == [0.0, 50.125, 50.25, 50.375]  # the request, and three times waiting for a piece
    assert driver.slot.stats.heard == 0.0


def test_the_servers_of_these_tests_answer_as_they_should() -> None:
    head, pieces = FakeServer(pieces=(3,)).answer(Request(URL, (("Range", "bytes=1990-"), ("If-Range", '"v1"'))))
    span = content_range(dict(head.headers)["Content-Range"])
    assert span is not None
    assert (head.status, span.start, span.stop, span.total) == (206, 1990, 2000, 2000)
    assert b"".join(pieces) == BODY[1990:]
    assert FakeServer().answer(Request(URL, (("Range", "bytes=5-"), ("If-Range", '"v0"'))))[0].status == 200


# --- what is hashed


@dataclass
class CountingHash:
    """A digest that counts the bytes it is given."""

    algorithm: str
    counts: dict[str, int]

    def __post_init__(self) -> None:
        self._state = hashlib.new(self.algorithm)
        self.counts.setdefault(self.algorithm, 0)

    def update(self, data: bytes | memoryview) -> None:
        """Hash, and count."""
        self.counts[self.algorithm] += len(data)
        self._state.update(data)

    def hexdigest(self) -> str:
        """The digest."""
        return self._state.hexdigest()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The bytes that were hashed, by algorithm."""
    counts: dict[str, int] = {}
    monkeypatch.setattr(hashes, "new_hash", lambda algorithm: CountingHash(algorithm, counts))
    return counts


def test_nothing_is_hashed_where_nothing_is_wanted(driver: AttemptDriver, hashed: dict[str, int]) -> None:
    assert driver.run(FakeServer()).end is End.COMPLETE
    assert hashed == {}
    assert driver.slot.stats.received == len(BODY)


@pytest.mark.parametrize("pieces", [(2000,), (7,)])
@pytest.mark.parametrize("tick", [0.0, 2.0])
def test_a_file_is_hashed_once_with_each_algorithm(
    tmp_path: Path, hashed: dict[str, int], pieces: tuple[int, ...], tick: float
) -> None:
    driver = driver_in(tmp_path, TransferPolicy(low_speed_limit=0), digest="sha256")
    driver.tick = tick
    md5 = Checksum("md5", hashlib.md5(BODY).hexdigest())
    outcome = driver.run(FakeServer(pieces=pieces), checksums=(SUM, md5))
    assert (outcome.end, outcome.digests, outcome.verified) == (End.COMPLETE, (SUM, md5), True)
    assert hashed == {"sha256": len(BODY), "md5": len(BODY)}


def test_a_resumed_file_is_hashed_once(tmp_path: Path, hashed: dict[str, int]) -> None:
    driver = driver_in(tmp_path, digest="sha256")
    assert driver.run(FakeServer(cut=1200)).end is End.FAILED
    hashed.clear()
    outcome = driver.run(FakeServer())
    assert (outcome.end, outcome.received, outcome.digests, outcome.verified) == (End.COMPLETE, 800, (SUM,), False)
    assert hashed == {"sha256": len(BODY)}


def test_a_file_that_is_complete_already_is_hashed_once(tmp_path: Path, hashed: dict[str, int]) -> None:
    driver = driver_in(tmp_path, digest="sha256")
    assert driver.run(FakeServer()).end is End.COMPLETE
    (tmp_path / "file.bin").rename(tmp_path / "file.bin.part")
    sidecar_of(driver, len(BODY))
    hashed.clear()
    outcome = driver.run(FakeServer())
    assert (outcome.end, outcome.status, outcome.digests) == (End.COMPLETE, 416, (SUM,))
    assert hashed == {"sha256": len(BODY)}


def sidecar_of(driver: AttemptDriver, total: int) -> None:
    """Write the sidecar of a complete part file."""
    folder = Folder(str(driver.root))
    sidecar.create(folder.descriptor, "file.bin.part.meta", URL, ResumeInfo(0, Validator('"v1"'), total))
    folder.close()


# --- pieces


def pieces_of(body: bytes, length: int) -> Pieces:
    """The SHA-256 digests of the pieces of a body."""
    parts = (body[start : start + length] for start in range(0, len(body), length))
    return Pieces("sha256", length, tuple(hashlib.sha256(part).hexdigest() for part in parts))


@given(
    length=st.integers(1, 2500),
    places=st.sets(st.integers(0, len(BODY) - 1), min_size=1, max_size=4),
    has_checksum=st.booleans(),
    tick=st.sampled_from([0.0, 2.0]),
    cut=st.integers(0, 300),
    mirror=st.booleans(),
)
def test_only_wrong_pieces_are_fetched_again_even_after_another_interruption(
    length: int, places: set[int], has_checksum: bool, tick: float, cut: int, mirror: bool
) -> None:
    damaged = bytes(byte ^ (at in places) for at, byte in enumerate(BODY))
    wrong = {place // length for place in places}
    wrong_bytes = sum(len(BODY[number * length : (number + 1) * length]) for number in wrong)
    values: dict[str, Any] = {"pieces": pieces_of(BODY, length), "checksums": (SUM,) if has_checksum else ()}
    with tempfile.TemporaryDirectory() as root:
        driver = driver_in(Path(root), TransferPolicy(low_speed_limit=0))
        driver.tick = tick
        first = driver.run(FakeServer(body=damaged, pieces=(130,)), **values)
        assert isinstance(first.error, IntegrityError)
        assert isinstance(first.error, WrongPieces) is (wrong_bytes < len(BODY))
        assert "file.bin" not in driver.names
        if wrong_bytes == len(BODY):
            assert driver.names == set()
            return
        assert driver.names == KEPT
        if mirror:
            values |= {"url": "https://mirror.example/file.bin", "is_alternate_url": True}
        etag = '"m"' if mirror else '"v1"'
        broken = driver.run(FakeServer(etag=etag, cut=cut, pieces=(50,)), **values)
        received = broken.received
        if broken.end is not End.COMPLETE:
            assert isinstance(broken.error, NetworkError)
            again = FakeServer(etag=etag)
            last = driver.run(again, **values)
            received += last.received
            assert last.end is End.COMPLETE
            assert last.verified
            assert all((header(request, "If-Range") is None) is mirror for request in again.requests)
        assert received == wrong_bytes
        assert driver.files() == {"file.bin": BODY}


def test_pieces_that_are_right_in_a_file_with_a_wrong_checksum_are_not_trusted(driver: AttemptDriver) -> None:
    wrong = Checksum("sha256", "0" * 64)
    outcome = driver.run(FakeServer(), checksums=(wrong,), pieces=pieces_of(BODY, 100))
    assert type(outcome.error) is IntegrityError
    assert driver.names == set()


def test_a_changed_file_is_fetched_as_a_whole_instead_of_its_wrong_pieces(driver: AttemptDriver) -> None:
    listed = pieces_of(BODY, 100)
    assert isinstance(driver.run(FakeServer(body=b"x" + BODY[1:]), pieces=listed).error, WrongPieces)
    outcome = driver.run(FakeServer(etag='"v2"', changed=None), pieces=listed)
    assert (outcome.end, outcome.received) == (End.COMPLETE, len(BODY))
    assert driver.files() == {"file.bin": BODY}
