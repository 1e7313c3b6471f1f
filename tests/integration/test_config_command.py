"""`dl config`: what it shows, checks and writes."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from downloader.settings.config_files import ConfigFile
from downloader.settings.definitions import Settings
from downloader.settings.fields import commented_example, example, fields
from downloader.settings.layers import load
from tests.support.command import Shell

TEXT = """\
retries = 1

wait = "1m"
header = ["X-Key: s3cret"]
user = "me:s3cret"
proxy = "http://me:s3cret@localhost:1"
[host."Example.org"]
per-host = 2
header = ["X-Key: s3cret"]
user = "ada"
password-env = "PASSWORD"
[profile.polite]
wait = 2
[profile.polite.host."example.ORG"]
wait = 3
[profile.other]
jobs = 1
"""


@pytest.fixture
def home(dl: Shell, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration folder, which does not exist yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(dl.folder / "config"))
    return dl.folder / "config" / "downloader"


def test_values_and_their_origins(dl: Shell, home: Path) -> None:
    (dl.folder / "c.toml").write_text(TEXT)
    done = dl(
        "config", "show", "--config", "c.toml", "--profile", "polite", "-j", "4", "--no-mtime", DL_RETRIES="3", DL_TYPO="x"
    )
    assert done.returncode == 0, done.stderr
    assert [re.sub(" +  #", "  #", line) for line in done.stdout.splitlines()] == [
        "# c.toml",
        "# profiles: polite, other; used: polite",
        "# the environment variable DL_TYPO is not a setting of dl, and is ignored",
        "jobs = 4  # flag",
        "wait = 2.0  # profile polite in c.toml:13",
        "retries = 3  # environment variable DL_RETRIES",
        "mtime = false  # flag",
        'header = ["X-Key: ***"]  # c.toml:4',
        'user = "me:***"  # c.toml:5',
        'proxy = "http://***@localhost:1"  # c.toml:6',
        "",
        '[host."example.org"]',
        "per-host = 2  # c.toml:8",
        "wait = 3.0  # profile polite in c.toml:15",
        'header = ["X-Key: ***"]  # c.toml:9',
        'user = "ada"  # c.toml:10',
        'password-env = "PASSWORD"  # c.toml:11',
    ]
    tomllib.loads(done.stdout)


def test_values_as_json(dl: Shell, home: Path) -> None:
    (dl.folder / "c.toml").write_text(TEXT)
    shown: dict[str, Any] = json.loads(dl("config", "show", "--json", DL_CONFIG="c.toml", DL_PROFILE="other").stdout)
    assert shown["file"] == "c.toml"
    assert shown["trusted"] is True
    assert shown["profiles"] == ["other"]
    assert shown["settings"]["retries"] == {"value": 1, "origin": "c.toml", "line": 1}
    assert shown["settings"]["jobs"] == {"value": 1, "origin": "profile other in c.toml", "line": 17}
    assert shown["hosts"]["example.org"]["per-host"] == {"value": 2, "origin": "c.toml", "line": 8}
    assert "strategy" not in shown["settings"]


@pytest.mark.parametrize("words", [[], ["--json"], ["--all"], ["--all", "--json"], ["--profile", "polite"]])
def test_no_secret_is_shown(dl: Shell, home: Path, words: list[str]) -> None:
    (dl.folder / "c.toml").write_text(TEXT)
    flags = ["-H", "A: s3cret", "--proxy", "socks5://s3cret@localhost:1", "--user", "a:s3cret"]
    for more in ([], flags):
        done = dl("config", "show", "--config", "c.toml", *words, *more, PASSWORD="s3cret", DL_PASSWORD="s3cret")
        assert done.returncode == 0, done.stderr
        assert "s3cret" not in done.stdout + done.stderr


def test_every_setting(dl: Shell, home: Path) -> None:
    shown = json.loads(dl("config", "show", "--all", "--json").stdout)
    assert list(shown["settings"]) == [item.key for item in fields()]
    assert {item["origin"] for item in shown["settings"].values()} == {"default"}
    assert shown["settings"]["jobs"]["value"] == "auto"
    assert shown["file"] is None
    assert dl("config", "show").stdout == "# there is no configuration file\n"


def test_what_is_shown_can_be_read_again(dl: Shell, home: Path) -> None:
    text = dl("config", "show", "--all", "-j", "7", "--wait", "5m", "--expect-type", "image/*").stdout
    (dl.folder / "again.toml").write_text(text)
    settings = load({}, {}, ConfigFile(dl.folder / "again.toml")).settings
    assert settings == Settings(jobs=7, wait=300.0, expect_type=("image/*",))


def test_a_value_that_is_not_utf_8_is_shown(dl: Shell, home: Path) -> None:
    done = dl("config", "show", "--dir", os.fsdecode(b"\xff"))
    assert done.returncode == 0, done.stderr
    assert 'dir = "\\\\udcff"  # flag' in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "nothing"], "there is no profile 'nothing'"),
        (["-j", "0"], "--jobs: must be at least 1"),
        (["--config", "missing"], "cannot read the configuration missing"),
        (["--nothing"], "No such option"),
        (["list.txt"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_of_show(dl: Shell, home: Path, words: list[str], said: str) -> None:
    done = dl("config", "show", *words)
    assert done.returncode == 2
    assert said in done.stderr


WRONG = """\
retries = "x"
jbos = 4
header = [
  "s3cret",
]
proxy = "gopher://me:s3cret@h"
retry-on = [999999]
expect-type = ["image"]
[host."a b"]
wait = -1
[host."a"]
password = "s3cret"
[profile.polite]
wait = "soon"
[profile.polite.host."x"]
per-host = 0
"""


def test_every_error_is_reported_with_its_line(dl: Shell, home: Path) -> None:
    (dl.folder / "c.toml").write_text(WRONG)
    done = dl("config", "check", "c.toml")
    assert done.returncode == 2
    assert "s3cret" not in done.stdout + done.stderr
    errors = [line for line in done.stdout.splitlines() if "accepted only" not in line]
    assert [int(line.split(":")[1]) for line in errors] == [1, 2, 3, 6, 7, 8, 9, 10, 12, 14, 16]
    assert errors[0] == "c.toml:1: retries: expected a whole number, got 'x'"
    assert errors[1] == "c.toml:2: unknown setting 'jbos' (did you mean jobs?)"
    assert errors[-1] == 'c.toml:16: [host."x"] per-host: must be at least 1'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("min-size = 2\nmax-size = 1\n", "c.toml: --min-size is larger than --max-size"),
        ("cut-dirs = 2\n", "c.toml: --cut-dirs needs --keep-paths"),
        ("name = '{nmae}'\n", "c.toml: --name: unknown field {nmae} (did you mean {name}?)"),
        ("on-complete = 'echo {paht}'\n", "c.toml:1: --on-complete: unknown field {paht} (did you mean {path}?)"),
        ("min-size = 2\n[profile.a]\nmax-size = 1\n", "c.toml: --min-size is larger than --max-size"),
        (
            '[host."a"]\nuser = "me"\n',
            'c.toml: [host."a"] (c.toml): password-env is missing (user and password-env belong together)',
        ),
        ("profile = 1\n", "c.toml:1: profile: expected tables (as [profile.polite])"),
        ("[profile]\na = 1\n", "c.toml:2: profile: a is no table (as [profile.a])"),
        ("host = 1\n", 'c.toml:1: host: expected sections (as [host."example.org"])'),
    ],
)
def test_values_that_contradict_each_other(dl: Shell, home: Path, text: str, said: str) -> None:
    (dl.folder / "c.toml").write_text(text)
    done = dl("config", "check", "c.toml")
    assert done.returncode == 2
    assert said in done.stdout.splitlines()


@pytest.mark.parametrize("text", ["a = [", "a = 1\na = 2", "\xff"])
def test_no_toml(dl: Shell, home: Path, text: str) -> None:
    (dl.folder / "c.toml").write_bytes(text.encode("latin-1"))
    done = dl("config", "check", "c.toml")
    assert done.returncode == 2
    assert "the configuration c.toml is not valid TOML" in done.stderr


def test_what_needs_trust_is_named_unless_the_file_is_the_users_own(dl: Shell, home: Path) -> None:
    text = 'dir = "x"\n[host."a"]\nnetrc = true\n[profile.p]\nprocess = "a:b"\n'
    home.mkdir(parents=True)
    for path in (dl.folder / "downloader.toml", home / "downloader.toml"):
        path.write_text(text)
    done = dl("config", "check")
    only = "accepted only with --config, or from your own file"
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"downloader.toml:1: dir: {only}",
        f'downloader.toml:3: netrc of [host."a"]: {only}',
        f"downloader.toml:5: process: {only}",
        "downloader.toml: no errors",
    ]
    own = dl("config", "check", str(home / "downloader.toml"))
    assert (own.returncode, own.stdout) == (0, f"{home / 'downloader.toml'}: no errors\n")
    assert dl("config", "check", "/dev/null").stdout == "/dev/null: no errors\n"


def test_without_a_file_there_is_nothing_to_check(dl: Shell, home: Path) -> None:
    done = dl("config", "check")
    assert done.returncode == 2
    assert "there is no configuration file (`dl config init` writes one)" in done.stderr


def test_a_new_file_changes_nothing_and_an_existing_one_is_kept(dl: Shell, home: Path) -> None:
    done = dl("config", "init")
    assert done.returncode == 0, done.stderr
    path = home / "downloader.toml"
    assert str(path) in done.stdout
    assert path.read_text() == commented_example()
    assert tomllib.loads(path.read_text()) == {}
    assert dl("config", "check").returncode == 0
    path.write_text("retries = 1\n")
    again = dl("config", "init")
    assert again.returncode == 2
    assert "exists already, and was not changed" in again.stderr
    assert path.read_text() == "retries = 1\n"


def test_a_new_file_here(dl: Shell, home: Path) -> None:
    done = dl("config", "init", "--here", DL_CONFIG="elsewhere")
    assert done.returncode == 0, done.stderr
    assert str(dl.folder / "downloader.toml") in done.stdout
    assert "it is not read while DL_CONFIG names another file" in done.stdout
    assert not home.exists()
    (dl.folder / "downloader.toml").unlink()
    (dl.folder / "downloader.toml").symlink_to(dl.folder / "nowhere")
    assert dl("config", "init", "--here").returncode == 2
    assert not (dl.folder / "nowhere").exists()


def test_a_file_that_cannot_be_written(dl: Shell) -> None:
    (dl.folder / "file").write_text("")
    done = dl("config", "init", XDG_CONFIG_HOME=str(dl.folder / "file"))
    assert done.returncode == 3
    assert "cannot write" in done.stderr


def test_the_example_has_every_setting_commented_out_or_with_its_default() -> None:
    uncommented = "\n".join(line.removeprefix("#") for line in commented_example().splitlines() if not line.startswith("# "))
    assert tomllib.loads(uncommented) == tomllib.loads(example())


def test_the_tables_of_the_example_are_valid(tmp_path: Path) -> None:
    tables = example()[example().index("# A profile") :]
    lines = [line.removeprefix("# ") for line in tables.splitlines() if line.startswith("# [") or " = " in line]
    path = tmp_path / "c.toml"
    path.write_text("\n".join(lines))
    layers = load({}, {}, ConfigFile(path), ("polite",))
    assert layers.settings.per_host == 1
    assert [host.pattern for host in layers.settings.hosts] == ["example.org", "*.example.com", "files.example.net"]


@pytest.mark.parametrize("words", [["config"], ["config", "--help"], ["help", "config"]])
def test_help(dl: Shell, words: list[str]) -> None:
    done = dl(*words)
    for name in ("show", "check", "init"):
        assert name in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dl config ", {"show", "check", "init"}),
        ("dl config s", {"show"}),
        ("dl config show --prof", {"--profile"}),
        ("dl config show --config c.toml --profile po", {"polite"}),
        ("dl --config c.toml --profile ", {"polite", "other"}),
        ("dl conf", {"config"}),
    ],
)
def test_tab_completion(dl: Shell, line: str, expected: set[str]) -> None:
    (dl.folder / "c.toml").write_text(TEXT)
    words = line.split(" ")
    done = dl(_DL_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert {item.partition(",")[2] for item in done.stdout.splitlines()} >= expected


def test_names_of_a_foreign_file_cannot_control_the_terminal(dl: Shell, home: Path) -> None:
    text = 'user-agent = "\\u001b[2J"\n[profile."\\u001b[31m"]\nwait = 1\njbos = 1\n"\\u001b[32m" = 1\n'
    (dl.folder / "downloader.toml").write_text(text)
    for words in (["show"], ["show", "--all"], ["show", "--json"], ["show", "--profile", "\x1b[31m"], ["check"]):
        done = dl("config", *words)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\\x1b[3" in done.stdout + done.stderr or "--json" in words
