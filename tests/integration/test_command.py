"""`dl` as a user types it, in a process of its own: what it says, what it writes, how it ends."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from downloader.settings.fields import example
from downloader.testserver import content
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.files import files_below, names_in
from tests.support.ports import free_port
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply
from tests.support.strategies import quick_for_each_transport


@quick_for_each_transport
def test_list_is_fetched_and_summed_up(dl: Shell, server: TestServer, strategy: str) -> None:
    dl.list("# comment", "", *(server.file(number, 1000) for number in range(20)), f"{server.url}/missing")
    done = dl("urls.txt", "-s", strategy, "-d", "out")
    assert done.returncode == 8
    assert done.stdout == ""
    assert "20 done, 0 skipped, 1 failed" in done.stderr
    assert f"strategy {strategy}" in done.stderr
    assert "1 HTTPStatusError: HTTP 404 Not Found" in done.stderr
    assert f"{server.url}/missing: HTTP 404 Not Found" in done.stderr
    assert len(names_in(dl.folder / "out")) == 20
    again = dl("urls.txt", "-s", strategy, "-d", "out")
    assert "0 done, 20 skipped, 1 failed" in again.stderr


def test_url_itself_standard_input_and_several_lists(dl: Shell, server: TestServer) -> None:
    dl.list(server.file(1, 10))
    done = dl("urls.txt", "-", server.file(3, 10), "-d", "out", stdin=f"{server.file(2, 10)}\n")
    assert done.returncode == 0, done.stderr
    assert names_in(dl.folder / "out") == ["1.bin", "2.bin", "3.bin"]


def test_report_has_one_line_for_each_url(dl: Shell, server: TestServer) -> None:
    dl.list(server.file(1, 10), f"{server.url}/missing", server.file(1, 10))
    dl("urls.txt", "-d", "out", "--report", "report.jsonl", "--failed", "failed.txt", "-q")
    lines = [json.loads(line) for line in (dl.folder / "report.jsonl").read_text().splitlines()]
    by_status = {line["status"]: line for line in lines}
    assert len(lines) == 3
    keys = ["url", "path", "status", "bytes", "http_status", "attempts", "elapsed", "final_url", "etag", "value"]
    keys += ["processed", "function", "warning", "error"]
    assert set(keys) <= set(lines[0])
    assert all(list(line) == list(lines[0]) for line in lines)
    assert by_status["done"]["path"] == "1.bin"
    assert by_status["done"]["error"] == {"class": "", "message": ""}
    assert by_status["failed"]["error"]["class"] == "HTTPStatusError"
    assert "HTTP 404 Not Found" in by_status["failed"]["error"]["message"]
    assert (dl.folder / "failed.txt").read_text() == f"{server.url}/missing\n"


def test_failed_list_can_be_fed_back(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(*[reply("404 Not Found")] * 3, reply("200 OK", b"now"))
    dl.list(f"{server.url}/a/same", "  out=x/y", f"{server.url}/b/same", f"{server.url}/c/same")
    first = dl("urls.txt", "-d", "out", "--failed", "failed.txt", "--jobs", "1")
    assert "3 failed" in first.stderr
    again = dl("failed.txt", "-d", "out", "--jobs", "1")
    assert again.returncode == 0, again.stderr
    names = files_below(dl.folder / "out")
    assert len(names) == 3
    assert "x/y" in names
    assert "same" in names
    assert (dl.folder / "failed.txt").stat().st_mode & 0o777 == 0o600


def test_bad_lines_are_told_before_anything_starts(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    dl.list(f"{server.url}/good", "not a url", "ftp://127.0.0.1/x", "  out=../../etc/passwd", "http://")
    done = dl("urls.txt", "-d", "out")
    assert done.returncode == 2
    assert server.requests == []
    for number in (2, 3, 5):
        assert f"urls.txt:{number}: " in done.stderr
    passed = dl("urls.txt", "-d", "out", "--skip-bad-lines")
    assert passed.returncode == 0
    assert names_in(dl.folder / "out") == ["good"]


def test_bad_line_on_standard_input_ends_the_reading(dl: Shell, server: TestServer) -> None:
    done = dl("-", "-d", "out", stdin=f"{server.file(1, 10)}\nnonsense\n{server.file(2, 10)}\n")
    assert done.returncode == 2
    assert "-:2: not a URL" in done.stderr
    passed = dl("-", "-d", "out", "--skip-bad-lines", stdin=f"{server.file(1, 10)}\nnonsense\n{server.file(2, 10)}\n")
    assert passed.returncode == 0
    assert names_in(dl.folder / "out") == ["1.bin", "2.bin"]


@pytest.mark.parametrize("text", ["", "# only a comment\n\n"])
def test_empty_list_is_no_error(dl: Shell, text: str) -> None:
    (dl.folder / "urls.txt").write_text(text)
    for words in (["urls.txt"], ["-"]):
        done = dl(*words, stdin=text)
        assert (done.returncode, done.stdout) == (0, "")
        assert "the list is empty" in done.stderr


def test_mistakes_are_told_with_what_was_meant(dl: Shell) -> None:
    dl.list("http://127.0.0.1/x")
    cases = {
        ("url.txt",): "did you mean urls.txt?",
        ("urls.txt", "--strategy", "asynk"): "did you mean async?",
        ("urls.txt", "--job", "3"): "--jobs",
        ("urls.txt", "--jobs", "-1"): "must be at least 1",
        ("urls.txt", "--on-exists", "burn"): "refresh",
        ("urls.txt", "--proxy", "gopher://user:hunter2@x"): "--proxy",
        ("urls.txt", "-H", "Authorization Bearer hunter2"): "Name: value",
        ("urls.txt", "--cacert", "nowhere.pem"): "nowhere.pem",
        ("urls.txt", "--netrc-file", "nowhere"): "nowhere",
        ("urls.txt", "--cookies", "nowhere"): "nowhere",
        ("urls.txt", "--checksums", "nowhere"): "nowhere",
        ("urls.txt", "--config", "nowhere.toml"): "nowhere.toml",
        (".",): "cannot read the list",
        (): "LIST",
    }
    for words, hint in cases.items():
        done = dl(*words)
        assert done.returncode == 2, words
        assert hint in done.stderr, words
        assert "hunter2" not in done.stderr
        assert "Traceback" not in done.stderr


def test_settings_come_from_flags_over_environment_over_file(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    (dl.folder / "mine.toml").write_text('user-agent = "file"\ndir = "from-file"\nretries = 0\n')
    agents = []
    for variables, flags in (
        ({}, []),
        ({"DL_USER_AGENT": "environment"}, []),
        ({"DL_USER_AGENT": "e"}, ["--user-agent", "flag"]),
    ):
        dl(f"{server.url}/{len(agents)}", "--config", "mine.toml", *flags, **variables)
        agents.append(server.requests[-1].headers["user-agent"])
    assert agents == ["file", "environment", "flag"]
    assert names_in(dl.folder / "from-file") == ["0", "1", "2"]
    (dl.folder / "downloader.toml").write_text("retrys = 0\n")
    wrong = dl(f"{server.url}/x")
    assert wrong.returncode == 2
    assert "did you mean retries?" in wrong.stderr


def test_dry_run_fetches_nothing(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    (dl.folder / "there").write_text("x")
    dl.list(f"{server.url}/a", f"{server.url}/there", f"{server.url}/b/a", f"{server.url}/a", f"{server.url}/c", "  dir=sub")
    done = dl("urls.txt", "--dry-run")
    fates = sorted(line.split("\t")[0] for line in done.stdout.splitlines())
    assert fates == ["fetch", "fetch", "fetch", "skip (duplicate)", "skip (exists)"]
    assert "\tsub/c" in done.stdout
    assert server.requests == []
    assert not (dl.folder / "sub").exists()
    assert dl("urls.txt", "--dry-run", "-d", "nowhere").returncode == 0
    assert not (dl.folder / "nowhere").exists()


def test_progress_for_programs(dl: Shell, server: TestServer) -> None:
    done = dl(server.file(1, 3_000_000, rate=2_000_000), "-d", "out", "--progress", "json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [event["event"] for event in events][-1] == "summary"
    assert events[0]["event"] == "progress"
    assert events[-1]["done"] == 1
    assert events[-1]["bytes"] == 3_000_000


def test_cluster_that_the_strategy_does_not_use_is_mentioned(dl: Shell, server: TestServer) -> None:
    done = dl(server.file(1, 10), "-d", "out", "--cluster", "tcp://127.0.0.1:1")
    assert done.returncode == 0
    assert "--cluster is not used" in done.stderr
    assert "--cluster" not in dl(server.file(1, 10), "-d", "out").stderr


def test_quiet_says_nothing_but_errors(dl: Shell, server: TestServer) -> None:
    assert dl(server.file(1, 10), "-q").stderr == ""
    done = dl(f"{server.url}/missing", "-q")
    assert done.stderr == f"  ✗ {server.url}/missing: HTTP 404 Not Found\n0 done, 0 skipped, 1 failed\n"


def test_names_from_the_network_reach_the_terminal_escaped(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("404 Not \x1b[31mFound"))
    done = dl(f"{server.url}/%1b%5b31mred%e2%80%ae.txt", "-v", "--dry-run")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout + done.stderr
    done = dl(f"{server.url}/%1b%5b31mred%e2%80%ae.txt", "-v", "--retries", "0")
    assert "\x1b" not in done.stdout + done.stderr


@quick_for_each_transport
def test_credentials_appear_nowhere(dl: Shell, scripted: MakeServer, strategy: str) -> None:
    server = scripted(reply("302 Found", Location="http://other:hunter2@127.0.0.1:9/x?token=hunter2"), reply("503 Later"))
    url = f"http://user:hunter2@127.0.0.1:{server.port}/a?X-Amz-Signature=hunter2"
    flags = ["-v", "--log-file", "log.txt", "--report", "report.jsonl", "--retries", "1", "--retry-wait", "0", "-s", strategy]
    secret = ["-H", "Authorization: Bearer hunter2", "--progress", "json"]
    done = dl(url, f"http://user:hunter2@127.0.0.1:{server.port}/b/hunter3", *flags, *secret)
    assert done.returncode not in (0, 2)
    said = done.stdout + done.stderr + (dl.folder / "log.txt").read_text() + (dl.folder / "report.jsonl").read_text()
    assert "hunter2" not in said
    assert "hunter3" in said
    bad = dl.list(f"http://user:hunter2@127.0.0.1:{server.port}:x/", "https//user:hunter2@host/a", "http://u:hunter2/x@h/")
    assert "hunter2" not in dl(bad).stderr


@pytest.mark.parametrize(
    ("path", "code"),
    [("refused", 4), ("plain", 5), ("status/401", 6), ("loop", 7), ("status/404", 8), ("sum", 9), ("ftp", 10), ("folder", 3)],
)
def test_exit_code_names_the_class_of_failure(dl: Shell, scripted: MakeServer, path: str, code: int) -> None:
    kind, _, status = path.partition("/")
    answers = {
        "status": reply(f"{status} No"),
        "loop": reply("302 Found", Location="/loop"),
        "ftp": reply("302 Found", Location="ftp://127.0.0.1/x"),
    }
    server = scripted(answers.get(kind, reply("200 OK", b"x")), answers_at_once=kind == "plain")
    url = f"{server.url}/{path}"
    if kind == "refused":
        url = f"http://127.0.0.1:{free_port()}/x"
    if kind == "plain":
        url = url.replace("http:", "https:")
    dl.list(url, *([f"  checksum=sha-256={'0' * 64}"] if kind == "sum" else []))
    (dl.folder / "folder").mkdir()
    done = dl("urls.txt", "--retries", "0")
    assert done.returncode == code, done.stderr
    assert url.partition("?")[0] in done.stderr
    dl.list(url, *([f"  checksum=sha-256={'0' * 64}"] if kind == "sum" else []), f"{server.url}/{'x' * 10}/folder")
    if kind not in ("folder", "plain", "loop", "ftp", "status"):
        assert dl("urls.txt", "--retries", "0").returncode == 1  # of several classes


@quick_for_each_transport
def test_full_disk_is_told_and_what_is_there_is_kept(dl: Shell, server: TestServer, strategy: str) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    if strategy == "dask":
        pytest.skip("the limit is one of this process, and the workers of the cluster have their own")
    dl.list(server.file(1, 5_000_000), server.file(2, 1000))
    done = dl("urls.txt", "-d", "out", "-s", strategy, before=small_files)
    assert done.returncode == 3, done.stderr
    assert "file too large: cannot write 1.bin" in done.stderr
    assert names_in(dl.folder / "out") == ["1.bin.part", "1.bin.part.meta", "2.bin"]
    assert dl("urls.txt", "-d", "out", "-s", strategy).returncode == 0
    assert (dl.folder / "out" / "1.bin").read_bytes() == content.body(1, 0, 5_000_000)


def test_folder_that_cannot_be_made_is_a_storage_error(dl: Shell, server: TestServer) -> None:
    (dl.folder / "file").write_text("x")
    for folder in ("file", "file/below", "/proc/nowhere"):
        done = dl(server.file(1, 10), "-d", folder)
        assert done.returncode == 3, folder
        assert "Traceback" not in done.stderr


@quick_for_each_transport
def test_full_report_is_a_storage_error(dl: Shell, server: TestServer, strategy: str) -> None:
    dl.list(*(server.file(number, 10) for number in range(300)))
    done = dl("urls.txt", "-d", "out", "-s", strategy, "--report", "/dev/full")
    assert done.returncode == 3, done.stderr
    assert "cannot write /dev/full" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_limit_of_open_files_lowers_jobs(dl: Shell, server: TestServer, strategy: str) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))

    if strategy == "processes":
        pytest.skip("5000 processes are what they sound like; the arithmetic is the same")
    if strategy == "dask":
        pytest.skip("the files are open in the workers of the cluster")
    dl.list(*(server.file(number, 10) for number in range(2000)))
    done = dl("urls.txt", "-d", "out", "-s", strategy, "--jobs", "5000", "--per-host", "5000", before=few_files)
    assert done.returncode == 0, done.stderr
    assert "--jobs 5000 lowered to" in done.stderr
    assert len(names_in(dl.folder / "out")) == 2000


def test_strategies_and_version_and_help(dl: Shell) -> None:
    listed = dl("strategies")
    assert listed.returncode == 0
    for name in ("serial", "threads", "processes", "async"):
        assert f"\n{name} " in f"\n{listed.stdout}"
    assert dl("--version").stdout.startswith("dl ")
    shown = dl("--help", COLUMNS="80").stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    for flag in ("--strategy", "--no-mtime", "--dry-run", "--config", "--per-host", "--on-exists"):
        assert flag in shown


def test_zero_is_a_value(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("503 Later"))
    dl(f"{server.url}/a", "--retries", "0")
    assert len(server.requests) == 1


def test_closed_pipe_is_no_traceback(dl: Shell, server: TestServer) -> None:
    dl.list(*(server.file(number, 10) for number in range(5000)))
    command = f"{sys.executable} -m downloader urls.txt --dry-run | head -1"
    done = subprocess.run(["sh", "-c", command], cwd=dl.folder, capture_output=True, text=True, timeout=60)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_example_configuration_is_the_code() -> None:
    assert (Path(__file__).parents[2] / "config.example.toml").read_text() == example()


@pytest.mark.parametrize(
    "flags",
    [
        ["urls.txt", "--failed", "urls.txt"],
        ["urls.txt", "--report", "./urls.txt"],
        ["urls.txt", "--log-file", "urls.txt"],
        ["urls.txt", "--checksums", "sums", "--report", "sums"],
        ["urls.txt", "--report", "new", "--failed", "new"],
    ],
)
def test_nothing_that_is_read_is_written_over(dl: Shell, flags: list[str]) -> None:
    dl.list("http://127.0.0.1:9/x")
    dl.list(f"{'0' * 64}  x", name="sums")
    before = {path.name: path.read_bytes() for path in dl.folder.iterdir()}
    done = dl(*flags)
    assert done.returncode == 2
    assert "the same file" in done.stderr
    assert {path.name: path.read_bytes() for path in dl.folder.iterdir()} == before


@quick_for_each_transport
def test_checksum_that_is_known_holds_for_what_is_there_already(dl: Shell, server: TestServer, strategy: str) -> None:
    lines = [f"{content.sha256(number, 100)}  {number}.bin" for number in (1, 2)]
    dl.list(*lines, name="sums")
    dl.list(*(server.file(number, 100) for number in (1, 2, 3)))
    (dl.folder / "out").mkdir()
    (dl.folder / "out" / "1.bin").write_bytes(content.body(1, 0, 100))
    (dl.folder / "out" / "2.bin").write_bytes(b"not it")
    done = dl("urls.txt", "-d", "out", "--checksums", "sums", "-s", strategy)
    assert done.returncode == 0, done.stderr
    assert "2 done, 1 skipped, 0 failed" in done.stderr
    assert "2 verified by a checksum" in done.stderr
    assert (dl.folder / "out" / "2.bin").read_bytes() == content.body(2, 0, 100)


def test_fail_fast_says_what_it_did(dl: Shell, server: TestServer) -> None:
    dl.list(f"{server.url}/missing", *(server.file(number, 10) for number in range(500)))
    done = dl("urls.txt", "-d", "out", "--fail-fast", "-j", "1")
    assert done.returncode == 8
    assert "not started" in done.stderr
    assert "stopped at the first failure: run the same command again" in done.stderr


def test_wrong_url_on_the_command_line_starts_nothing(dl: Shell) -> None:
    done = dl("ftp://127.0.0.1/x")
    assert done.returncode == 2
    assert done.stderr == "dl: ftp://127.0.0.1/x: cannot fetch ftp: URLs (give an http:// or https:// URL)\n"
    dl.list("http://127.0.0.1/a # why", "http://127.0.0.1/b", "  chekcsum=sha-256=00")
    said = dl("urls.txt").stderr
    assert "urls.txt:1: a space in a URL" in said
    assert "urls.txt:3: unknown option 'chekcsum' (did you mean checksum?)" in said


def test_list_that_is_cut_while_it_is_read_is_told(dl: Shell, scripted: MakeServer) -> None:
    whole = reply("200 OK", b"body")

    def cut(connection: Connection, request: RecordedRequest) -> None:
        os.truncate(dl.folder / "urls.txt", 300 * len(line))
        connection.send(whole)

    server = scripted(cut, whole)
    line = f"{server.url}/{'x' * 60}/0000.bin\n"
    dl.list(*(f"{server.url}/{'x' * 60}/{number:04}.bin" for number in range(3000)))
    done = dl("urls.txt", "-d", "out", "-s", "serial")
    assert done.returncode == 2
    left = re.search(r"the list was changed while it was read: (\d+) of 3000 entries were left", done.stderr)
    assert left is not None
    assert 300 <= int(left[1]) < 3000  # one block of the list was in memory when the list was cut


@pytest.mark.parametrize("words", [("urls.txt", "--dry-run"), ("strategies",), ("help", "lists")])
def test_nobody_reads_any_more(dl: Shell, words: tuple[str, ...]) -> None:
    dl.list(*(f"http://127.0.0.1:1/{number}" for number in range(20_000)))
    command = '"$@" | true; exit ${PIPESTATUS[0]}'
    running = ["bash", "-c", command, "dl", sys.executable, "-m", "downloader", *words]
    done = subprocess.run(running, cwd=dl.folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, "")


def test_output_that_cannot_be_written_is_told(dl: Shell) -> None:
    dl.list("http://127.0.0.1:1/a")
    running = ["bash", "-c", '"$@" > /dev/full', "dl", sys.executable, "-m", "downloader", "urls.txt", "--dry-run"]
    done = subprocess.run(running, cwd=dl.folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (3, "dl: cannot write the output: No space left on device\n")


def test_report_that_cannot_be_written_is_told_once(dl: Shell, server: TestServer) -> None:
    dl.list(*(server.file(number, 100) for number in range(40)))
    done = dl("urls.txt", "-d", "out", "--report", "/dev/full")
    assert done.returncode == 3
    assert done.stderr.count("cannot write /dev/full") == 1
    assert "was changed" not in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_those_of_a_daemon(dl: Shell, server: TestServer, closed: str) -> None:
    dl.list(*(server.file(number, 100_000) for number in range(20)))
    running = ["bash", "-c", f'"$@" {closed}', "dl", sys.executable, "-m", "downloader", "urls.txt", "-d", "out", "-v"]
    done = subprocess.run(running, cwd=dl.folder, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for number in range(20):  # and nothing that was said is in any of them
        assert (dl.folder / "out" / f"{number}.bin").read_bytes() == content.body(number, 0, 100_000)
