"""Whether an Attempt must end now, and why: a table of cases. And the order that ends one Attempt, and no other."""

import pytest

from downloader.engine.control import Cut
from downloader.engine.deadlines import NEVER, Verdict, error_of, verdict
from downloader.errors import Interrupted, NetworkError, NoAnswer

NOW = 100.0

CASES = [
    # grace over, deadline, waiting, silent at, cut, verdict
    ("nothing has happened", False, NEVER, True, 101.0, False, None),
    ("the grace time is over", True, NEVER, False, NEVER, False, Verdict.STOPPED),
    ("the grace time counts before all else", True, 99.0, True, 99.0, True, Verdict.STOPPED),
    ("before the deadline", False, 100.1, True, NEVER, False, None),
    ("at the deadline", False, 100.0, True, NEVER, False, Verdict.TIMED_OUT),
    ("the deadline counts also while a file is written", False, 99.0, False, NEVER, False, Verdict.TIMED_OUT),
    ("the deadline counts before a cut", False, 99.0, True, NEVER, True, Verdict.TIMED_OUT),
    ("a cut ends a wait", False, NEVER, True, 101.0, True, Verdict.CUT),
    ("a cut is no silence", False, NEVER, True, 99.0, True, Verdict.CUT),
    ("an Attempt that does not wait sees a cut itself", False, NEVER, False, NEVER, True, None),
    ("a server that is silent", False, NEVER, True, 100.0, False, Verdict.SILENT),
    ("an Attempt that does not wait is not silent", False, NEVER, False, 99.0, False, None),
]


@pytest.mark.parametrize(
    ("grace_over", "deadline", "waiting", "silent_at", "cut", "expected"),
    [case[1:] for case in CASES],
    ids=[c[0] for c in CASES],
)
def test_why_an_attempt_must_end(
    grace_over: bool, deadline: float, waiting: bool, silent_at: float, cut: bool, expected: Verdict | None
) -> None:
    assert verdict(NOW, grace_over, deadline, waiting, silent_at, cut) is expected


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        (Verdict.STOPPED, Interrupted, "stopped"),
        (Verdict.TIMED_OUT, NetworkError, "the attempt exceeded its time limit"),
        (Verdict.SILENT, NoAnswer, "no data received for 2.5 s"),
    ],
)
def test_each_failure_has_its_error(reason: Verdict, kind: type, text: str) -> None:
    error = error_of(reason, 2.5)
    assert type(error) is kind
    assert error.reason == text


def test_a_cut_is_no_failure() -> None:
    with pytest.raises(ValueError, match="CUT"):
        error_of(Verdict.CUT, 30.0)


def test_an_order_names_its_attempt() -> None:
    cut = Cut()
    assert cut.stop_of(5) is None
    cut.end_at(5, 1000)
    assert (cut.stop_of(5), cut.stop_of(6)) == (1000, None)
    cut.end_at(5, 0)
    assert cut.stop_of(5) == 0
    cut.clear()
    assert cut.stop_of(5) is None
