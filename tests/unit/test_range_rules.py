"""The rules for the answer to a Range request: each has a name, and finds what no other rule finds."""

from pathlib import Path

import pytest

from downloader.core.facts import Checksum, ResumeInfo, Segment, Validator
from downloader.core.http.headers import Fields
from downloader.core.http.messages import Head, TransferPolicy
from downloader.core.http.range_rules import (
    PARTIAL_CONTENT,
    RANGE_NOT_SATISFIABLE,
    RangeAnswer,
    Rules,
    range_answer,
    reason_to_restart,
)
from downloader.core.http.transfer import Transfer
from downloader.core.http.transfer_states import State
from downloader.core.model import Attempt

URL = "https://example.org/file"
DATE, OTHER_DATE = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 09:00:00 GMT"
BOTH = Validator('"e"', DATE)
FIVE_OF_TEN = ResumeInfo(5, BOTH, 10)
FIVE_OF_FIVE = ResumeInfo(5, BOTH, 5)


def partial(
    content_range: str = "bytes 5-9/10",
    stop: int | None = None,
    earlier: ResumeInfo = FIVE_OF_TEN,
    bound_by_checksum: bool = False,
    *,
    length: int | None = 5,
    etag: str = '"e"',
    last_modified: str = DATE,
) -> RangeAnswer:
    """A 206 answer to a request for the bytes from 5 on, that agrees in everything that is not given."""
    fields = Fields(length=length, content_range=content_range, etag=etag, last_modified=last_modified)
    return range_answer(5, stop, earlier, fields, is_whole=True, bound_by_checksum=bound_by_checksum)


def unsatisfied(
    content_range: str = "bytes */5",
    earlier: ResumeInfo = FIVE_OF_FIVE,
    is_whole: bool = True,
    bound_by_checksum: bool = False,
    *,
    etag: str = '"e"',
    last_modified: str = DATE,
) -> RangeAnswer:
    """A 416 answer to a request for the bytes from 5 on, that agrees in everything that is not given."""
    fields = Fields(length=100, content_range=content_range, etag=etag, last_modified=last_modified)
    return range_answer(5, None, earlier, fields, is_whole, bound_by_checksum)


PARTIAL_CONTENT_CASES = {
    "no Content-Range that says which bytes come": [
        partial(""),
        partial("bytes 5-9"),
        partial("bytes */10"),
        partial("items 5-9/10"),
        partial("bytes 5-4/10"),
        partial("bytes 5-10/10"),
    ],
    "Content-Range starts at another byte than was asked for": [
        partial("bytes 4-9/10", length=None),
        partial("bytes 6-9/10", length=None),
        partial("bytes 0-9/10", length=None),
    ],
    "Content-Range stops after the last byte that was asked for": [
        partial("bytes 5-9/10", stop=9),
        partial("bytes 5-6/10", stop=6, length=None),
    ],
    "nothing says how long the file is": [partial("bytes 5-9/*", earlier=ResumeInfo(5, BOTH, None))],
    "the length of the file has changed": [partial("bytes 5-9/11"), partial("bytes 5-9/10", earlier=ResumeInfo(5, BOTH, 9))],
    "Content-Length differs from Content-Range": [partial(length=4), partial(length=6), partial(length=10), partial(length=0)],
    "the ETag has changed": [
        partial(etag='"f"'),
        partial(etag='W/"e"'),
        partial(etag="e"),
        partial(etag='"f"', last_modified=""),
    ],
    "the Last-Modified date has changed": [
        partial(etag="", last_modified=OTHER_DATE),
        partial(earlier=ResumeInfo(5, Validator("", DATE), 10), last_modified=OTHER_DATE),
    ],
}

CONTINUES = {
    "all agrees": partial(),
    "to the end that was asked for": partial(stop=10),
    "fewer bytes than were asked for": partial("bytes 5-6/10", stop=10, length=2),
    "no length": partial(length=None),
    "the length is known from before": partial("bytes 5-9/*"),
    "the length is told now": partial(earlier=ResumeInfo(5, BOTH, None)),
    "the same ETag, another date": partial(last_modified=OTHER_DATE),
    "no validator": partial(etag="", last_modified=""),
    "an ETag where none was known": partial(earlier=ResumeInfo(5, Validator("", DATE), 10), etag='"f"'),
    "a mirror's ETag, where the checksum decides": partial(etag='"f"', bound_by_checksum=True),
    "a mirror's date, where the checksum decides": partial(etag="", last_modified=OTHER_DATE, bound_by_checksum=True),
}

RANGE_NOT_SATISFIABLE_CASES = {
    "no Content-Range that says how long the file is": [unsatisfied(""), unsatisfied("bytes */*"), unsatisfied("bytes 0-4/5")],
    "the file is shorter or longer than the bytes that are there": [unsatisfied("bytes */4"), unsatisfied("bytes */6")],
    "nothing says that the bytes that are there are the whole file": [
        unsatisfied(earlier=ResumeInfo(5, BOTH, None), etag=""),
        unsatisfied(earlier=ResumeInfo(5, BOTH, 10), etag=""),
        unsatisfied(earlier=ResumeInfo(5, Validator("", DATE), None), etag='"e"'),
    ],
    "the ETag has changed": [unsatisfied(etag='"f"'), unsatisfied(etag='W/"e"')],
    "the Last-Modified date has changed": [unsatisfied(etag="", last_modified=OTHER_DATE)],
    "the bytes that are there have gaps": [unsatisfied(earlier=ResumeInfo(5, BOTH, 5, (), ((0, 2), (3, 5))))],
    "the range was one of several": [unsatisfied(is_whole=False)],
}

IS_COMPLETE = {
    "all agrees": unsatisfied(),
    "no validator": unsatisfied(etag="", last_modified=""),
    "the ETag says so, though no length was known": unsatisfied(earlier=ResumeInfo(5, BOTH, None)),
    "a mirror's ETag, where the checksum decides": unsatisfied(etag='"f"', bound_by_checksum=True),
}


def cases(table: dict[str, list[RangeAnswer]]) -> list[tuple[str, RangeAnswer]]:
    """Each answer with the name of its rule."""
    return [(name, answer) for name, answers in table.items() for answer in answers]


@pytest.mark.parametrize(
    ("rules", "table"), [(PARTIAL_CONTENT, PARTIAL_CONTENT_CASES), (RANGE_NOT_SATISFIABLE, RANGE_NOT_SATISFIABLE_CASES)]
)
def test_each_rule_has_its_cases(rules: Rules, table: dict[str, list[RangeAnswer]]) -> None:
    assert [name for name, _ in rules] == list(table)


def test_the_page_for_readers_names_each_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "answers.md").read_text()
    assert [name for name, _ in PARTIAL_CONTENT + RANGE_NOT_SATISFIABLE if f"\n- {name}\n" not in page] == []


@pytest.mark.parametrize(("name", "answer"), cases(PARTIAL_CONTENT_CASES))
def test_a_206_that_contradicts_the_request_is_refused_by_the_rule_of_that_name(name: str, answer: RangeAnswer) -> None:
    assert reason_to_restart(PARTIAL_CONTENT, answer) == name


@pytest.mark.parametrize(("name", "answer"), cases(RANGE_NOT_SATISFIABLE_CASES))
def test_a_416_that_does_not_mean_complete_is_refused_by_the_rule_of_that_name(name: str, answer: RangeAnswer) -> None:
    assert reason_to_restart(RANGE_NOT_SATISFIABLE, answer) == name


@pytest.mark.parametrize(
    ("rules", "name", "answer"),
    [
        *((PARTIAL_CONTENT, name, answer) for name, answer in cases(PARTIAL_CONTENT_CASES)[6:]),
        *((RANGE_NOT_SATISFIABLE, name, answer) for name, answer in cases(RANGE_NOT_SATISFIABLE_CASES)[3:]),
    ],
)
def test_no_other_rule_would_have_found_it(rules: Rules, name: str, answer: RangeAnswer) -> None:
    assert [other for other, applies in rules if applies(answer)] == [name]


@pytest.mark.parametrize("answer", CONTINUES.values(), ids=CONTINUES)
def test_a_206_that_agrees_continues_the_file(answer: RangeAnswer) -> None:
    assert reason_to_restart(PARTIAL_CONTENT, answer) == ""


@pytest.mark.parametrize("answer", IS_COMPLETE.values(), ids=IS_COMPLETE)
def test_a_416_that_agrees_means_that_every_byte_is_there(answer: RangeAnswer) -> None:
    assert reason_to_restart(RANGE_NOT_SATISFIABLE, answer) == ""


# --- the Transfer asks these rules


@pytest.mark.parametrize(
    ("head", "values", "reason"),
    [
        (Head(206, (("Content-Range", "bytes 4-9/10"),)), {}, "Content-Range starts at another byte than was asked for"),
        (Head(206, (("Content-Range", "bytes 5-9/10"), ("ETag", '"f"'))), {}, "the ETag has changed"),
        (Head(416, (("Content-Range", "bytes */7"),)), {}, "the file is shorter or longer than the bytes that are there"),
        (Head(200, ()), {"segment": Segment(0, 9)}, "the whole file comes instead of a range"),
        (
            Head(206, (("Content-Range", "bytes 5-9/10"),)),
            {"segment": Segment(0, 9)},
            "Content-Range stops after the last byte that was asked for",
        ),
        (Head(206, (("Content-Range", "bytes 5-9/10"), ("ETag", '"f"'))), {"is_alternate_url": True}, "the ETag has changed"),
    ],
)
def test_a_restart_keeps_its_reason(head: Head, values: dict[str, object], reason: str) -> None:
    transfer = Transfer(Attempt(1, 1, URL, URL, "file", **values), TransferPolicy(), FIVE_OF_TEN, 0.0)  # type: ignore[arg-type]
    transfer.request(0.0)
    transfer.on_head(head, 0.0)
    assert (transfer.state, transfer.restart_reason) == (State.RESTART, reason)
    assert transfer.outcome(0.0).reason == reason


def test_a_mirror_with_a_checksum_is_bound_by_that() -> None:
    attempt = Attempt(1, 1, URL, URL, "file", checksums=(Checksum("md5", "0" * 32),), is_alternate_url=True)
    transfer = Transfer(attempt, TransferPolicy(), FIVE_OF_TEN, 0.0)
    transfer.request(0.0)
    transfer.on_head(Head(206, (("Content-Range", "bytes 5-9/10"), ("ETag", '"f"'))), 0.0)
    assert (transfer.state, transfer.restart_reason) == (State.BODY_ANNOUNCED, "")
