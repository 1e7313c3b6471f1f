"""Whether the answer to a Range request continues the bytes that are there: the rules for 206 and 416, each with a name.

A rule is a predicate that finds one contradiction between a `RangeAnswer` and what was asked for. If no rule applies, a 206
answer is appended to the bytes that are there (RFC 9110 sections 14.4 and 15.3.7), and a 416 answer means that no byte is
missing (section 15.5.17). If a rule applies, the file begins again at zero; the name of the rule is the reason.
"""

from collections.abc import Callable
from typing import NamedTuple

from downloader.core.facts import ResumeInfo
from downloader.core.http.headers import ContentRange, Fields, content_range, validator

_NO_RANGE = ContentRange(None, None, None)


class RangeAnswer(NamedTuple):
    """What was asked for, what was known before, and what the head of the answer says. Offsets and sizes in bytes.

    ``start``, ``stop``: the range that was asked for (``stop`` is exclusive; None: to the end of the file).
    ``earlier``: what is known of the file from earlier answers. ``received``: the answer's Content-Range.
    ``is_whole``: the range belongs to an Attempt at the whole file, which no other Attempt writes to.
    ``bound_by_checksum``: the URL is a mirror's, whose validators may differ; the checksum of the file is verified instead.
    """

    start: int
    stop: int | None
    earlier: ResumeInfo
    fields: Fields
    received: ContentRange
    is_whole: bool
    bound_by_checksum: bool


Rules = tuple[tuple[str, Callable[[RangeAnswer], bool]], ...]


def range_answer(
    start: int, stop: int | None, earlier: ResumeInfo, fields: Fields, is_whole: bool, bound_by_checksum: bool
) -> RangeAnswer:
    """A RangeAnswer with its Content-Range parsed; one that breaks the grammar counts as none."""
    received = content_range(fields.content_range) or _NO_RANGE
    return RangeAnswer(start, stop, earlier, fields, received, is_whole, bound_by_checksum)


def reason_to_restart(rules: Rules, answer: RangeAnswer) -> str:
    """The name of the first rule that applies; empty where none does."""
    return next((name for name, applies in rules if applies(answer)), "")


def _no_satisfied_range(answer: RangeAnswer) -> bool:
    return answer.received.start is None


def _starts_elsewhere(answer: RangeAnswer) -> bool:
    return answer.received.start != answer.start


def _stops_too_late(answer: RangeAnswer) -> bool:
    return answer.stop is not None and answer.received.stop is not None and answer.received.stop > answer.stop


def _total_unknown(answer: RangeAnswer) -> bool:
    return answer.received.total is None and answer.earlier.total is None


def _total_changed(answer: RangeAnswer) -> bool:
    return None not in (answer.received.total, answer.earlier.total) and answer.received.total != answer.earlier.total


def _length_differs(answer: RangeAnswer) -> bool:
    length, stop = answer.fields.length, answer.received.stop
    return length is not None and stop is not None and length != stop - answer.start


def _both_have_etags(answer: RangeAnswer) -> bool:
    return bool(answer.earlier.validator.etag and answer.fields.etag)


def _etag_changed(answer: RangeAnswer) -> bool:
    if answer.bound_by_checksum or not _both_have_etags(answer):
        return False
    return validator(answer.fields).etag != answer.earlier.validator.etag  # a weak ETag is none, so it differs


def _date_changed(answer: RangeAnswer) -> bool:
    if answer.bound_by_checksum or _both_have_etags(answer):
        return False
    before, now = answer.earlier.validator.last_modified, answer.fields.last_modified
    return bool(before and now) and before != now


def _no_unsatisfied_range(answer: RangeAnswer) -> bool:
    return answer.received.start is not None or answer.received.total is None


def _size_differs(answer: RangeAnswer) -> bool:
    return answer.received.total != answer.earlier.size


def _completeness_unknown(answer: RangeAnswer) -> bool:
    earlier, etag = answer.earlier, answer.fields.etag
    return earlier.total != earlier.size and not (etag and etag == earlier.validator.etag)


def _has_gaps(answer: RangeAnswer) -> bool:
    return bool(answer.earlier.spans)


def _is_one_of_several(answer: RangeAnswer) -> bool:
    return not answer.is_whole


ETAG_CHANGED = ("the ETag has changed", _etag_changed)
DATE_CHANGED = ("the Last-Modified date has changed", _date_changed)

PARTIAL_CONTENT: Rules = (
    ("no Content-Range that says which bytes come", _no_satisfied_range),
    ("Content-Range starts at another byte than was asked for", _starts_elsewhere),
    ("Content-Range stops after the last byte that was asked for", _stops_too_late),
    ("nothing says how long the file is", _total_unknown),
    ("the length of the file has changed", _total_changed),
    ("Content-Length differs from Content-Range", _length_differs),
    ETAG_CHANGED,
    DATE_CHANGED,
)
"""Why a 206 answer does not continue the file."""

RANGE_NOT_SATISFIABLE: Rules = (
    ("no Content-Range that says how long the file is", _no_unsatisfied_range),
    ("the file is shorter or longer than the bytes that are there", _size_differs),
    ("nothing says that the bytes that are there are the whole file", _completeness_unknown),
    ETAG_CHANGED,
    DATE_CHANGED,
    ("the bytes that are there have gaps", _has_gaps),
    ("the range was one of several", _is_one_of_several),
)
"""Why a 416 answer does not mean that the file is complete."""
