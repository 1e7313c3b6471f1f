"""`dl` in a folder that is another's, and in an environment that other programs share."""

import os
from pathlib import Path

import pytest

from downloader.settings.definitions import OWN, Trust
from downloader.settings.fields import example, fields
from downloader.testserver.launch import TestServer
from tests.support.command import Shell
from tests.support.files import names_in
from tests.support.scripted import MakeServer, reply

EVIL = "import pathlib\npathlib.Path('RAN').write_text('x')\ndef f(path):\n    return 1\n"
REFUSED = {
    "process": '"evil:f"',
    "cluster": '"tcp://127.0.0.9:1"',
    "endpoint-url": '"http://127.0.0.9:1"',
    "proxy": '"http://127.0.0.9:1"',
    "insecure": "true",
    "allow-downgrade": "true",
    "cacert": '"evil.pem"',
    "netrc": "true",
    "netrc-file": '"netrc"',
    "cookies": '"cookies.txt"',
    "cert": '"evil.pem"',
    "key": '"evil.pem"',
    "user": '"me:secret"',
    "bearer-env": '"HOME"',
    "header": '["A: b"]',
    "report": '"r.jsonl"',
    "manifest": '"m.jsonl"',
    "journal": '"j.db"',
    "on-complete": '"touch RAN"',
    "failed": '"f.txt"',
    "trace": '"t.jsonl"',
    "log-file": '"l.txt"',
    "on-exists": '"overwrite"',
    "aggressive": "true",
    "dir": '"elsewhere"',
}


def test_code_of_a_foreign_folder_does_not_run(dl: Shell, server: TestServer) -> None:
    (dl.folder / "evil.py").write_text(EVIL)
    (dl.folder / "downloader.toml").write_text('process = "evil:f"\n')
    done = dl(server.file(1, 1000), "-q")
    assert done.returncode == 2
    assert "./downloader.toml sets process" in done.stderr
    assert "--config downloader.toml" in done.stderr
    assert names_in(dl.folder) == ["downloader.toml", "evil.py"]
    trusted = dl(server.file(1, 1000), "--config", "downloader.toml", "-s", "serial")
    assert trusted.returncode == 0, trusted.stderr
    assert (dl.folder / "RAN").exists()
    assert "dl: settings from downloader.toml\n" in trusted.stderr


@pytest.mark.parametrize("key", REFUSED)
def test_a_file_that_was_not_asked_for_may_not_set(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from downloader.errors import UsageError
    from downloader.settings.config_files import find_file
    from downloader.settings.layers import load

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("downloader.settings.config_files.user_folder", lambda environment: tmp_path / "home" / "downloader")
    text = f"retries = 2\n{key} = {REFUSED[key]}\n"
    (tmp_path / "downloader.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load({}, {}, find_file(None, {}))
    assert caught.value.reason.startswith(f"./downloader.toml sets {key}, ")
    assert "--config downloader.toml" in caught.value.hint
    name = key.replace("-", "_")
    for file in (find_file("downloader.toml", {}), find_file(None, {"DL_CONFIG": "downloader.toml"})):
        assert load({}, {}, file).origins[name] == "downloader.toml"
    (tmp_path / "downloader.toml").unlink()
    own = tmp_path / "home" / "downloader"
    own.mkdir(parents=True)
    (own / "downloader.toml").write_text(text)
    assert load({}, {}, find_file(None, {})).origins[name] == str(own / "downloader.toml")


def test_settings_that_may_do_harm_need_a_trusted_file() -> None:
    found = fields()
    assert all(isinstance(field.trust, Trust) for field in found)
    assert {field.key for field in found if field.trust is OWN or field.own_values} == REFUSED.keys()


def test_harmless_settings_of_a_found_file_are_used_and_reported(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    (dl.folder / "downloader.toml").write_text('user-agent = "mine"\non-exists = "refresh"\nprogress = "plain"\n')
    done = dl(f"{server.url}/a")
    assert done.returncode == 0, done.stderr
    assert server.requests[-1].headers["user-agent"] == "mine"
    assert done.stderr.splitlines()[0] == "dl: settings from ./downloader.toml"
    told = dl(f"{server.url}/d", "--progress", "json").stderr.splitlines()
    assert told[0] == '{"event": "message", "text": "dl: settings from ./downloader.toml"}'


def test_with_q_and_without_settings_no_file_is_told(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    (dl.folder / "downloader.toml").write_text("retries = 1\n")
    assert dl(f"{server.url}/b", "-q").stderr == ""
    assert "settings from" not in dl(f"{server.url}/c", "--config", os.devnull).stderr
    (dl.folder / "downloader.toml").write_text("# nothing\n")
    assert "settings from" not in dl(f"{server.url}/e").stderr


def test_the_example_may_be_copied_as_it_stands(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    (dl.folder / "downloader.toml").write_text(example())
    done = dl(f"{server.url}/a")
    assert done.returncode == 0, done.stderr


def test_the_users_own_file_is_trusted_in_its_own_folder_too(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    own = dl.folder / "config" / "downloader"
    own.mkdir(parents=True)
    (own / "downloader.toml").write_text('header = ["A: b"]\n')
    for folder in (dl.folder, own):
        done = Shell(folder)(f"{server.url}/{folder.name}", XDG_CONFIG_HOME=str(dl.folder / "config"))
        assert done.returncode == 0, done.stderr
        assert server.requests[-1].headers["a"] == "b"


def test_variables_of_other_programs_are_passed_over(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    others = {"DL_LIBRARY_PATH": "hunter2", "DL_DIR": "/nowhere/yocto", "DL_RETRIE": "7"}
    quiet = dl(f"{server.url}/a", **others)
    assert quiet.returncode == 0, quiet.stderr
    assert "DL_" not in quiet.stderr
    assert (dl.folder / "a").read_bytes() == b"x"
    told = dl(f"{server.url}/b", "-v", "--log-file", "log.txt", **others, DL_TARGET_DIR="into")
    assert (dl.folder / "into" / "b").read_bytes() == b"x"
    dry = dl(f"{server.url}/c", "-v", "--dry-run", **others)
    for text in (told.stderr, dry.stderr, (dl.folder / "log.txt").read_text()):
        assert "DL_LIBRARY_PATH is not a setting of dl, and is ignored\n" in text
        assert "DL_DIR is not a setting of dl, and is ignored; DL_TARGET_DIR is one" in text
        assert "did you mean DL_RETRIES?" in text
        assert "hunter2" not in text


def test_profiles_and_sections_of_a_foreign_file_limit_and_send_nothing(dl: Shell, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"x"))
    text = '[host."127.0.0.1"]\nper-host = 1\nuser-agent = "mine"\n'
    text += '[profile.polite]\nretries = 1\n[profile.evil]\nprocess = "evil:f"\n'
    (dl.folder / "downloader.toml").write_text(text)
    done = dl(f"{server.url}/a", "--profile", "polite")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "dl: settings from ./downloader.toml, profile polite"
    assert server.requests[-1].headers["user-agent"] == "mine"
    refused = dl(f"{server.url}/b", "--profile", "evil")
    assert refused.returncode == 2
    assert "./downloader.toml sets process in profile evil, which is not allowed" in refused.stderr
    (dl.folder / "downloader.toml").write_text(text + '[host."127.0.0.2"]\nbearer-env = "HOME"\n')
    refused = dl(f"{server.url}/c")
    assert refused.returncode == 2
    assert 'bearer-env of [host."127.0.0.2"], which is not allowed' in refused.stderr
    assert len(server.requests) == 1
