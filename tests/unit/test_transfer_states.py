"""The states of a Transfer: the table is whole, the class obeys it, and nobody else changes a Transfer."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from downloader.core.facts import NOTHING_TO_RESUME, ResumeInfo, Validator
from downloader.core.http import transfer_states
from downloader.core.http.messages import Head, TransferPolicy
from downloader.core.http.transfer import Transfer
from downloader.core.http.transfer_states import ENDS, TRANSITIONS, Event, State, TransitionError
from downloader.core.model import Attempt, End
from downloader.errors import NetworkError, ProtocolError

PACKAGE = Path(transfer_states.__file__).parents[2]
URL = "https://example.org/file"
FINAL = {State.SEGMENT_DONE, State.NOT_MODIFIED, State.NAMED, State.EXISTS, State.RESTART, State.FAILED}
ALLOWED = [(state, event) for state in State for event in Event if event in TRANSITIONS[state]]
FORBIDDEN = [(state, event) for state in State for event in Event if event not in TRANSITIONS[state]]


def transfer(earlier: ResumeInfo = NOTHING_TO_RESUME, **values: object) -> Transfer:
    """A Transfer that has done nothing yet."""
    return Transfer(Attempt(1, 1, URL, URL, "file", **values), TransferPolicy(), earlier, 0.0)  # type: ignore[arg-type]


# --- the table


def test_every_state_can_be_reached() -> None:
    reached, edge = {State.READY}, {State.READY}
    while edge:
        edge = {after for state in edge for after in TRANSITIONS[state].values()} - reached
        reached |= edge
    assert reached == set(State)


def test_every_event_is_allowed_somewhere() -> None:
    assert {event for _, event in ALLOWED} == set(Event)


def test_from_every_state_an_end_can_be_reached_without_an_error() -> None:
    ends = set(ENDS) - {State.FAILED}
    able = set(ends)
    for _ in State:
        able |= {
            state
            for state in State
            for event, after in TRANSITIONS[state].items()
            if after in able and event is not Event.ERROR
        }
    assert able == set(State) - {State.FAILED}


@pytest.mark.parametrize("state", State)
def test_an_error_ends_a_transfer_in_any_state(state: State) -> None:
    assert TRANSITIONS[state][Event.ERROR] is State.FAILED


@pytest.mark.parametrize("state", sorted(FINAL))
def test_after_an_end_only_an_error_may_come(state: State) -> None:
    assert set(TRANSITIONS[state]) == {Event.ERROR}
    assert state in ENDS


def test_each_end_that_an_attempt_decides_itself_has_its_state() -> None:
    of_others = {End.WORKER_LOST, End.UNREPORTED, End.MAYBE_STARTED, End.UNSTARTED, End.INTERRUPTED}
    assert set(ENDS.values()) == set(End) - of_others
    assert len(set(ENDS.values())) == len(ENDS)


@pytest.mark.parametrize(("state", "event"), FORBIDDEN)
def test_an_event_that_is_not_allowed_names_itself_and_the_state(state: State, event: Event) -> None:
    with pytest.raises(TransitionError) as caught:
        TRANSITIONS[state][event]
    assert state.name in str(caught.value)
    assert event.name in str(caught.value)


def test_the_theory_of_operation_names_every_state_and_every_event() -> None:
    text = transfer_states.__doc__ or ""
    assert [name for name in (*State.__members__, *Event.__members__) if name not in text] == []


# --- the class


WHOLE_FILE = Head(200, (("Content-Length", "10"),))


def ready() -> Transfer:
    """Nothing was asked yet."""
    return transfer()


def awaiting_head() -> Transfer:
    """The request was sent."""
    new = ready()
    new.request(0.0)
    return new


def body_announced() -> Transfer:
    """The head has announced ten bytes."""
    new = awaiting_head()
    new.on_head(WHOLE_FILE, 0.0)
    return new


def receiving() -> Transfer:
    """The body has begun."""
    new = body_announced()
    new.start_body(0.0)
    return new


def stopped() -> Transfer:
    """Another Attempt fetches the rest."""
    new = receiving()
    new.cut()
    return new


def complete() -> Transfer:
    """All ten bytes have come."""
    new = receiving()
    new.on_data(10, 0.0)
    new.on_end()
    return new


def failed() -> Transfer:
    """An error has ended it."""
    new = ready()
    new.outcome(0.0, error=NetworkError("reset"))
    return new


STATES = {
    State.READY: ready,
    State.AWAITING_HEAD: awaiting_head,
    State.BODY_ANNOUNCED: body_announced,
    State.RECEIVING: receiving,
    State.STOPPED: stopped,
    State.COMPLETE: complete,
    State.FAILED: failed,
}

CALLS: dict[str, tuple[Event, Callable[[Transfer], object]]] = {
    "already_there": (Event.EXISTING_VALID, lambda it: it.already_there(3, ())),
    "existing_corrupt": (Event.EXISTING_CORRUPT, lambda it: it.existing_corrupt()),
    "resume_with_gaps": (Event.RESUME, lambda it: it.resume_with_gaps()),
    "next_range": (Event.NEXT_RANGE, lambda it: it.next_range(3, 5)),
    "request": (Event.REQUEST, lambda it: it.request(0.0)),
    "on_head": (Event.BODY_FOLLOWS, lambda it: it.on_head(WHOLE_FILE if not it.received else Head(200, ()), 0.0)),
    "start_body": (Event.BODY_START, lambda it: it.start_body(0.0)),
    "on_data": (Event.DATA, lambda it: it.on_data(1, 0.0)),
    "paused": (Event.PAUSE, lambda it: it.paused(1.0)),
    "body_returned": (Event.BODY_RETURNED, lambda it: it.body_returned(b"")),
    "cut": (Event.CUT, lambda it: it.cut()),
    "segment_end": (Event.SEGMENT_END, lambda it: it.segment_end(finishes_file=False)),
    "segment_end, last": (Event.FILE_END, lambda it: it.segment_end(finishes_file=True)),
    "hashed": (Event.HASHED, lambda it: it.hashed(())),
    "processed": (Event.PROCESSED, lambda it: it.processed(None, 4)),
    "name_taken": (Event.NAME_TAKEN, lambda it: it.name_taken()),
}


@pytest.mark.parametrize("state", STATES)
def test_the_helpers_of_this_file_lead_to_the_states_that_they_are_named_for(state: State) -> None:
    assert STATES[state]().state is state


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("state", STATES)
def test_each_method_obeys_the_table_in_each_state(state: State, call: str) -> None:
    new, (event, method) = STATES[state](), CALLS[call]
    if event in TRANSITIONS[state]:
        method(new)
        assert new.state is TRANSITIONS[state][event]
    else:
        with pytest.raises(TransitionError):
            method(new)


@pytest.mark.parametrize("state", [state for state in STATES if state is not State.RECEIVING])
def test_a_body_ends_only_where_one_was_begun(state: State) -> None:
    new = STATES[state]()
    with pytest.raises(TransitionError):
        new.on_end()
    assert new.state is state


def test_a_body_that_ends_too_early_is_not_complete() -> None:
    new = receiving()
    with pytest.raises(NetworkError, match="truncated"):
        new.on_end()
    assert new.state is State.RECEIVING


@pytest.mark.parametrize("state", STATES)
def test_an_outcome_can_be_had_in_any_state(state: State) -> None:
    assert STATES[state]().outcome(1.0).end is ENDS.get(state, End.FAILED)
    assert STATES[state]().outcome(1.0, error=ProtocolError("nonsense")).end is End.FAILED


def test_what_is_already_there_is_verified_and_has_its_size() -> None:
    new = transfer()
    new.already_there(12, ())
    outcome = new.outcome(0.0)
    assert (outcome.end, outcome.size, outcome.verified) == (End.EXISTS, 12, False)  # no checksum is known


def test_post_processing_may_change_the_size_and_returns_a_value() -> None:
    new = complete()
    new.processed(None, 4)
    assert (new.outcome(0.0).end, new.outcome(0.0).size) == (End.COMPLETE, 4)


def test_ranges_are_asked_for_one_after_the_other() -> None:
    new = transfer(ResumeInfo(0, Validator('"e"'), 10, (), ((3, 5),)))
    new.resume_with_gaps()
    assert (new.total, new.validator) == (10, Validator('"e"'))
    new.next_range(0, 3)
    assert ("Range", "bytes=0-2") in new.request(0.0).headers
    new.on_head(Head(206, (("Content-Range", "bytes 0-2/10"),)), 0.0)
    new.start_body(0.0)
    new.on_data(3, 0.0)
    new.on_end()
    new.next_range(5, 10)
    assert ("Range", "bytes=5-9") in new.request(0.0).headers
    new.cut()
    new.segment_end(finishes_file=True)
    assert (new.outcome(0.0).end, new.outcome(0.0).size, new.received) == (End.COMPLETE, 10, 3)


# --- nobody else


def assigned(tree: ast.AST) -> list[ast.Attribute]:
    """Every attribute that the module assigns to, adds to, or deletes."""
    found: list[ast.Attribute] = []
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For | ast.NamedExpr):
            targets = [node.target]
        for target in targets:
            found += [inner for inner in ast.walk(target) if isinstance(inner, ast.Attribute)]
    return found


def transfers(tree: ast.AST) -> set[str]:
    """The names that hold a Transfer in this module: annotated so, or made here; and every `transfer`."""
    names = {"transfer"}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation is not None and "Transfer" in ast.unparse(node.annotation).split("."):
            names.add(node.arg)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "Transfer":
            names |= {ast.unparse(target).rpartition(".")[2] for target in node.targets}
    return names


def changed_transfers(source: str) -> list[str]:
    """What a module assigns to of a Transfer, as it is written there."""
    tree = ast.parse(source)
    names = transfers(tree)
    return [ast.unparse(item) for item in assigned(tree) if ast.unparse(item.value).rpartition(".")[2] in names]


@pytest.mark.parametrize("line", ["transfer.size = 1", "transfer.size += 1", "self.transfer.a, b = 1, 2", "del transfer.size"])
def test_this_test_sees_each_kind_of_assignment(line: str) -> None:
    assert len(changed_transfers(line)) == 1
    assert changed_transfers(f"def f(it: Transfer):\n    {line.replace('self.', '').replace('transfer', 'it')}")


def test_nobody_but_the_class_itself_assigns_to_an_attribute_of_a_transfer() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "transfer.py"]
    assert len(paths) > 100
    found = {str(path): changes for path in paths if (changes := changed_transfers(path.read_text()))}
    assert found == {}
