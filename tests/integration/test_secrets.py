"""A password and a token on the command line's side: where they come from, and that nothing that is written shows them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply

BASIC = "Basic bWU6czNjcmV0"  # me:s3cret
COMMAND = [sys.executable, "-m", "downloader"]


def dl(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`dl` in this folder, without a terminal."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("words", "variables", "sent"),
    [
        (["--user", "me:s3cret"], {}, BASIC),
        (["--user", "me"], {"DL_PASSWORD": "s3cret"}, BASIC),
        ([], {"DL_USER": "me", "DL_PASSWORD": "s3cret"}, BASIC),
        (["--bearer-env", "MY_TOKEN"], {"MY_TOKEN": "s3cret"}, "Bearer s3cret"),
    ],
    ids=["user and password", "user", "environment", "token"],
)
def test_secret_is_sent_and_shown_nowhere(
    scripted: MakeServer, tmp_path: Path, words: list[str], variables: dict[str, str], sent: str
) -> None:
    server = scripted(reply("403 Forbidden"))
    outputs = ("--report", "report", "--failed", "failed", "--trace", "trace", "--log-file", "log", "-v")
    done = dl(tmp_path, f"{server.url}/a", *words, *outputs, **variables)
    assert done.returncode == 6
    assert [request.headers.get("authorization") for request in server.requests] == [sent]
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) == 4
    for text in (done.stdout, done.stderr, *written):
        assert "s3cret" not in text
        assert sent.partition(" ")[2] not in text


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (
            ["--user", "me"],
            {},
            "no password for the user me, and no terminal to ask for it (set the environment variable DL_PASSWORD)",
        ),
        (["--bearer-env", "MY_TOKEN"], {}, "the environment variable MY_TOKEN contains no token"),
        (
            ["--bearer-env", "MY_TOKEN"],
            {"MY_TOKEN": "a s3cret"},
            "the environment variable MY_TOKEN contains a text that is not a token",
        ),
        (["--bearer-env", "MY_TOKEN", "--user", "me:s3cret"], {"MY_TOKEN": "b"}, "cannot be combined"),
    ],
)
def test_missing_or_wrong_secret_is_told_before_anything_starts(
    tmp_path: Path, words: list[str], variables: dict[str, str], said: str
) -> None:
    done = dl(tmp_path, "http://127.0.0.1:9/a", *words, **variables)
    assert done.returncode == 2
    assert said in done.stderr
    assert "s3cret" not in done.stderr
    assert dl(tmp_path, "http://127.0.0.1:9/a", *words, "--dry-run", **variables).returncode == 0


def test_password_is_asked_for_at_the_terminal_and_not_echoed(scripted: MakeServer, tmp_path: Path) -> None:
    server = scripted(reply("200 OK", b"there"))
    command = [*COMMAND, f"{server.url}/a", "--user", "me", "-q"]
    spawn = f"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn({command})))"
    with subprocess.Popen(
        [sys.executable, "-c", spawn], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        shown = b""
        while b"password of me: " not in shown:
            data = terminal.stdout.read(1024)
            assert data, shown
            shown += data
        terminal.stdin.write(b"s3cret\n")
        shown += terminal.stdout.read()
    assert terminal.returncode == 0
    assert b"s3cret" not in shown
    assert [request.headers.get("authorization") for request in server.requests] == [BASIC]


SECTION = """
[host."127.0.0.1"]
header = ["X-Key: h1dden"]
{more}
[profile.other.host."127.0.0.1"]
header = ["X-Key: 0ther-h1dden"]
"""


@pytest.mark.parametrize(
    ("more", "sent"),
    [('user = "me"\npassword-env = "MY_PASSWORD"', BASIC), ('bearer-env = "MY_PASSWORD"', "Bearer s3cret")],
    ids=["password", "token"],
)
@pytest.mark.parametrize("words", [[], ["--profile", "other"]], ids=["file", "profile"])
def test_secrets_of_a_section_are_sent_and_shown_nowhere(
    scripted: MakeServer, tmp_path: Path, more: str, sent: str, words: list[str]
) -> None:
    server = scripted(reply("403 Forbidden"))
    folder = tmp_path / "run"
    folder.mkdir()
    config = tmp_path / "c.toml"
    config.write_text(SECTION.format(more=more))
    outputs = ("--report", "report", "--failed", "failed", "--trace", "trace", "--log-file", "log", "-v")
    done = dl(folder, f"{server.url}/a", "--config", str(config), *words, *outputs, MY_PASSWORD="s3cret")
    assert done.returncode == 6
    (request,) = server.requests
    assert request.headers["authorization"] == sent
    assert request.headers["x-key"] == ("0ther-h1dden" if words else "h1dden")
    shown = dl(folder, "config", "show", "--all", "--config", str(config), *words, MY_PASSWORD="s3cret")
    assert "MY_PASSWORD" in shown.stdout
    written = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
    assert len(written) >= 4
    for text in (done.stdout, done.stderr, shown.stdout, shown.stderr, *written):
        for secret in ("s3cret", "h1dden", sent.partition(" ")[2]):
            assert secret not in text


def test_a_password_in_a_section_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[host."127.0.0.1"]\npassword = "s3cret"\n')
    for words in (["http://127.0.0.1:9/a"], ["config", "show"]):
        done = dl(tmp_path, *words, "--config", "c.toml")
        assert done.returncode == 2
        assert "password-env and bearer-env name environment variables" in done.stderr
        assert "s3cret" not in done.stdout + done.stderr


def test_the_section_of_a_host_holds_for_a_list_at_a_url_too(scripted: MakeServer, tmp_path: Path) -> None:
    def answer(connection: Connection, request: RecordedRequest) -> None:
        body = f"{server.url}/a\n" if request.path == "/list.txt" else "content"
        connection.send(reply("200 OK", body.encode()))

    server = scripted(answer)
    (tmp_path / "c.toml").write_text('[host."127.0.0.1"]\nbearer-env = "MY_TOKEN"\n')
    done = dl(tmp_path, f"{server.url}/list.txt", "--format", "text", "--config", "c.toml", MY_TOKEN="s3cret")
    assert done.returncode == 0, done.stderr
    assert [request.path for request in server.requests] == ["/list.txt", "/a"]
    assert [request.headers.get("authorization") for request in server.requests] == ["Bearer s3cret"] * 2
    assert "s3cret" not in done.stderr
