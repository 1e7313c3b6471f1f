"""What the reader of a list does with what is known of earlier runs."""

import pytest
from msgspec.structs import replace

from downloader.core.facts import Checksum, Existing, Pieces, Validator
from downloader.core.model import Attempt, Download, Result, Status
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.names.earlier_files import MISSING, NOT_WANTED, RESIZED, UNKNOWN
from downloader.core.names.exists_policy import apply_exists_policy
from downloader.core.scheduling.download_state import DownloadState
from downloader.core.scheduling.source_reader import MAX_SETTLED, SourceReader

URL = "http://h/d/a"
VERSION = Validator('W/"1"', "Wed, 21 Oct 2015 07:28:00 GMT")


class Earlier:
    """Says the same of every file, and notes what was asked."""

    def __init__(self, state: int, version: Validator | None = None) -> None:
        self.state = state
        self.version = version
        self.asked: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return 1

    def state_of(self, url: str, path: str) -> int:
        self.asked.append((url, path))
        return self.state

    def version_of(self, url: str, path: str) -> Validator | None:
        return self.version


def read(earlier: Earlier, *downloads: Download, probe: bool = False, listed: bool = False) -> list[DownloadState | Result]:
    """What the reader makes of these Downloads."""
    reader = SourceReader(iter(downloads), ChecksumList({}, "sums") if listed else None, probe)
    reader.use_earlier_files(earlier)
    entries: list[DownloadState | Result] = []
    while not reader.exhausted:
        entries += reader.read_ahead(0.0, 0, 0, 0)
    return entries


def test_a_complete_file_is_skipped_and_not_recorded_again() -> None:
    earlier = Earlier(7)
    download = Download("http://user:secret@h/d/a", origin="l:3", metadata=(("k", "v"),))
    expected = Result(URL, "a", Status.SKIPPED, 7, reason="exists", origin="l:3", metadata=(("k", "v"),), is_recorded=True)
    assert read(earlier, download) == [expected]
    assert earlier.asked == [(URL, "a")]


DIGEST = Checksum("md5", "0" * 32)
DIGESTS = [
    {"checksums": (DIGEST,)},
    {"pieces": Pieces("md5", 4, ("0" * 32, "0" * 32))},
    {"size": 8},
]


@pytest.mark.parametrize("fields", DIGESTS)
def test_a_file_that_can_be_verified_is(fields: dict[str, object]) -> None:
    (entry,) = read(Earlier(7), replace(Download(URL), **fields))
    assert isinstance(entry, DownloadState)
    assert entry.refetched == ""


def test_a_file_of_checksums_is_a_reason_to_verify() -> None:
    (entry,) = read(Earlier(7), Download(URL), listed=True)
    assert isinstance(entry, DownloadState)


@pytest.mark.parametrize(("state", "why"), [(UNKNOWN, ""), (MISSING, "missing"), (RESIZED, "resized")])
def test_a_file_that_is_not_as_it_was_is_fetched(state: int, why: str) -> None:
    (entry,) = read(Earlier(state), Download(URL))
    assert isinstance(entry, DownloadState)
    attempt = entry.start()
    assert attempt.replaces_existing is bool(why)
    assert entry.result(Status.DONE, None, "", None).reason == why
    assert apply_exists_policy(attempt, Existing(3, 0.0), "skip") == attempt if why else True


def test_only_wrong_pieces_of_a_resized_file_are_fetched() -> None:
    attempt = Attempt(1, 1, URL, URL, "a", pieces=Pieces("md5", 4, ("0" * 32,)), replaces_existing=True)
    admitted = apply_exists_policy(attempt, Existing(3, 0.0), "skip")
    assert isinstance(admitted, Attempt)
    assert admitted.verify_existing


def test_a_folder_is_not_replaced() -> None:
    attempt = Attempt(1, 1, URL, URL, "a", replaces_existing=True)
    assert not isinstance(apply_exists_policy(attempt, Existing(3, 0.0, is_folder=True), "skip"), Attempt)


@pytest.mark.parametrize("count", [0, 1, MAX_SETTLED, 3 * MAX_SETTLED + 1])
def test_entries_that_are_not_wanted_get_no_result(count: int) -> None:
    assert read(Earlier(NOT_WANTED), *(Download(f"http://h/{number}") for number in range(count))) == []


@pytest.mark.parametrize("count", [1, MAX_SETTLED, 3 * MAX_SETTLED + 1])
def test_every_complete_file_has_its_result(count: int) -> None:
    results = read(Earlier(5), *(Download(f"http://h/{number}") for number in range(count)))
    assert [result.url for result in results if isinstance(result, Result)] == [f"http://h/{number}" for number in range(count)]


def test_a_duplicate_is_a_duplicate() -> None:
    first, second = read(Earlier(5), Download(URL), Download(URL))
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert (first.reason, second.reason) == ("exists", "duplicate")


@pytest.mark.parametrize("state", [5, MISSING, RESIZED])
def test_a_path_that_the_server_will_name_says_nothing(state: int) -> None:
    (entry,) = read(Earlier(state), Download(URL), probe=True)
    assert isinstance(entry, DownloadState)
    assert entry.refetched == ""


def test_the_recorded_version_is_asked_about_at_its_own_server_only() -> None:
    (entry,) = read(Earlier(UNKNOWN, VERSION), Download(URL, mirrors=("http://mirror/a",)))
    assert isinstance(entry, DownloadState)
    first = entry.start()
    assert (first.etag, first.modified_since) == (VERSION.etag, 1445412480.0)
    assert apply_exists_policy(first, Existing(3, 99.0), "refresh") == first
    gone = apply_exists_policy(first, None, "refresh")
    assert isinstance(gone, Attempt)
    assert (gone.etag, gone.modified_since) == ("", None)
    entry.url_index = 1
    other = entry.start()
    assert (other.url, other.etag, other.modified_since) == ("http://mirror/a", "", None)


def test_complete_files_are_only_counted_where_nobody_needs_a_result() -> None:
    reader = SourceReader(iter([Download(f"http://h/{name}") for name in "abc"]), None, False)
    reader.use_earlier_files(Earlier(7))
    reader.counts_recorded = True
    entries: list[DownloadState | Result] = []
    while not reader.exhausted:
        entries += reader.read_ahead(0.0, 0, 0, 0)
    assert entries == []
    assert (reader.take_recorded(), reader.take_recorded()) == (3, 0)
