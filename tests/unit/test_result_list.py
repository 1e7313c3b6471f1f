"""A ResultList can be read as the list of the same Results, and takes less memory."""

import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.model import Result, Status
from downloader.core.report import PACKED_FROM, Report
from downloader.core.result_list import CHUNK, ResultList, recorded_result


def results_of(kinds: list[bool]) -> list[Result]:
    """A recorded Result for each True, and another one for each False."""
    return [
        recorded_result(f"http://h/{number}", f"é{number}", number, f"l:{number}")
        if is_recorded
        else Result(f"http://h/{number}", f"{number}", Status.SKIPPED, 1, metadata=(("a", "b"),), is_recorded=True)
        if number % 3 == 0
        else Result(f"http://h/{number}", f"{number}", Status.DONE, value={"a": object}, etag="e")
        for number, is_recorded in enumerate(kinds)
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, CHUNK)), max_size=8), st.integers(), st.slices(3 * CHUNK))
def test_it_reads_as_a_list(runs: list[tuple[bool, int]], index: int, part: slice) -> None:
    expected = results_of([kind for kind, count in runs for _ in range(count)])
    results = ResultList(expected)
    assert len(results) == len(expected)
    assert list(results) == expected
    assert results == expected
    assert results == ResultList(expected)
    assert results != [*expected, expected]
    assert results[part] == expected[part]
    if -len(expected) <= index < len(expected):
        assert results[index] == expected[index]
    else:
        with pytest.raises(IndexError):
            results[index]


def test_a_report_packs_recorded_results_only_where_there_are_many() -> None:
    report = Report()
    expected = results_of([True] * (PACKED_FROM + 2 * CHUNK))
    for result in expected[:PACKED_FROM]:
        report.add(result)
    assert type(report.results) is list
    for result in expected[PACKED_FROM:]:
        report.add(result)
    assert isinstance(report.results, ResultList)
    assert report.results == expected
    assert report.skipped == len(expected)


def test_a_recorded_result_takes_few_bytes() -> None:
    count = 100 * CHUNK
    tracemalloc.start()
    results = ResultList()
    for number in range(count):
        results.append(
            recorded_result(f"http://example.org/data/{number:07}.bin", f"{number:07}.bin", 1000, f"urls.txt:{number}")
        )
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / count < sys.getsizeof(results[0]) / 4
