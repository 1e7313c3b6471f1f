"""`--find-checksums`: which requests are made for the checksums of a list, and what is found by them. No network."""

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum, Pieces
from downloader.core.limits.slots import Slots
from downloader.core.model import Attempt, Download, End, Outcome, Result, Returned, Status
from downloader.core.names.checksum_list import ChecksumList
from downloader.core.scheduling.checksum_gate import KINDS, MAX_FOLDER_BYTES, MAX_MISSES, MAX_MISSES_OF_SITE, ChecksumGate
from downloader.core.scheduling.gated_scheduler import GatedScheduler
from downloader.core.scheduling.retry import RetryPolicy
from downloader.core.scheduling.robots_gate import RobotsGate
from downloader.errors import AuthError, DownloadError, HTTPStatusError, NetworkError, NoAnswer, ProtocolError
from tests.support.scheduling import take_all

SITE = "https://a.example"
HTML = b"<!DOCTYPE html><html>not found</html>"


def sha256(text: str) -> str:
    """A SHA-256 digest."""
    return hashlib.sha256(text.encode()).hexdigest()


def line(name: str) -> str:
    """A line of SHA256SUMS. The digest is that of the name."""
    return f"{sha256(name)}  {name}\n"


class Simulation:
    """Runs a list against a server that is a mapping from paths to bodies, or to errors; 404 for all others."""

    def __init__(
        self,
        downloads: list[Download],
        files: Mapping[str, bytes | DownloadError],
        *,
        required: bool = False,
        jobs: int = 4,
        robots: bool = False,
        retries: int = 2,
    ) -> None:
        self.counted = ChecksumList(None, required=required, searched=True)
        self.lookups: list[str] = []
        self.fetched: dict[str, tuple[Checksum, ...]] = {}
        gates = [*([RobotsGate("downloader")] if robots else []), ChecksumGate(self.counted)]
        self.run = GatedScheduler(
            gates,
            iter(downloads),
            Slots(jobs, jobs),
            RetryPolicy(retries, wait=0.0),
            checksum_list=self.counted,
            gap=0.0 if robots else None,
        )
        self.results: list[Result] = []
        self.now = 0.0
        running: list[Attempt] = []
        while not self.run.finished:
            self.now += 1.0
            while batch := self.run.take(self.now, 2):
                running += batch
            if not running:
                assert self.run.wake_at is not None, "nothing runs, and nothing has ended"
                self.now = self.run.wake_at
                continue
            self.run.settle(self.answer(running.pop(0), files), self.now, 0.5)
            self.results += self.run.results()
        assert self.run.waiting == 0

    def answer(self, attempt: Attempt, files: Mapping[str, bytes | DownloadError]) -> Outcome:
        """How an Attempt ends."""
        if not attempt.keep_body:
            self.fetched[attempt.path] = attempt.checksums
            return Outcome(attempt.key, End.COMPLETE, path=attempt.path, status=200, head_latency=0.1)
        path = attempt.url.removeprefix(SITE)
        self.lookups.append(path)
        found = files.get(path, HTTPStatusError(404))
        if isinstance(found, DownloadError):
            return Outcome(attempt.key, End.FAILED, error=found, head_latency=0.1, status=getattr(found, "status", 0))
        return Outcome(
            attempt.key, End.NAME_LEARNED, status=200, head_latency=0.1, returned=Returned(found[: attempt.keep_body])
        )


def listed(*paths: str) -> list[Download]:
    """A list of these paths at the server."""
    return [Download(f"{SITE}{path}") for path in paths]


MANY = [f"/d/{number}.bin" for number in range(40)]


def test_one_request_finds_the_checksums_of_a_whole_folder() -> None:
    sums = "".join(line(f"{number}.bin") for number in range(40)).encode()
    run = Simulation(listed(*MANY), {"/d/SHA256SUMS": sums})
    assert run.lookups == ["/d/SHA256SUMS"]
    assert run.fetched == {f"{number}.bin": (Checksum("sha256", sha256(f"{number}.bin")),) for number in range(40)}
    assert run.counted.without == 0


def test_lines_that_contradict_each_other_do_not_count() -> None:
    other = f"{sha256('other')}  0.bin\n"
    sums = "".join([line("0.bin"), other, line("1.bin"), line("1.bin"), line("2.bin"), other]).encode()
    run = Simulation(listed("/d/0.bin", "/d/1.bin", "/d/2.bin"), {"/d/SHA256SUMS": sums})
    assert run.fetched == {"0.bin": (), **{name: (Checksum("sha256", sha256(name)),) for name in ("1.bin", "2.bin")}}
    assert (run.counted.without, run.counted.ambiguous) == (1, 1)
    beside = Simulation(listed("/d/0.bin"), {"/d/SHA256SUMS": sums, "/d/0.bin.sha256": line("0.bin").encode()})
    assert beside.fetched == {"0.bin": (Checksum("sha256", sha256("0.bin")),)}
    assert (beside.counted.without, beside.counted.ambiguous) == (0, 0)
    required = Simulation(listed("/d/0.bin"), {"/d/SHA256SUMS": sums}, required=True)
    assert required.fetched == {}


def test_a_checksum_beside_each_file_costs_one_request_for_each() -> None:
    files = {f"{path}.sha256": sha256(path).encode() for path in MANY}
    run = Simulation(listed(*MANY), files)
    assert sorted(run.lookups) == sorted(["/d/SHA256SUMS", *files])
    assert all(len(checksums) == 1 for checksums in run.fetched.values())
    assert run.counted.without == 0


def test_a_folder_without_checksums_costs_few_requests_however_many_files_it_has() -> None:
    run = Simulation(listed(*MANY), {})
    of_the_folder = [kind for kind in KINDS if not kind.startswith("*")]
    assert len(run.lookups) == len(of_the_folder) + MAX_MISSES * (len(KINDS) - len(of_the_folder))
    assert len(set(run.lookups)) == len(run.lookups)
    assert len(run.fetched) == 40
    assert run.counted.without == 40


def test_a_server_without_checksums_is_not_asked_in_each_folder() -> None:
    run = Simulation(listed(*(f"/{number}/x.bin" for number in range(100))), {}, jobs=1)
    assert len(run.lookups) <= (MAX_MISSES_OF_SITE + 1) * len(KINDS)
    assert run.counted.without == 100


def test_a_kind_that_was_found_at_a_server_is_asked_for_in_each_folder() -> None:
    files = {f"/{number}/x.bin.md5": b"0" * 32 for number in range(50, 100)} | {"/1/x.bin.md5": b"1" * 32}
    run = Simulation(listed(*(f"/{number}/x.bin" for number in range(100))), files, jobs=1)
    assert run.counted.without == 49
    assert sum(path.endswith(".md5") for path in run.lookups) == 100


def test_a_stronger_kind_is_taken_before_a_weaker_one() -> None:
    files = {"/d/MD5SUMS": b"0" * 32 + b"  0.bin", "/d/0.bin.sha512": b"1" * 128 + b"  0.bin"}
    run = Simulation(listed("/d/0.bin"), files)
    assert run.fetched["0.bin"] == (Checksum("sha512", "1" * 128),)


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        b"",
        b"gone",
        b"0" * 64 + b"  another.bin",
        HTTPStatusError(500),
        AuthError(403),
        ProtocolError("malformed"),
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_checksum_does_not_stop_the_file(answer: bytes | DownloadError) -> None:
    run = Simulation(listed("/d/0.bin"), {"/d/0.bin.sha256": answer, "/d/SHA256SUMS": answer})
    assert [result.status for result in run.results] == [Status.DONE]
    assert run.fetched == {"0.bin": ()}
    assert (run.counted.without, len(run.lookups)) == (1, len(KINDS))


def test_a_failed_connection_is_tried_once_more_and_not_longer() -> None:
    run = Simulation(listed("/d/0.bin"), {"/d/SHA256SUMS": NetworkError("reset")}, retries=9)
    assert run.lookups == ["/d/SHA256SUMS"] * 2
    assert run.fetched == {"0.bin": ()}


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (NoAnswer("no answer"), 1),
        (NetworkError("stalled"), 2),
        (HTTPStatusError(503), 2),
        (HTTPStatusError(429, retry_after=2.0), 2),
        (HTTPStatusError(429, retry_after=100.0), 1),
    ],
)
def test_a_server_that_cannot_answer_is_not_asked_for_more(error: DownloadError, tries: int) -> None:
    run = Simulation(listed("/d/0.bin", "/d/1.bin"), {"/d/SHA256SUMS": error}, jobs=1)
    assert run.lookups == ["/d/SHA256SUMS"] * tries
    assert len(run.fetched) == run.counted.without == 2


@pytest.mark.parametrize("text", ["{}", "{}\n", "{}  -\n", "{} *0.bin", "SHA256 (/build/0.bin) = {}", "sha256:{}", "\ufeff{}"])
def test_a_checksum_of_one_file_is_read_in_each_form(text: str) -> None:
    digest = sha256("x")
    run = Simulation(listed("/d/0.bin"), {"/d/0.bin.sha256": text.format(digest).encode()})
    assert run.fetched == {"0.bin": (Checksum("sha256", digest),)}


def test_a_file_that_the_list_of_the_folder_lacks_is_looked_for_beside_it() -> None:
    files = {"/d/SHA256SUMS": line("0.bin").encode(), "/d/1.bin.sha256": sha256("y").encode()}
    run = Simulation(listed("/d/0.bin", "/d/1.bin"), files)
    assert [len(run.fetched[name]) for name in ("0.bin", "1.bin")] == [1, 1]


def test_nothing_is_looked_for_where_a_checksum_is_known() -> None:
    known = (Checksum("md5", "0" * 32),)
    pieces = Pieces("md5", 10, ("0" * 32,))
    run = Simulation([Download(f"{SITE}/d/0.bin", checksums=known), Download(f"{SITE}/d/1.bin", pieces=pieces)], {})
    assert run.lookups == []
    assert run.fetched == {"0.bin": known, "1.bin": ()}
    assert run.counted.without == 0


@pytest.mark.parametrize("path", ["/d/SHA256SUMS", "/d/x.bin.sha256", "/d/x.tar.asc", "/d/", "/"])
def test_nothing_is_looked_for_beside_a_checksum_or_a_page(path: str) -> None:
    run = Simulation(listed(path), {})
    assert run.lookups == []
    assert run.counted.without == 1


def test_the_query_of_a_url_is_not_sent_with_the_request_for_a_checksum() -> None:
    run = Simulation(
        [Download(f"{SITE}/d/a%20b.bin?token=secret", headers=(("X", "1"),))], {"/d/SHA256SUMS": line("a b.bin").encode()}
    )
    assert run.lookups == ["/d/SHA256SUMS"]
    assert list(run.fetched.values()) == [(Checksum("sha256", sha256("a b.bin")),)]


def test_a_file_without_a_checksum_is_refused_where_one_is_required() -> None:
    run = Simulation(listed("/d/0.bin", "/d/1.bin"), {"/d/SHA256SUMS": line("0.bin").encode()}, required=True)
    assert list(run.fetched) == ["0.bin"]
    assert [str(result.error) for result in run.results if result.status is Status.FAILED] == [
        "no checksum is known for this file (see --require-checksums)"
    ]


def test_robots_txt_is_obeyed_for_checksums_too() -> None:
    files = {"/robots.txt": b"User-agent: *\nDisallow: /d/SHA\nDisallow: /d/*.md5", "/d/SHA256SUMS": line("0.bin").encode()}
    run = Simulation(listed("/d/0.bin"), files, robots=True)
    assert run.lookups == ["/robots.txt", "/d/0.bin.sha256", "/d/0.bin.sha512", "/d/sha256sum.txt", "/d/MD5SUMS"]
    assert run.fetched == {"0.bin": ()}


def test_an_answer_that_is_too_long_loses_its_last_line_only() -> None:
    filler = (b"#" * 1023 + b"\n") * (MAX_FOLDER_BYTES // 1024)
    cut = (
        line("0.bin").encode()
        + filler[: MAX_FOLDER_BYTES - 80 - 70]
        + b"\n"
        + sha256("x").encode()
        + b"  1.bin.but-this-is-cut"
        + filler
    )
    run = Simulation(listed("/d/0.bin", "/d/1.bin"), {"/d/SHA256SUMS": cut})
    assert len(run.fetched["0.bin"]) == 1
    assert run.fetched["1.bin"] == ()


@given(
    st.sets(st.sampled_from([f"/{folder}/{name}.bin" for folder in "ab" for name in range(8)]), min_size=1),
    st.sets(st.sampled_from([(folder, kind) for folder in "ab" for kind in KINDS])),
    st.integers(1, 8),
)
def test_whatever_a_server_has_each_url_is_asked_once_and_each_file_fetched(
    paths: set[str], present: set[tuple[str, str]], jobs: int
) -> None:
    files: dict[str, bytes | DownloadError] = {}
    for folder, kind in present:
        digits = 32 if "md5" in kind.lower() else 128 if "512" in kind else 64
        for path in paths:
            if path.startswith(f"/{folder}/"):
                name = path.rpartition("/")[2]
                at = path + kind[1:] if kind.startswith("*") else f"/{folder}/{kind}"
                before = files.get(at, b"")
                assert isinstance(before, bytes)
                files[at] = before + b"0" * digits + f"  {name}\n".encode()
    run = Simulation(listed(*sorted(paths)), files, jobs=jobs)
    assert len(run.fetched) == len(paths) == len(run.results)
    assert len(set(run.lookups)) == len(run.lookups)
    folders = {folder for folder, _ in present}
    assert run.counted.without == sum(path[1] not in folders for path in paths)


def test_a_stopped_run_ends_with_downloads_that_waited_for_a_checksum() -> None:
    counted = ChecksumList(None, searched=True)
    run = GatedScheduler([ChecksumGate(counted)], iter(listed(*MANY)), Slots(4, 4), RetryPolicy(), checksum_list=counted)
    (asked,) = take_all(run)
    assert asked.keep_body
    assert run.waiting == len(MANY)
    run.stop()
    run.settle(Outcome(asked.key, End.NAME_LEARNED, returned=Returned(b"")), 1.0, 0.0)
    assert run.finished
    assert not run.complete
    assert run.results() == []


def test_a_mirror_of_a_host_that_is_given_up_is_asked_for_its_checksums() -> None:
    counted = ChecksumList(None, searched=True)
    download = Download(f"{SITE}/d/0.bin", mirrors=("https://b.example/e/0.bin",))
    run = GatedScheduler(
        [ChecksumGate(counted)], iter([download]), Slots(4, 4), RetryPolicy(), checksum_list=counted, host_failures=1
    )
    (asked,) = take_all(run)
    run.settle(Outcome(asked.key, End.FAILED, error=NoAnswer("no answer")), 1.0, 0.0)
    urls = []
    while (attempts := take_all(run)) and attempts[0].keep_body:
        urls.append(attempts[0].url)
        run.settle(Outcome(attempts[0].key, End.FAILED, error=HTTPStatusError(404), status=404, head_latency=0.1), 2.0, 0.0)
    assert attempts[0].url == "https://b.example/e/0.bin"
    assert all(url.startswith("https://b.example/e/") for url in urls)
