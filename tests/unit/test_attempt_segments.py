"""Several Attempts at one file, driven step by step in any order, by servers that are only values."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import NOTHING_TO_RESUME, WHOLE, Checksum, Pieces, ResumeInfo, Segment, Validator
from downloader.core.http.headers import format_http_date
from downloader.core.http.messages import Head, Request, TransferPolicy
from downloader.core.model import Attempt, End, Outcome
from downloader.core.spans import byte_count
from downloader.engine.attempt import body as module
from downloader.engine.attempt.attempt import attempt_steps
from downloader.engine.attempt.commands import CUT, DROP, READ, Answer, Call, Command, Steps, Write
from downloader.engine.contract import AttemptContext, Slot, WorkerConfig
from downloader.engine.control import Cut
from downloader.engine.stats import LocalStats
from downloader.errors import (
    DownloadError,
    FileInUse,
    HTTPStatusError,
    IntegrityError,
    Interrupted,
    NetworkError,
    ProtocolError,
    WrongPieces,
)
from downloader.storage.checksum import ChecksumVerifier
from downloader.storage.folder import Folder
from downloader.storage.part import PartFile
from downloader.transports.base import ClientOptions
from tests.support.fake_server import BODY, CHANGED_AT, NOW, SUM, FakeServer

URL = "https://example.org/file.bin"
MIRROR = "https://mirror.example/file.bin"
TOTAL = len(BODY)
BLOCK = 250
OTHER_BODY = bytes(255 - byte for byte in BODY)
RANGES = (("Accept-Ranges", "bytes"),)
WRONG = Checksum("sha256", "0" * 64)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "FLUSH_BYTES", BLOCK)
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


def ranged_server(**values: Any) -> FakeServer:
    """A server that can be asked for parts."""
    return FakeServer(**{"pieces": (130,), "more": RANGES, **values})


@dataclass
class Flight:
    """One Attempt under way. ``answer`` or ``thrown``: to the present command, instead of the server's answer."""

    steps: Steps
    server: FakeServer
    slot: Slot
    key: int
    command: Command | None = None
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    outcome: Outcome | None = None
    answer: Answer = None
    thrown: BaseException | None = None

    def cut(self, stop: int) -> None:
        """Order it to end there."""
        self.slot.cut.end_at(self.key, stop)

    def step(self) -> bool:
        """Do what it wants, and hear what it wants next; whether it still runs."""
        if self.outcome is not None:
            return False
        answer, self.answer = self.answer, None
        error, self.thrown = self.thrown, None
        command = self.command
        if answer is None and error is None:
            try:
                if isinstance(command, Request):
                    answer, self.pieces = self.server.answer(command)
                elif command is READ:
                    answer = next(self.pieces, b"")
                elif isinstance(command, Write):
                    command.part.write(command.block)
                elif isinstance(command, Call):
                    command.call()
            except (DownloadError, OSError) as failure:
                error = failure
        try:
            self.command = self.steps.throw(error) if error is not None else self.steps.send(answer)
        except StopIteration as end:
            self.outcome = end.value
        return self.outcome is None

    def finish(self) -> Outcome:
        """To its end."""
        while self.step():
            pass
        assert self.outcome is not None
        return self.outcome

    @property
    def end(self) -> End:
        """How it ended."""
        assert self.outcome is not None
        return self.outcome.end


@dataclass
class Attempts:
    """A folder, and the Attempts in it."""

    root: Path
    config: dict[str, Any] = field(default_factory=dict)
    flights: list[Flight] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.folder = Folder(str(self.root))

    def start(self, server: FakeServer, segment: Segment = WHOLE, url: str = URL, **values: Any) -> Flight:
        """One more Attempt; it has not taken a step."""
        self.number += 1
        attempt = Attempt(self.number, self.number, url, URL, "file.bin", segment, **values)
        slot = Slot(LocalStats(), Cut())
        config = WorkerConfig(str(self.root), TransferPolicy(may_split=True), ClientOptions(), **self.config)
        context = AttemptContext(config, self.folder, clock=lambda: 0.0, epoch_now=lambda: NOW)
        self.flights.append(Flight(attempt_steps(attempt, context, slot), server, slot, self.number))
        return self.flights[-1]

    def shared(self, server: FakeServer, **values: Any) -> Flight:
        """One that has got so far that others may join in."""
        flight = self.start(server, **values)
        while not flight.slot.stats.splittable:
            assert flight.step()
        return flight

    def files(self) -> dict[str, bytes]:
        """All files in the folder."""
        return {path.name: path.read_bytes() for path in self.root.iterdir()}

    def check(self, body: bytes = BODY) -> None:
        """What the next run would believe, were this one killed now, is true."""
        other = Folder(str(self.root))
        found = PartFile(other, "file.bin", URL).resume_info()
        other.close()
        if found != NOTHING_TO_RESUME:
            on_disk = (self.root / "file.bin.part").read_bytes()
            for start, stop in found.spans or ((0, found.size),):
                assert on_disk[start:stop] == body[start:stop]

    def complete(self, body: bytes = BODY) -> None:
        """Exactly one has ended the file, and nothing else is left of it."""
        assert [flight.end for flight in self.flights].count(End.COMPLETE) == 1
        assert self.files() == {"file.bin": body}
        assert self.folder.shared_parts.by_path == {}

    def close(self) -> None:
        """Let go of the folder."""
        assert self.folder.shared_parts.by_path == {}
        self.folder.close()


@pytest.fixture
def attempts(tmp_path: Path) -> Iterator[Attempts]:
    """Attempts in a folder of its own."""
    found = Attempts(tmp_path / "run")
    yield found
    found.close()


def requested_ranges(flight: Flight) -> list[str | None]:
    """The Ranges that it asked for."""
    return [dict(request.headers).get("Range") for request in flight.server.requests]


# --- two at one file


@pytest.mark.parametrize("cut", [1, BLOCK - 1, BLOCK, BLOCK + 1, 700, 1300, TOTAL - 1])
@pytest.mark.parametrize("later", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("sums", [(), (SUM,)], ids=["", "checked"])
def test_cut_at_any_place_in_any_order_of_steps(tmp_path: Path, cut: int, later: int, sums: tuple[Checksum, ...]) -> None:
    for turn in range(40):
        attempts = Attempts(tmp_path / str(turn))
        first = attempts.shared(ranged_server(), checksums=sums)
        for _ in range(later):
            first.step()
        first.cut(cut)
        second = attempts.start(ranged_server(), Segment(cut, TOTAL), checksums=sums)
        order = [first, second] if turn % 2 else [second, first]
        for flight, steps in zip(order, (turn // 2, 6), strict=True):
            for _ in range(steps):
                flight.step()
                attempts.check()
        order[0].finish()
        attempts.check()
        order[1].finish()
        attempts.complete()
        assert (attempts.root / "file.bin").stat().st_mtime == CHANGED_AT
        done = next(flight.outcome for flight in attempts.flights if flight.end is End.COMPLETE)
        assert done is not None
        assert (done.size, done.etag, done.verified) == (TOTAL, '"v1"', bool(sums))
        attempts.close()


@given(
    cuts=st.lists(st.integers(1, TOTAL - 1), min_size=1, max_size=4, unique=True).map(sorted),
    order=st.lists(st.integers(0, 9), max_size=120),
    pieces=st.lists(st.integers(1, 600), min_size=1, max_size=3).map(tuple),
    checked=st.booleans(),
)
def test_many_at_one_file_in_any_order_of_steps(
    cuts: list[int], order: list[int], pieces: tuple[int, ...], checked: bool
) -> None:
    sums = (SUM,) if checked else ()
    with tempfile.TemporaryDirectory() as root:
        attempts = Attempts(Path(root))
        first = attempts.shared(ranged_server(pieces=pieces), checksums=sums)
        first.cut(cuts[0])
        for start, stop in zip(cuts, [*cuts[1:], TOTAL], strict=True):
            attempts.start(ranged_server(pieces=pieces), Segment(start, stop), checksums=sums)
        for number in order:
            attempts.flights[number % len(attempts.flights)].step()
            attempts.check()
        for flight in attempts.flights:
            flight.finish()
        attempts.complete()
        attempts.close()


def test_nothing_is_asked_for_that_another_has_written(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server(pieces=(BLOCK,)))
    for _ in range(8):
        first.step()
    first.cut(300)
    second = attempts.start(ranged_server(), Segment(300, TOTAL))
    first.finish()
    ((_, written),) = stored(attempts)
    assert 2 * BLOCK < written < TOTAL
    second.finish()
    assert requested_ranges(second) == [f"bytes={written}-{TOTAL - 1}"]
    assert dict(second.server.requests[0].headers)["If-Range"] == '"v1"'
    attempts.complete()


def test_the_end_is_moved_again_while_a_segment_runs(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(800)
    second = attempts.start(ranged_server(), Segment(800, TOTAL))
    for _ in range(4):
        second.step()
    second.cut(1500)
    third = attempts.start(ranged_server(), Segment(1500, TOTAL))
    for flight in (second, third, first):
        flight.finish()
    attempts.complete()
    assert second.outcome is not None
    assert second.outcome.received < 1500 - 800 + 2 * 130


def test_a_stop_that_is_told_before_the_first_step_counts(attempts: Attempts) -> None:
    """The lane says whose it is before anything is asked; whoever cuts it then must be heard."""
    first = attempts.shared(ranged_server())
    first.cut(600)
    second = attempts.start(ranged_server(), Segment(600, TOTAL))
    second.step()
    assert second.slot.stats.key == second.key
    assert second.slot.cut.order is None
    second.cut(600)  # taken over, whole, before its server has said anything
    third = attempts.start(ranged_server(), Segment(600, TOTAL))
    for flight in (second, third, first):
        flight.finish()
    assert second.outcome is not None
    assert second.outcome.end is End.SEGMENT_DONE
    attempts.complete()


def test_one_that_waits_for_a_head_nobody_wants_ends_without_a_failure(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(600)
    second = attempts.start(ranged_server(), Segment(600, TOTAL))
    second.step()
    assert isinstance(second.command, Request)
    second.cut(600)
    second.answer = CUT
    assert second.finish().end is End.SEGMENT_DONE
    attempts.start(ranged_server(), Segment(600, TOTAL)).finish()
    first.finish()
    attempts.complete()


@pytest.mark.parametrize("at", [Request, type(DROP)])
def test_an_error_after_the_rest_was_given_away(attempts: Attempts, at: type) -> None:
    """While the head is awaited, nothing is lost; while the answer of a redirect is dropped, the Attempt has failed."""
    first = attempts.shared(ranged_server())
    first.cut(600)
    moved = FakeServer(status=302, more=(("Location", "/elsewhere"),))
    second = attempts.start(moved, Segment(600, TOTAL))
    while not isinstance(second.command, at):
        assert second.step()
    second.cut(600)
    second.thrown = NetworkError("the time for one attempt is over")
    assert second.finish().end is (End.SEGMENT_DONE if at is Request else End.FAILED)
    attempts.start(ranged_server(), Segment(600, TOTAL)).finish()
    first.finish()
    attempts.complete()


class Moved(FakeServer):
    """Redirects once, and then serves the file."""

    def answer(self, request: Request) -> tuple[Head, Iterator[bytes]]:
        """See `FakeServer`."""
        if request.url.endswith("/elsewhere"):
            return super().answer(request)
        self.requests.append(request)
        return Head(302, (("Location", "/elsewhere"),)), iter(())


@pytest.mark.parametrize("stop", [0, 600, 601, 900, 1300])
@pytest.mark.parametrize("error", [NetworkError("reset"), Interrupted("stopped"), None], ids=str)
def test_a_cut_and_an_error_at_any_step_end_a_segment_in_good_order(
    tmp_path: Path, stop: int, error: DownloadError | None
) -> None:
    for steps in range(1, 14):
        attempts = Attempts(tmp_path / str(steps))
        first = attempts.shared(ranged_server())
        first.cut(600)
        second = attempts.start(Moved(pieces=(130,), more=RANGES), Segment(600, TOTAL))
        for _ in range(steps):
            second.step()
        second.cut(stop)
        second.thrown = None if error is None else type(error)(error.reason)
        assert second.finish().end in (End.SEGMENT_DONE, End.FAILED, End.INTERRUPTED)
        assert second.outcome is not None
        assert (second.outcome.error is None) == (second.end is End.SEGMENT_DONE)
        attempts.check()
        first.finish()
        if End.COMPLETE not in (first.end, second.end):
            attempts.start(ranged_server()).finish()
        attempts.complete()
        attempts.close()


def test_a_segment_whose_request_fails_has_failed(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(600)
    second = attempts.start(ranged_server(), Segment(600, TOTAL))
    second.step()
    assert isinstance(second.command, Request)
    second.thrown = NetworkError("connection refused")
    assert second.finish().end is End.FAILED
    attempts.start(ranged_server(), Segment(600, TOTAL)).finish()
    first.finish()
    attempts.complete()


@pytest.mark.parametrize("steps", range(1, 12))
def test_giving_up_ends_it_at_the_next_piece(attempts: Attempts, steps: int) -> None:
    first = attempts.shared(ranged_server())
    first.cut(400)
    second = attempts.start(ranged_server(), Segment(400, TOTAL))
    for _ in range(steps):
        second.step()
    before = second.slot.stats.received
    second.cut(0)
    assert second.finish().end is End.SEGMENT_DONE
    assert second.slot.stats.received - before <= 130
    assert all(wanted is None or "--" not in wanted for wanted in requested_ranges(second))
    first.finish()
    attempts.check()
    assert set(attempts.files()) == {"file.bin.part", "file.bin.part.meta"}


def test_a_lane_says_where_a_segment_is_and_that_it_may_be_split(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(400)
    second = attempts.start(ranged_server(), Segment(400, TOTAL))
    second.step()
    assert (second.slot.stats.splittable, second.slot.stats.done, second.slot.stats.size) == (True, 400, TOTAL)
    second.step()
    second.step()
    second.step()
    assert (second.slot.stats.splittable, second.slot.stats.done, second.slot.stats.received) == (True, 660, 260)
    second.finish()
    assert not second.slot.stats.splittable
    first.finish()


# --- a server that does not do as the first one did


class ShortRanges(FakeServer):
    """Gives at most so many bytes of a range."""

    def answer(self, request: Request) -> tuple[Head, Iterator[bytes]]:
        """See `FakeServer`."""
        start, stop = dict(request.headers)["Range"].removeprefix("bytes=").split("-")
        stop = str(min(int(stop), int(start) + 299))
        answer = super().answer(Request(request.url, (*request.headers, ("Range", f"bytes={start}-{stop}"))))
        self.requests[-1] = request
        return answer


def test_a_range_answered_in_part_is_asked_for_on(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(1000)
    second = attempts.start(ShortRanges(more=RANGES), Segment(1000, TOTAL))
    second.finish()
    first.finish()
    assert requested_ranges(second) == ["bytes=1000-1999", "bytes=1300-1999", "bytes=1600-1999", "bytes=1900-1999"]
    attempts.complete()


class Beyond(FakeServer):
    """Sends more bytes than it announced, of something else, and all in one piece."""

    def answer(self, request: Request) -> tuple[Head, Iterator[bytes]]:
        """See `FakeServer`."""
        head, pieces = super().answer(request)
        return head, iter([b"".join(pieces) + b"x" * 100])


@pytest.mark.parametrize(
    ("server", "end", "error"),
    [
        (ranged_server(etag='"v2"', body=OTHER_BODY), End.MUST_RESTART, None),
        (ranged_server(etag='"v2"', body=BODY[:900]), End.MUST_RESTART, None),
        (ranged_server(etag='"v2"', body=BODY * 2), End.MUST_RESTART, None),
        (ranged_server(ranges=False), End.MUST_RESTART, None),
        (ranged_server(body=BODY[:900]), End.MUST_RESTART, None),  # 416
        (ranged_server(body=b""), End.MUST_RESTART, None),  # 416 */0
        (ranged_server(body=BODY + b"x"), End.MUST_RESTART, None),  # another total
        (ranged_server(status=503), End.FAILED, HTTPStatusError),
        (ranged_server(status=404), End.FAILED, HTTPStatusError),
        (ranged_server(cut=0), End.FAILED, NetworkError),
        (ranged_server(cut=700), End.FAILED, NetworkError),
        (Beyond(more=RANGES), End.FAILED, ProtocolError),
    ],
    ids=[
        *("changed", "shorter", "longer", "no ranges", "416", "416 of nothing", "total", "503", "404"),
        *("reset at once", "reset", "too much"),
    ],
)
@pytest.mark.parametrize("before", [0, 3, 99])
def test_one_segment_that_fails_leaves_the_others_as_they_are(
    tmp_path: Path, server: FakeServer, end: End, error: type[DownloadError] | None, before: int
) -> None:
    attempts = Attempts(tmp_path / "run")
    first = attempts.shared(ranged_server())
    first.cut(900)
    second = attempts.start(replace(server, requests=[]), Segment(900, 1800))
    third = attempts.start(ranged_server(), Segment(1800, TOTAL))
    for _ in range(before):
        first.step()
    outcome = second.finish()
    assert (outcome.end, type(outcome.error) if outcome.error else None) == (end, error)
    attempts.check()
    assert first.finish().end is End.SEGMENT_DONE
    assert third.finish().end is End.SEGMENT_DONE
    attempts.check()
    assert attempts.files()["file.bin.part"][1800:] == BODY[1800:]
    again = attempts.start(ranged_server())
    assert again.finish().end is End.COMPLETE
    assert again.outcome is not None
    assert again.outcome.received <= 900
    attempts.complete()
    attempts.close()


@pytest.mark.parametrize(
    "server",
    [
        ranged_server(etag='"v2"', body=OTHER_BODY),
        ranged_server(etag='"v2"', body=OTHER_BODY[:900]),
        ranged_server(etag='"v2"', body=OTHER_BODY[:1]),
        ranged_server(etag='"v2"', body=b""),
        ranged_server(etag='"v2"', body=OTHER_BODY * 2),
        ranged_server(etag="", changed=None, body=OTHER_BODY),
        ranged_server(etag='"v2"', body=OTHER_BODY, ranges=False, more=()),
    ],
    ids=["same size", "shorter", "one byte", "empty", "longer", "no validator", "no ranges"],
)
@pytest.mark.parametrize("spans", [[(500, 600)], [(0, 100), (500, 600)]], ids=["gap at zero", "gap later"])
@pytest.mark.parametrize("cut", [None, 300])
def test_a_file_with_gaps_that_has_changed_is_never_mixed(
    attempts: Attempts, server: FakeServer, spans: list[tuple[int, int]], cut: int | None
) -> None:
    leave(attempts, *spans)
    if cut is not None:
        broken = attempts.start(replace(server, cut=min(cut, len(server.body)), requests=[]))
        assert broken.finish().end is End.FAILED
        attempts.check(server.body)
    again = attempts.start(replace(server, requests=[]))
    assert again.finish().end is End.COMPLETE
    attempts.complete(server.body)


def leave(attempts: Attempts, *spans: tuple[int, int]) -> None:
    """What an earlier run has left: these bytes."""
    other = Folder(str(attempts.root))
    told = ResumeInfo(0, Validator('"v1"', format_http_date(CHANGED_AT)), TOTAL)
    part, beside = PartFile(other, "file.bin", URL), PartFile(other, "file.bin", URL)
    part.open(0)
    part.write_sidecar(told)
    part.allow_sharing(told)
    beside.open_shared(beside.resume_info())
    for start, stop in spans:
        beside.seek(start)
        beside.write(BODY[start:stop])
    beside.close()
    part.keep(told)
    other.close()
    assert stored(attempts) == spans
    attempts.folder.was_empty = False  # another run than the one that left it


def test_gaps_are_fetched_one_after_the_other(attempts: Attempts) -> None:
    leave(attempts, (500, 600), (1500, 1600))
    again = attempts.start(ranged_server())
    again.finish()
    assert requested_ranges(again) == ["bytes=0-499", "bytes=600-1499", "bytes=1600-1999"]
    assert {dict(request.headers)["If-Range"] for request in again.server.requests} == {'"v1"'}
    attempts.complete()


def test_a_file_with_gaps_may_be_shared_as_soon_as_its_version_is_known(attempts: Attempts) -> None:
    leave(attempts, (500, 600), (1500, 1600))
    again = attempts.start(ranged_server())
    again.step()
    assert not again.slot.stats.splittable  # if it has changed, it begins again, in this very Attempt
    again.step()
    assert again.slot.stats.splittable
    assert again.slot.stats.size == TOTAL
    again.cut(1000)
    beside = attempts.start(ranged_server(), Segment(1000, TOTAL))
    beside.finish()
    again.finish()
    assert requested_ranges(beside) == ["bytes=1000-1499", "bytes=1600-1999"]
    attempts.complete()


def test_what_is_complete_needs_no_request_and_gets_its_time(attempts: Attempts) -> None:
    leave(attempts, (0, TOTAL))
    again = attempts.start(ranged_server())
    assert again.finish().end is End.COMPLETE
    assert requested_ranges(again) == []
    attempts.complete()
    assert (attempts.root / "file.bin").stat().st_mtime == CHANGED_AT


def test_a_version_that_changes_between_two_gaps_begins_again(attempts: Attempts) -> None:
    leave(attempts, (500, 600))
    again = attempts.start(ranged_server())
    while len(again.server.requests) < 2:
        assert again.step()
        if len(again.server.requests) == 1:
            again.server.etag, again.server.body = '"v2"', OTHER_BODY[: again.slot.stats.size]
            again.server.pieces = (130,)
    assert again.finish().end is End.MUST_RESTART
    new = attempts.start(ranged_server(etag='"v2"', body=OTHER_BODY), from_scratch=True)
    assert new.finish().end is End.COMPLETE
    attempts.complete(OTHER_BODY)


# --- mirrors


def test_a_mirror_must_have_the_same_etag_without_a_checksum(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(900)
    mirror = attempts.start(ranged_server(etag='"m"', body=OTHER_BODY), Segment(900, TOTAL), MIRROR, is_alternate_url=True)
    assert mirror.finish().end is End.MUST_RESTART
    first.finish()
    attempts.check()


def test_a_mirror_that_names_no_version_is_not_mixed_in_where_no_checksum_is_known(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(900)
    mirror = attempts.start(
        ranged_server(etag="", changed=None, body=OTHER_BODY), Segment(900, TOTAL), MIRROR, is_alternate_url=True
    )
    assert mirror.finish().end is End.MUST_RESTART
    first.finish()
    attempts.check()


@pytest.mark.parametrize("body", [BODY, OTHER_BODY], ids=["the same", "another"])
def test_a_mirror_is_bound_by_the_checksum_of_the_whole(attempts: Attempts, body: bytes) -> None:
    first = attempts.shared(ranged_server(), checksums=(SUM,))
    first.cut(900)
    values = {"is_alternate_url": True, "checksums": (SUM,)}
    mirror = attempts.start(ranged_server(etag='"m"', changed=None, body=body), Segment(900, TOTAL), MIRROR, **values)
    ended = [mirror.finish(), first.finish()]
    assert "If-Range" not in dict(mirror.server.requests[0].headers)
    if body is BODY:
        attempts.complete()
    else:
        assert [type(item.error) for item in ended] == [type(None), IntegrityError]
        assert attempts.files() == {}


# --- checksums


@pytest.mark.parametrize("last", [0, 1])
def test_a_wrong_checksum_is_told_by_one_and_nothing_is_left(attempts: Attempts, last: int) -> None:
    first = attempts.shared(ranged_server(), checksums=(WRONG,))
    first.cut(900)
    second = attempts.start(ranged_server(), Segment(900, TOTAL), checksums=(WRONG,))
    flights = [second, first] if last == 0 else [first, second]
    assert flights[0].finish().end is End.SEGMENT_DONE
    outcome = flights[1].finish()
    assert isinstance(outcome.error, IntegrityError)
    assert attempts.files() == {}


def test_nobody_writes_during_verification(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server(), checksums=(SUM,))
    late = attempts.start(ranged_server(body=OTHER_BODY), Segment(1000, TOTAL), checksums=(SUM,))
    for _ in range(3):
        late.step()  # it has read something that it has not written
    assert late.slot.stats.received
    while not (isinstance(first.command, Call) and first.command.long):
        assert first.step()
    assert late.finish().end is End.SEGMENT_DONE
    assert first.finish().end is End.COMPLETE
    attempts.complete()


def test_bytes_of_other_attempts_are_verified_too(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server(), checksums=(SUM,))
    bad = attempts.start(ranged_server(body=OTHER_BODY), Segment(1000, TOTAL), checksums=(SUM,))
    while not bad.slot.stats.received:
        assert bad.step()
    while first.slot.stats.done < 1800:
        assert first.step()
    while not isinstance(bad.command, Write):
        assert bad.step()
    bad.step()
    bad.cut(0)
    bad.finish()
    assert isinstance(first.finish().error, IntegrityError)
    assert attempts.files() == {}


# --- ends


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("error", [Interrupted("stopped"), NetworkError("reset"), ProtocolError("nonsense")], ids=str)
def test_an_error_at_any_step_keeps_what_was_written(tmp_path: Path, victim: int, error: DownloadError) -> None:
    for steps in range(26):
        attempts = Attempts(tmp_path / str(steps))
        first = attempts.shared(ranged_server())
        first.cut(900)
        second = attempts.start(ranged_server(), Segment(900, TOTAL))
        second.step()
        pair = (first, second)
        for number in range(steps):
            pair[number % 2].step()
        hit = pair[victim].outcome is None
        pair[victim].thrown = type(error)(error.reason)
        for flight in pair:
            flight.finish()
        attempts.check()
        ends = [flight.end for flight in pair]
        if End.COMPLETE in ends:
            attempts.complete()
        else:
            assert hit
            before = byte_count(stored(attempts))
            again = attempts.start(ranged_server())
            assert again.finish().end is End.COMPLETE
            assert again.outcome is not None
            assert again.outcome.received == TOTAL - before
            assert before >= 900
            attempts.complete()
        attempts.close()


def stored(attempts: Attempts) -> tuple[tuple[int, int], ...]:
    """What the sidecar says is complete."""
    other = Folder(str(attempts.root))
    found = PartFile(other, "file.bin", URL).resume_info()
    other.close()
    return found.spans or ((0, found.size),)


def test_an_attempt_after_a_failed_one_leaves_no_unknown_gaps(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.thrown = NetworkError("reset")
    assert first.finish().end is End.FAILED
    second = attempts.start(ranged_server(), Segment(1200, TOTAL))
    while second.step():
        attempts.check()
    attempts.check()
    assert attempts.start(ranged_server()).finish().end is End.COMPLETE
    attempts.complete()


def test_one_begun_after_the_file_has_its_name_does_nothing(attempts: Attempts) -> None:
    attempts.start(ranged_server()).finish()
    late = attempts.start(ranged_server(), Segment(900, TOTAL))
    assert late.finish().end is End.SEGMENT_DONE
    assert requested_ranges(late) == []
    attempts.complete()


def test_one_begun_while_another_run_has_the_file_is_told_so(attempts: Attempts) -> None:
    leave(attempts, (500, 600))
    other = Folder(str(attempts.root))
    part = PartFile(other, "file.bin", URL)
    part.open_shared(part.resume_info())
    assert isinstance(attempts.start(ranged_server()).finish().error, FileInUse)
    part.close()
    other.close()
    attempts.flights.clear()
    attempts.start(ranged_server()).finish()
    attempts.complete()


def test_a_file_that_has_appeared_meanwhile_is_kept(attempts: Attempts) -> None:
    first = attempts.shared(ranged_server())
    first.cut(900)
    second = attempts.start(ranged_server(), Segment(900, TOTAL))
    (attempts.root / "file.bin").write_bytes(b"precious")
    assert first.finish().end is End.SEGMENT_DONE
    assert second.finish().end is End.EXISTS
    assert attempts.files() == {"file.bin": b"precious"}


def test_with_one_segment_at_a_time_nothing_is_shared(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "run")
    config = WorkerConfig(str(attempts.root), TransferPolicy(may_split=False), ClientOptions())
    slot = Slot(LocalStats(), Cut())
    attempt = Attempt(1, 1, URL, URL, "file.bin")
    context = AttemptContext(config, attempts.folder, clock=lambda: 0.0, epoch_now=lambda: NOW)
    flight = Flight(attempt_steps(attempt, context, slot), ranged_server(), slot, 1)
    while flight.step():
        assert not slot.stats.splittable
        assert attempts.folder.shared_parts.by_path == {}
    assert hashlib.sha256(attempts.files()["file.bin"]).hexdigest() == SUM.digest
    attempts.close()


@pytest.mark.parametrize(
    "server",
    [
        ranged_server(more=()),
        ranged_server(etag="", changed=None),
        ranged_server(etag='W/"x"', changed=None),
        ranged_server(length=False),
    ],
    ids=["no ranges", "no validator", "weak", "no length"],
)
def test_attempts_that_cannot_be_split_are_not_split(attempts: Attempts, server: FakeServer) -> None:
    flight = attempts.start(server)
    while flight.step():
        assert not flight.slot.stats.splittable
    assert flight.end is End.COMPLETE
    assert attempts.folder.shared_parts.by_path == {}


# --- digests and pieces


def test_a_shared_file_with_wrong_pieces_keeps_the_right_ones(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "run", {"digest": "md5"})
    listed = Pieces("md5", 100, tuple(hashlib.md5(BODY[at : at + 100]).hexdigest() for at in range(0, TOTAL, 100)))
    damaged = bytes(byte ^ (at in (150, 950)) for at, byte in enumerate(BODY))
    first = attempts.shared(ranged_server(body=damaged), pieces=listed)
    first.cut(900)
    second = attempts.start(ranged_server(body=damaged), Segment(900, TOTAL), pieces=listed)
    outcomes = [first.finish(), second.finish()]
    assert sorted(outcome.end.name for outcome in outcomes) == ["FAILED", "SEGMENT_DONE"]
    assert isinstance(outcomes[-1].error or outcomes[0].error, WrongPieces)
    assert attempts.folder.shared_parts.by_path == {}
    server = ranged_server()
    last = attempts.start(server, pieces=listed).finish()
    assert (last.end, last.received, last.verified) == (End.COMPLETE, 200, True)
    assert last.digests == (Checksum("md5", hashlib.md5(BODY).hexdigest()),)
    assert [dict(request.headers)["Range"] for request in server.requests] == ["bytes=100-199", "bytes=900-999"]
    assert attempts.files() == {"file.bin": BODY}
    attempts.close()


def test_a_shared_file_is_hashed_once_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    whole = ChecksumVerifier.hash_existing

    def counted(self: ChecksumVerifier, descriptor: int, size: int) -> None:
        counts.append(size)
        whole(self, descriptor, size)

    monkeypatch.setattr(ChecksumVerifier, "hash_existing", counted)
    attempts = Attempts(tmp_path / "run", {"digest": "sha256"})
    first = attempts.shared(ranged_server())
    first.cut(900)
    second = attempts.start(ranged_server(), Segment(900, TOTAL))
    outcomes = [first.finish(), second.finish()]
    assert [outcome.digests for outcome in outcomes if outcome.end is End.COMPLETE] == [(SUM,)]
    assert counts == [TOTAL]
    attempts.close()
