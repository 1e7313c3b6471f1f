"""Messages between a run and its workers: nothing is lost, torn or waited for, and errors come out as they went in."""

import inspect
import os
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader import errors
from downloader.core.facts import WHOLE, Checksum, Pieces, Segment, Timings
from downloader.core.model import Attempt, End, Outcome, Returned
from downloader.core.scheduling.dealing import Parcel
from downloader.core.trace import Trace
from downloader.engine.workers.channel import Channel
from downloader.engine.workers.parcels import Ended

ATTEMPT = Attempt(1, 1, "http://h/a", "http://h/a", "a")
Pair = tuple[Channel[Ended], Channel[Parcel]]


@pytest.fixture
def ends() -> Iterator[Pair]:
    """The parent's end, which never waits, and the worker's."""
    ours, theirs = socket.socketpair()
    pair: Pair = Channel(ours, blocking=False, kind=Ended), Channel(theirs, blocking=True, kind=Parcel)
    yield pair
    for end in pair:
        end.close()


def frames(*messages: Any) -> bytes:
    """What goes over the socket for these."""
    ours, theirs = socket.socketpair()
    with theirs:
        sender: Channel[Ended] = Channel(ours, blocking=True, kind=Ended)
        for message in messages:
            sender.send(message)
        sender.close()
        data = b""
        while piece := theirs.recv(65536):
            data += piece
    return data


def received(data: bytes, kind: Any, at_a_time: int) -> list[Any]:
    """What comes of bytes that arrive so many at a time."""
    ours, theirs = socket.socketpair()
    channel: Channel[Any] = Channel(ours, blocking=False, kind=kind)
    found = []
    with theirs:
        for at in range(0, len(data), at_a_time):
            theirs.sendall(data[at : at + at_a_time])
            found += channel.receive()
    channel.close()
    return found


PARCELS = [[(3, [ATTEMPT]), (0, [ATTEMPT, ATTEMPT])], [], [(1, [])]]


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 7, 10_000])
def test_messages_come_whole_however_they_are_cut(at_a_time: int) -> None:
    assert received(frames(*PARCELS), Parcel, at_a_time) == PARCELS


def test_half_a_message_is_none_yet(ends: Pair) -> None:
    parent, worker = ends
    data = frames(PARCELS[0])
    os.write(parent.fileno(), data[:-1])
    assert worker.receive() == []
    os.write(parent.fileno(), data[-1:])
    assert worker.receive() == PARCELS[:1]


def test_nothing_to_read_is_no_wait(ends: Pair) -> None:
    assert ends[0].receive() == []


def test_a_channel_can_be_waited_for_by_its_descriptor(ends: Pair) -> None:
    parent, worker = ends
    assert select.select([worker.fileno()], [], [], 0)[0] == []
    os.write(parent.fileno(), frames(PARCELS[0]))
    assert select.select([worker.fileno()], [], [], 10)[0] == [worker.fileno()]


def test_end_is_told_after_all_that_was_said(ends: Pair) -> None:
    parent, worker = ends
    worker.send([(0, [Outcome(1, End.COMPLETE)])])
    worker.close()
    assert parent.receive() == [[(0, [Outcome(1, End.COMPLETE)])]]
    with pytest.raises(EOFError):
        parent.receive()
    with pytest.raises(OSError, match="pipe"):
        parent.send(())


def test_end_with_something_unread_is_an_end(ends: Pair) -> None:
    parent, worker = ends
    worker.send([(0, [Outcome(1, End.COMPLETE)])])
    parent.send([(0, [ATTEMPT])])
    worker.close()  # which resets
    assert parent.receive() == [[(0, [Outcome(1, End.COMPLETE)])]]
    with pytest.raises(EOFError):
        parent.receive()


def test_both_may_send_much_at_once(ends: Pair) -> None:
    """The worker waits until all is sent; the parent never does, so neither stops the other."""
    parent, worker = ends
    parcels = [(lane, [ATTEMPT] * 64) for lane in range(2000)]
    ended = [(lane, [Outcome(number, End.COMPLETE, path="x" * 100) for number in range(64)]) for lane in range(500)]
    got: list[Any] = []

    def work() -> None:
        worker.send(ended)
        while not got:
            got.extend(worker.receive())
        worker.send([])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    parent.send(parcels)
    assert parent.pending
    back: list[Any] = []
    while len(back) < 2:
        parent.flush()
        back += parent.receive()
    thread.join(20)
    assert not parent.pending
    assert (got, back) == ([parcels], [ended, []])


def test_draining_takes_in_all_that_the_other_side_still_says(ends: Pair) -> None:
    parent, worker = ends
    ended = [(lane, [Outcome(number, End.COMPLETE, path="x" * 100) for number in range(64)]) for lane in range(500)]
    got: list[Any] = []

    def work() -> None:
        worker.send(ended)
        while not got:
            got.extend(worker.receive())
        worker.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    parent.send([(lane, [ATTEMPT] * 64) for lane in range(2000)])
    assert parent.drain(20)
    thread.join(20)
    assert len(got) == 1


def test_draining_does_not_last_for_ever(ends: Pair) -> None:
    assert not ends[0].drain(0.05)


# What crosses

ERRORS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, errors.DownloadError) and not kind.__name__.startswith("_")
]


def made(kind: type[errors.DownloadError]) -> errors.DownloadError:
    """One of each."""
    if issubclass(kind, errors.HTTPStatusError | errors.AuthError):
        return kind(503, "http://h/\u00fc", "hint", 2.5)
    return kind("why \udce4", "http://h/a", "hint")


@pytest.mark.parametrize("kind", ERRORS)
def test_error_is_the_same_on_the_other_side(kind: type[errors.DownloadError], ends: Pair) -> None:
    error = made(kind)
    ends[1].send([(0, [Outcome(1, End.FAILED, error=error)])])
    (((_, (outcome,)),),) = ends[0].receive()
    back = outcome.error
    assert type(back) is kind
    assert (str(back), back.args, vars(back)) == (str(error), error.args, vars(error))
    assert back.retryable == error.retryable


def test_what_is_no_value_of_ours_does_not_cross(ends: Pair) -> None:
    with pytest.raises(NotImplementedError):
        ends[0].send([(0, [object()])])  # type: ignore[list-item]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
NUMBERS = st.integers(0, 2**63 - 1)
SECONDS = st.floats(allow_nan=False)
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "key": NUMBERS,
    "number": NUMBERS,
    "segment": st.just(WHOLE) | st.builds(Segment, NUMBERS, st.none() | NUMBERS),
    "headers": st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    "checksums": st.lists(st.builds(Checksum, st.just("sha256"), st.just("0" * 64)), max_size=2).map(tuple),
    "size": st.none() | NUMBERS,
    "modified_since": st.none() | SECONDS,
    "same_process_as": st.none() | NUMBERS,
    "end": st.sampled_from(End),
    "received": NUMBERS,
    "elapsed": SECONDS,
    "head_latency": SECONDS,
    "status": NUMBERS,
    "error": st.none(),
    "pieces": st.none() | st.builds(Pieces, TEXTS, NUMBERS, st.lists(TEXTS, max_size=3).map(tuple)),
    "digests": st.lists(st.builds(Checksum, st.just("sha256"), st.just("0" * 64)), max_size=2).map(tuple),
    "redirects": st.lists(TEXTS, max_size=3).map(tuple),
    "timings": st.none() | st.builds(Timings, SECONDS, SECONDS, SECONDS, SECONDS, SECONDS),
    "returned": st.none() | st.builds(Returned, st.lists(st.tuples(NUMBERS, TEXTS, st.binary(max_size=9)), max_size=3)),
    "trace": st.none() | st.builds(Trace, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, SECONDS, SECONDS, SECONDS),
}


def any_of(struct: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Values with anything in any field."""
    kinds: dict[Any, st.SearchStrategy[Any]] = {bool: st.booleans(), str: TEXTS, int: NUMBERS, float: SECONDS}
    wanted = {}
    for field in msgspec.structs.fields(struct):
        if field.name == "size" and struct is Outcome:
            wanted["size"] = NUMBERS
        else:
            wanted[field.name] = BY_TYPE[field.name] if field.name in BY_TYPE else kinds[field.type]
    return st.builds(struct, **wanted)


@given(st.lists(st.tuples(st.integers(0, 1000), st.lists(any_of(Attempt), max_size=4)), max_size=4))
def test_attempts_are_the_same_on_the_other_side(parcels: list[Parcel]) -> None:
    assert received(frames(parcels), Parcel, 1 << 16) == [parcels]


@given(st.lists(st.tuples(st.integers(-1000, 1000), st.lists(any_of(Outcome), max_size=4)), max_size=4))
def test_outcomes_are_the_same_on_the_other_side(ended: list[Ended]) -> None:
    assert received(frames(ended), Ended, 1 << 16) == [ended]
