"""What the test server is asked for and what it decides: lists, digests, faults, conditions. No server here."""

import hashlib
import statistics
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.testserver import content, faults, queries
from downloader.testserver.answers import MODIFIED, reply, repr_digest, wants_digest
from downloader.testserver.server_errors import WrongQuery

BASE = "http://127.0.0.1:1"


def test_content_of_the_first_seed_has_not_changed() -> None:
    """Digests that are written down somewhere stay true."""
    assert content.sha256(1, 1000) == "c7f55bd432367743756e3d12ab6bdc5a1ba05b441662d7545f3b03c6987aa775"


@given(st.integers(0, 99), st.integers(0, 3_000_000), st.integers(0, 3_000_000), st.integers(0, 3))
def test_any_piece_is_the_same_piece_of_the_whole(number: int, start: int, length: int, seed: int) -> None:
    page = content.body(number, 0, content.PERIOD, seed)
    piece = content.body(number, start, start + length, seed)
    assert len(piece) == length
    at = start % content.PERIOD
    assert piece == (page * 5)[at : at + length]


def test_seeds_have_bytes_and_tags_of_their_own() -> None:
    assert content.body(1, 0, 100) == content.body(1, 0, 100, 1) != content.body(1, 0, 100, 2)
    assert content.etag(1, 100) == content.etag(1, 100, 1) != content.etag(1, 100, 2)
    assert content.sha256(1, 100, 2) == hashlib.sha256(content.body(1, 0, 100, 2)).hexdigest()


def test_list_has_one_url_a_line_and_all_wishes_in_it() -> None:
    query = "files=2&size=10&delay=0.05&rate=1000&fail=503%2Ccut&share=0.1&seed=7"
    assert "".join(queries.url_lines(BASE, query)) == (
        f"{BASE}/file/10/0.bin?delay=0.05&rate=1000&fail=503,cut&share=0.1&seed=7\n"
        f"{BASE}/file/10/1.bin?delay=0.05&rate=1000&fail=503,cut&share=0.1&seed=7\n"
    )
    assert "".join(queries.url_lines(BASE, "files=1&size=0")) == f"{BASE}/file/0/0.bin\n"
    assert dict(queries.sums(query)) == {f"{number}.bin": content.sha256(number, 10, 7) for number in (0, 1)}


def test_wishes_are_read_back_from_the_url_as_they_were_written() -> None:
    asked = queries.FileOptions(delay=0.05, rate=1e6, fail=("503", "cut"), share=0.25, seed=3, digest=True)
    assert queries.file_options(urlsplit(queries.path(1, 2, asked)).query) == asked


def test_spread_list_is_drawn_from_its_seed_alone() -> None:
    query = "files=2000&size=65536&delay=0.01&spread=1.2"
    drawn = list(queries.entries(query))
    assert drawn == list(queries.entries(query)) == list(queries.entries(f"{query}&seed=1"))
    assert drawn != list(queries.entries(f"{query}&seed=2"))
    assert len({item.name for item in drawn}) == 2000
    assert statistics.median(item.size for item in drawn) == pytest.approx(65536, rel=0.15)
    assert statistics.median(item.delay for item in drawn) == pytest.approx(0.01, rel=0.15)
    assert len({item.size for item in drawn}) > 1900
    assert all(item.size >= 1 and 0 <= item.delay <= queries.MAX_DELAY for item in drawn)
    sizes = [item.size for item in queries.entries("files=2000&size=65536&spread=1.2")]
    assert sizes == [item.size for item in drawn]  # a delay changes no size


def test_first_draw_is_as_the_docstring_says() -> None:
    """The list of a scenario is the same on every machine and under every version of Python."""
    assert list(queries.entries("files=3&size=65536&delay=0.01&spread=1.2")) == [
        (0, 307483, 0.057),
        (1, 70966, 0.004),
        (2, 17672, 0.01),
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "files= is missing"),
        ("files=3", "size= is missing"),
        ("files=0&size=1", "files: '0' is not a whole number from 1 to 10000000"),
        ("files=1.5&size=1", "files: '1.5'"),
        ("files=1&size=-1", "size: '-1'"),
        ("files=1&size=99999999999999", "size: "),
        ("files=1&size=1&delay=61", "delay: '61' is not a number from 0 to 60"),
        ("files=1&size=1&delay=nan", "delay: 'nan'"),
        ("files=1&size=1&rate=inf", "rate: 'inf'"),
        ("files=1&size=1&share=2", "share: '2'"),
        ("files=1&size=1&spread=x", "spread: 'x'"),
        ("files=1&size=1&seed=", "seed: ''"),
        ("files=1&size=1&fail=503,oops", "fail: 'oops' is neither one of drop, cut"),
        ("files=1&size=1&fail=200", "fail: '200'"),
        ("file=1&size=1", "unknown parameter 'file'"),
    ],
)
def test_wrong_query_is_told_in_one_line(query: str, says: str) -> None:
    for ask in (queries.entries, queries.sums, lambda text: queries.url_lines(BASE, text)):
        with pytest.raises(WrongQuery) as caught:
            ask(query)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


def test_files_url_may_have_words_that_mean_nothing() -> None:
    assert queries.file_options("n=5&x=a/b") == queries.DEFAULT_OPTIONS


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "ä"])
def test_name_of_a_list_is_a_plain_word(name: str) -> None:
    with pytest.raises(WrongQuery, match="is not a name for a list"):
        queries.checked_lists({name: "files=1&size=1"})


def test_named_list_must_be_a_list() -> None:
    with pytest.raises(WrongQuery, match=r"the list a: .*size= is missing"):
        queries.checked_lists({"a": "files=1"})


def test_faults_come_in_the_same_order_after_each_reset() -> None:
    among = faults.kinds("503,cut,stall")
    counts = faults.Faults()

    def run(order: list[int]) -> dict[int, list[str]]:
        counts.reset()
        met: dict[int, list[str]] = {number: [] for number in order}
        for _ in range(8):
            for number in order:
                met[number].append(counts.next(f"/file/1/{number}.bin", number, among, 0.4, 1))
        return met

    first = run(list(range(50)))
    assert first == run(list(range(50)))
    assert first == run(list(reversed(range(50))))  # whichever is asked for first
    assert {fault for faults_met in first.values() for fault in faults_met} == {"", *among}


def test_the_share_of_faults_is_met_with_each_kind_alike() -> None:
    among = faults.kinds("503,cut")
    drawn = [faults.chosen_fault(among, 0.1, 1, number, before) for number in range(2000) for before in range(5)]
    assert 0.09 < sum(map(bool, drawn)) / len(drawn) < 0.11
    assert drawn.count("503") == pytest.approx(drawn.count("cut"), rel=0.15)
    other = [faults.chosen_fault(among, 0.1, 2, number, before) for number in range(2000) for before in range(5)]
    assert other != drawn


@given(st.integers(0, 100), st.floats(0, 1), st.integers(0, 5))
def test_no_url_fails_for_ever(number: int, share: float, seed: int) -> None:
    counts = faults.Faults()
    in_a_row = most = 0
    for _ in range(30):
        in_a_row = in_a_row + 1 if counts.next("/u", number, ("503",), share, seed) else 0
        most = max(most, in_a_row)
    assert most <= faults.MAX_CONSECUTIVE_FAULTS
    assert share < 1 or most == faults.MAX_CONSECUTIVE_FAULTS
    assert share > 0 or most == 0


def test_each_url_is_counted_by_itself() -> None:
    counts = faults.Faults()
    assert [counts.next("/a", 1, ("503",), 1, 1) for _ in range(5)] == ["503", "503", "503", "", "503"]
    assert [counts.next("/a?x", 1, ("503",), 1, 1) for _ in range(4)] == ["503", "503", "503", ""]


@pytest.mark.parametrize(
    ("request_", "status", "span", "where"),
    [
        ({}, 200, (0, 10), None),
        ({"range": "bytes=0-"}, 206, (0, 10), "bytes 0-9/10"),
        ({"range": "bytes=4-6"}, 206, (4, 7), "bytes 4-6/10"),
        ({"range": "bytes=4-99"}, 206, (4, 10), "bytes 4-9/10"),
        ({"range": "bytes=-3"}, 206, (7, 10), "bytes 7-9/10"),
        ({"range": "bytes=-99"}, 206, (0, 10), "bytes 0-9/10"),
        ({"range": "bytes=10-"}, 416, (0, 0), "bytes */10"),
        ({"range": "bytes=-0"}, 416, (0, 0), "bytes */10"),
        ({"range": "bytes=6-4"}, 200, (0, 10), None),
        ({"range": "bytes=-"}, 200, (0, 10), None),
        ({"range": "bytes=0-1,4-5"}, 200, (0, 10), None),
        ({"range": "lines=0-1"}, 200, (0, 10), None),
        ({"range": "bytes=4-", "if-range": '"1-a"'}, 206, (4, 10), "bytes 4-9/10"),
        ({"range": "bytes=4-", "if-range": MODIFIED}, 206, (4, 10), "bytes 4-9/10"),
        ({"range": "bytes=4-", "if-range": '"other"'}, 200, (0, 10), None),
        ({"if-none-match": '"1-a"'}, 304, (0, 0), None),
        ({"if-none-match": 'W/"1-a", "x"'}, 304, (0, 0), None),
        ({"if-none-match": "*"}, 304, (0, 0), None),
        ({"if-none-match": '"x"', "if-modified-since": MODIFIED}, 200, (0, 10), None),
        ({"if-modified-since": MODIFIED}, 304, (0, 0), None),
        ({"if-modified-since": "Tue, 20 Oct 2015 07:28:00 GMT"}, 200, (0, 10), None),
        ({"if-modified-since": "yesterday"}, 200, (0, 10), None),
    ],
)
def test_answer_to_ranges_and_conditions(
    request_: dict[str, str], status: int, span: tuple[int, int], where: str | None
) -> None:
    answer = reply(1, 10, 1, request_)
    fields = dict(answer.headers)
    assert (answer.status, (answer.start, answer.stop), fields.get("content-range")) == (status, span, where)
    assert fields["etag"] == '"1-a"'
    if status != 304:
        assert int(fields["content-length"]) == span[1] - span[0]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("sha-256=1", True), ("sha-512=3, sha-256=10", True), ("sha-256=0", False), ("sha-512=1", False), ("", False)],
)
def test_digest_is_asked_for_by_preference(value: str, wanted: bool) -> None:
    assert wants_digest({"want-repr-digest": value}) is wanted


def test_digest_field_is_a_byte_sequence_of_structured_fields() -> None:
    assert repr_digest("00ff") == ("repr-digest", "sha-256=:AP8=:")


def test_list_of_a_scenario_parses_as_the_wishes_of_its_files() -> None:
    for line in queries.url_lines(BASE, "files=3&size=100&spread=1&delay=0.01&fail=cut&share=0.5"):
        query = dict(parse_qsl(urlsplit(line.strip()).query))
        assert set(query) == {"delay", "fail", "share"}
