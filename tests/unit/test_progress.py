"""What is shown while a run goes on, and what is written and said about its Results."""

import io
import json
import pickle
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.amounts import duration, size
from downloader.core.facts import Checksum
from downloader.core.model import Download, Result, Status
from downloader.core.report import Report
from downloader.engine.stats import FileProgress, LocalStats, RunStats
from downloader.errors import HTTPStatusError, IntegrityError, NetworkError, StorageError, TLSError, UsageError
from downloader.progress.bars import MAX_FILE_BARS, Bars
from downloader.progress.lines import Display, JsonProgress, PlainLines
from downloader.reports.outputs import FailedList
from downloader.reports.summary import error_summary, summary
from downloader.sources.text import format_download

URL = "https://example.org/file"
EVIL = "evil\x1b[2J\u202egpj.exe"
NAMES = st.text() | st.text(st.sampled_from("a\x1b\u202e\u2066\n\r\x07\x9b\ud800"))


# --- counters


def test_counters_add_up_what_their_lanes_took_in() -> None:
    counters = RunStats(total=10, done=3, skipped=2, failed=1, slots=[LocalStats(received=5), LocalStats(received=7)])
    assert (counters.ended, counters.received) == (6, 12)
    assert (RunStats().ended, RunStats().received) == (0, 0)


def test_moving_are_the_files_under_way_for_long_the_oldest_first() -> None:
    lanes = [
        LocalStats(since=9.5, name="young"),
        LocalStats(since=0.0, name="idle"),
        LocalStats(done=5, size=50, since=7.0, name="second"),
        LocalStats(since=9.0, name="just not"),
        LocalStats(done=3, size=0, since=2.0, name="first"),
    ]
    counters = RunStats(slots=list(lanes))
    assert counters.long_running(10.0) == [FileProgress("first", 3, 0, 2.0), FileProgress("second", 5, 50, 7.0)]
    assert [item.name for item in counters.long_running(10.0, longer_than=5.0)] == ["first"]
    assert RunStats().long_running(10.0) == []


def test_a_file_is_one_however_many_attempts_are_at_it() -> None:
    lanes = [LocalStats(done=20 * number, size=100, since=5.0 - number, name="big") for number in range(4)]
    counters = RunStats(slots=list(lanes), in_segments={"big": 37})
    assert counters.files() == [FileProgress("big", 37, 100, 2.0)]


def test_what_lies_behind_the_byte_that_a_file_is_at_is_there_too() -> None:
    counters = RunStats(slots=[LocalStats(done=10, beyond=60, size=100, since=1.0, name="resumed")])
    assert counters.files() == [FileProgress("resumed", 70, 100, 1.0)]


# --- lines


def sampled(display: PlainLines | JsonProgress, *states: tuple[float, RunStats]) -> None:
    """Show these states at these times."""
    for now, counters in states:
        display.update(counters, now)


def state(ended: int = 0, received: int = 0, total: int | None = 1000, failed: int = 0, **lane: Any) -> RunStats:
    """RunStats of one lane."""
    return RunStats(total=total, done=ended - failed, failed=failed, slots=[LocalStats(received=received, **lane)])


def test_a_plain_line_comes_every_few_seconds() -> None:
    stream = io.StringIO()
    display = PlainLines(stream)
    sampled(display, *((now / 2, state(now)) for now in range(40)))
    assert len(stream.getvalue().splitlines()) == 3  # at 5, 10 and 15 seconds


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        (
            state(100, 2_000_000),
            state(200, 12_300_000, failed=2),
            "200 of 1000 files, 12.3 MB, 2.1 MB/s, 1:20 left, 2 failed",
        ),
        (state(0, 0), state(10, 100_000), "10 of 1000 files, 100.0 kB, 20.0 kB/s, 16:30 left"),
        (state(0, 0, None), state(10, 0, None), "10 files, 0 B, 0 B/s"),
        (state(5, 0), state(5, 5_000_000), "5 of 1000 files, 5.0 MB, 1.0 MB/s"),
        (state(0, 0, 60_000), state(12, 0, 60_000), "12 of 60000 files, 0 B, 0 B/s, 13:53:10 left"),
        (state(0, 0), state(9, 0), "9 of 1000 files, 0 B, 0 B/s"),
    ],
)
def test_a_plain_line_says_how_far_it_is_how_fast_and_how_long_it_takes(first: RunStats, second: RunStats, line: str) -> None:
    stream = io.StringIO()
    sampled(PlainLines(stream), (0.0, first), (5.0, first), (10.0, second))
    assert stream.getvalue().splitlines()[-1] == line


def test_the_first_plain_line_knows_the_speed_already() -> None:
    stream = io.StringIO()
    sampled(PlainLines(stream), (0.0, state()), (5.0, state(500, 10_000_000)))
    assert stream.getvalue() == "500 of 1000 files, 10.0 MB, 2.0 MB/s, 0:05 left\n"


def test_json_progress_is_an_object_a_line() -> None:
    stream = io.StringIO()
    before, after = state(3, 1000, 60, since=1.0), state(48, 3000, 60, 1, since=1.0, done=7, size=70, name="d/file")
    after.skipped = 2
    sampled(JsonProgress(stream), (0.0, before), (1.0, before), (2.5, after))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines[-1] == {
        "event": "progress",
        "total": 60,
        "done": 47,
        "skipped": 2,
        "failed": 1,
        "bytes": 3000,
        "bytes_done": 7,
        "bytes_total": None,
        "bytes_per_second": 800,
        "seconds_left": 0.5,
        "waiting": None,
        "disk_full": False,
        "moving": [{"path": "d/file", "bytes": 7, "size": 70}],
    }
    assert len(lines) == 2
    assert lines[0]["bytes"] == 1000


def test_json_progress_of_a_list_of_unknown_length_has_nulls() -> None:
    stream = io.StringIO()
    sampled(JsonProgress(stream), (0.0, state(total=None)), (1.0, state(total=None)))
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["total"], line["seconds_left"], line["moving"]) == (None, None, [])


def test_a_message_is_a_line_of_its_own() -> None:
    plain, structured = io.StringIO(), io.StringIO()
    PlainLines(plain).say("hello")
    JsonProgress(structured).say("hello")
    assert plain.getvalue() == "hello\n"
    assert json.loads(structured.getvalue()) == {"event": "message", "text": "hello"}


def test_a_message_that_begins_with_a_brace_is_still_a_message() -> None:
    stream = io.StringIO()
    JsonProgress(stream).say("{name}.txt exists")
    assert json.loads(stream.getvalue()) == {"event": "message", "text": "{name}.txt exists"}


@given(NAMES)
def test_no_name_reaches_a_terminal_through_json_progress_as_it_is(name: str) -> None:
    stream = io.StringIO()
    counters = state(1, 1, since=1.0, name=name)
    sampled(JsonProgress(stream), (10.0, counters), (11.0, counters))
    text = stream.getvalue()
    assert text.endswith("\n")
    assert text[:-1].isascii()
    assert text[:-1].isprintable()
    assert json.loads(text)["moving"][0]["path"].isprintable()


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise BrokenPipeError(32, "Broken pipe")


def show_all(display: Display) -> None:
    """Call each method of a display."""
    for second in range(20):
        display.update(state(second), float(second))
    display.say("the end")
    display.close()


@pytest.mark.parametrize("kind", [PlainLines, JsonProgress])
def test_a_stream_whose_reader_has_gone_is_tried_once(kind: type[PlainLines] | type[JsonProgress]) -> None:
    stream = Broken()
    show_all(kind(stream))
    assert stream.tried == 1


@pytest.mark.parametrize("kind", [PlainLines, JsonProgress])
def test_a_display_does_not_raise_on_a_closed_stream(kind: type[PlainLines] | type[JsonProgress]) -> None:
    stream = io.StringIO()
    stream.close()
    show_all(kind(stream))
    assert stream.closed


def test_the_plain_display_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    show_all(Display())
    assert capfd.readouterr() == ("", "")


# --- bars


def lane(name: str, size: int = 10) -> LocalStats:
    """A lane with a file that has been under way since second 1."""
    return LocalStats(received=1, done=1, size=size, since=1.0, name=name)


def test_bars_escape_the_names_of_files_and_show_so_many_at_most() -> None:
    stream = io.StringIO()
    bars = Bars(stream, 100)
    counters = RunStats(total=100, failed=2, slots=[lane(f"{number}x\x1b[2J\u202e") for number in range(MAX_FILE_BARS + 3)])
    bars.update(counters, 10.0)
    shown = stream.getvalue()
    assert "\u202e" not in shown
    assert "\x1b[2J" not in shown
    assert sum(f"{number}x\\x1b[2J" in shown for number in range(MAX_FILE_BARS + 3)) == MAX_FILE_BARS
    assert "2/100 files" in shown
    assert "2 failed" in shown
    bars.close()


def test_a_bar_is_used_again_for_the_next_file() -> None:
    stream = io.StringIO()
    bars = Bars(stream, None)
    bars.update(RunStats(slots=[lane("one")]), 10.0)
    bars.update(RunStats(slots=[LocalStats()]), 11.0)
    stream.truncate(0)
    bars.update(RunStats(slots=[LocalStats(), lane("a very long name indeed, of more than 28 characters", 0)]), 12.0)
    assert "…" in stream.getvalue()
    assert "28 characters" in stream.getvalue()
    assert "one" not in stream.getvalue()
    bars.say("a message")
    assert "a message\n" in stream.getvalue()
    bars.close()


# --- the list of what failed


DONE = Result(
    url=URL,
    path="d/file",
    status=Status.DONE,
    bytes=15,
    received=10,
    http_status=206,
    attempts=2,
    elapsed=1.23456789,
    final_url="https://other.example/",
    etag='"e"',
)
FAILED = Result(
    url=URL,
    path="",
    status=Status.FAILED,
    received=3,
    http_status=404,
    attempts=1,
    error=HTTPStatusError(404, URL),
    download=Download("https://u:secret@example.org/file", out="x", headers=(("A", "b"),)),
)
SKIPPED = Result(URL, "file", Status.SKIPPED, reason="exists", attempts=1)


@pytest.mark.parametrize("there_before", [True, False])
def test_the_failed_list_is_readable_by_its_owner_only(tmp_path: Path, there_before: bool) -> None:
    path = tmp_path / "failed.txt"
    if there_before:
        path.write_text("old")
        path.chmod(0o644)
    with FailedList(str(path)):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b""


def test_the_failed_list_has_the_failed_entries_as_they_were_listed(tmp_path: Path) -> None:
    path = tmp_path / "failed.txt"
    with FailedList(str(path)) as sink:
        for result in (DONE, FAILED, SKIPPED, Result(URL, "", Status.FAILED, error=NetworkError("reset"))):
            sink.add(result)
    assert FAILED.download is not None
    assert path.read_text() == format_download(FAILED.download)


# --- the Report of a run


def a_report(**values: Any) -> Report:
    """A Report of one Result of each kind."""
    report = Report(strategy="serial", **values)
    for result in (DONE, FAILED, SKIPPED):
        report.add(result)
    return report


def test_a_report_counts() -> None:
    report = a_report()
    assert (report.done, report.skipped, report.failures) == (1, 1, 1)
    assert (report.bytes, report.received) == (15, 13)
    assert report.results == [DONE, FAILED, SKIPPED]
    assert report.failed == [FAILED]
    assert report.reasons == Counter({"skipped: exists": 1, "HTTPStatusError: HTTP 404 Not Found": 1})
    assert report.exit_code == 8
    assert Report().exit_code == 0


def test_a_report_shows_itself_in_one_short_line() -> None:
    report = a_report(elapsed=2.3)
    assert repr(report) == "<Report: 1 done, 1 skipped, 1 failed, 13 B in 2.30 s>"
    report.received, report.interrupted = 45_000_000, True
    assert str(report) == "<Report: 1 done, 1 skipped, 1 failed, 45.0 MB in 2.30 s, not complete>"


def test_a_report_that_keeps_nothing_still_counts() -> None:
    report = a_report(keep=False, keep_failed=0)
    assert (report.results, report.failed, report.failures, report.exit_code) == ([], [], 1, 8)


def test_a_report_keeps_the_first_failures() -> None:
    report = Report(keep_failed=2)
    results = [Result(f"{URL}/{number}", "", Status.FAILED, error=NetworkError("reset")) for number in range(5)]
    for result in results:
        report.add(result)
    assert (report.failed, report.failures) == (results[:2], 5)


def test_what_differs_from_file_to_file_does_not_make_another_reason() -> None:
    report = Report()
    for number in range(3):
        report.add(Result(URL, "", Status.FAILED, error=NetworkError(f"truncated: {number} of 10 bytes", kind="truncated")))
    assert report.reasons == Counter({"NetworkError: truncated": 3})


def test_reasons_are_counted_whole() -> None:
    report = Report()
    for error in (TLSError("TLS: wrong version number"), NetworkError("through the proxy: connection refused")):
        report.add(Result(URL, "", Status.FAILED, error=error))
    assert set(report.reasons) == {
        "TLSError: TLS: wrong version number",
        "NetworkError: through the proxy: connection refused",
    }


def test_number_of_different_reasons_is_bounded() -> None:
    report = Report()
    for number in range(1000):
        report.add(Result(URL, "", Status.FAILED, error=NetworkError(f"error {number}")))
    assert len(report.reasons) <= 51
    assert report.reasons.total() == 1000


def test_a_report_raises_what_failed() -> None:
    Report().raise_for_errors()
    with pytest.raises(HTTPStatusError):
        a_report().raise_for_errors()
    report = a_report()
    report.add(Result(URL, "", Status.FAILED, error=IntegrityError("wrong")))
    with pytest.raises(ExceptionGroup, match="2 downloads failed") as caught:
        report.raise_for_errors()
    assert [type(error) for error in caught.value.exceptions] == [HTTPStatusError, IntegrityError]


def test_results_and_downloads_pickle() -> None:
    download = Download(URL, mirrors=("https://m.example/",), checksums=(Checksum("md5", "0" * 32),), size=5, priority=1)
    for value in (DONE, SKIPPED, download):
        assert pickle.loads(pickle.dumps(value)) == value
    again = pickle.loads(pickle.dumps(FAILED))
    assert (again.download, str(again.error)) == (FAILED.download, str(FAILED.error))


# --- the summary


def test_the_summary_says_what_became_of_the_run() -> None:
    report = a_report()
    report.elapsed = 0.5
    assert summary(report).splitlines() == [
        "1 done, 1 skipped, 1 failed",
        "13 B in 0.50 s: 26 B/s, 2 files/s · strategy serial",
        "  1 HTTPStatusError: HTTP 404 Not Found",
        "  1 skipped: exists",
        f"  ✗ {URL}: HTTP 404 Not Found",
    ]


def test_the_summary_counts_what_is_doubtful() -> None:
    report = Report(strategy="serial", without_checksum=12)
    for number in range(5):
        report.add(Result(URL, f"{number}.zip", Status.DONE, 1, warning="the server sent text/html"))
    lines = summary(report, unprocessed="7 never processed").splitlines()
    assert lines[2:] == [
        "  12 without a checksum",
        "  7 never processed",
        "  5 look like web pages, unlike their names: 0.zip, 1.zip, 2.zip, …",
    ]


def test_the_summary_of_nothing_divides_by_nothing() -> None:
    assert summary(Report(strategy="async")).splitlines() == [
        "0 done, 0 skipped, 0 failed",
        "nothing was fetched, in 0.00 s · strategy async",
    ]


def test_the_summary_names_a_few_failures_and_counts_the_rest() -> None:
    report = Report(strategy="async", keep_failed=3, interrupted=True)
    for number in range(7):
        error = NetworkError("reset", f"{URL}/{number}") if number % 2 else StorageError("disk full", f"{URL}/{number}")
        report.add(Result(URL, "", Status.FAILED, error=error))
    lines = summary(report, max_failures=2).splitlines()
    assert lines[2:] == [
        "  4 StorageError: disk full",
        "  3 NetworkError: reset",
        f"  ✗ {URL}/0: disk full",
        f"  ✗ {URL}/1: reset",
        "  … and 5 more; --failed FILE lists them all",
        "interrupted: run the same command again to resume",
    ]


@given(NAMES)
def test_no_url_reaches_a_terminal_through_the_summary_as_it_is(text: str) -> None:
    report = Report(strategy="serial")
    report.add(Result(URL + text, "", Status.FAILED))
    report.errors.append(UsageError(f"no line of {text} belongs to a file of the list"))
    for said in (summary(report), error_summary(report)):
        assert all(line.isprintable() for line in said.split("\n"))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (12_345_678, "12.3 MB"),
        (1e9, "1.0 GB"),
        (2.5e12, "2.5 TB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_sizes_for_people(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (59.99, "59.99 s"),
        (60, "1:00 min"),
        (61.6, "1:02 min"),
        (3599.4, "59:59 min"),
        (3599.6, "1:00:00"),
        (7325, "2:02:05"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
