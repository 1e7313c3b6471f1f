"""Profiles of a configuration file: which are chosen, what they override, and what is said about a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import UsageError
from downloader.settings.config_files import ConfigFile
from downloader.settings.definitions import HostSettings
from downloader.settings.layers import Layers, load
from downloader.settings.profiles import known_names

TEXT = """
retries = 1
wait = 1
[host."a.example"]
per-host = 1
wait = 5
[profile.polite]
wait = 2
jobs = 2
[profile.polite.host."A.example"]
wait = 6
[profile.fast]
jobs = 64
[profile."two words"]
retries = 7
[profile.empty]
"""


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    """A trusted file with profiles."""
    path = tmp_path / "c.toml"
    path.write_text(TEXT)
    return ConfigFile(path)


@pytest.mark.parametrize(
    ("profiles", "environment", "flags", "expected"),
    [
        ((), {}, {}, (1, 1.0, 0)),
        (("polite",), {}, {}, (1, 2.0, 2)),
        (("fast",), {}, {}, (1, 1.0, 64)),
        (("polite", "fast"), {}, {}, (1, 2.0, 64)),
        (("fast", "polite"), {}, {}, (1, 2.0, 2)),
        (("two words", "empty"), {}, {}, (7, 1.0, 0)),
        ((), {"DL_PROFILE": "polite"}, {}, (1, 2.0, 2)),
        ((), {"DL_PROFILE": " polite , two words,"}, {}, (7, 2.0, 2)),
        ((), {"DL_PROFILE": ""}, {}, (1, 1.0, 0)),
        (("fast",), {"DL_PROFILE": "polite"}, {}, (1, 1.0, 64)),
        (("polite",), {"DL_JOBS": "3"}, {}, (1, 2.0, 3)),
        (("polite",), {"DL_JOBS": "3"}, {"jobs": "4", "wait": "9"}, (1, 9.0, 4)),
    ],
)
def test_flag_over_environment_over_profile_over_file_over_default(
    file: ConfigFile, profiles: tuple[str, ...], environment: dict[str, str], flags: dict[str, Any], expected: object
) -> None:
    settings = load(flags, environment, file, profiles).settings
    assert (settings.retries, settings.wait, settings.jobs) == expected


def test_origins_name_the_profile(file: ConfigFile) -> None:
    layers = load({}, {}, file, ("polite", "empty"))
    profile = f"profile polite in {file.path}"
    assert layers.origins == {"retries": str(file.path), "wait": profile, "jobs": profile}
    assert layers.profiles == ("polite", "empty")
    assert layers.host_origins == {("a.example", "per-host"): str(file.path), ("a.example", "wait"): profile}


def test_a_section_of_a_profile_is_merged_with_that_of_the_file(file: ConfigFile) -> None:
    assert load({}, {}, file, ("polite",)).settings.hosts == (HostSettings(pattern="a.example", per_host=1, wait=6.0),)
    assert load({}, {}, file).settings.hosts == (HostSettings(pattern="a.example", per_host=1, wait=5.0),)


@pytest.mark.parametrize(
    ("text", "name", "reason", "hint"),
    [
        (
            TEXT,
            "polit",
            "there is no profile 'polit' in FILE, HAS",
            "did you mean polite?",
        ),
        (TEXT, "zzz", "there is no profile 'zzz' in FILE, HAS", ""),
        ("retries = 1", "a", "there is no profile 'a': FILE has none", "a profile is a table [profile.NAME]"),
        (None, "a", "there is no profile 'a': no configuration file was found", "`dl config init` writes one"),
        ("profile = 'a'", "a", "profile (FILE): expected tables", "as [profile.polite]"),
        ("[profile]\na = 1", "a", "profile (FILE): expected tables", "as [profile.polite]"),
        ("[profile.a]\njobs = 0", "a", "jobs (profile a in FILE): must be at least 1; write auto for as many as help", ""),
        ("[profile.a]\njbos = 1", "a", "unknown setting 'jbos' in profile a in FILE", "did you mean jobs?"),
        ("[profile.a.profile.b]", "a", "unknown setting 'profile' in profile a in FILE", "did you mean log-file?"),
        ("[profile.a]\nhost = 1", "a", "host (profile a in FILE): expected sections", 'as [host."example.org"]'),
    ],
)
def test_a_wrong_profile(tmp_path: Path, text: str | None, name: str, reason: str, hint: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text or "")
    with pytest.raises(UsageError) as caught:
        load({}, {}, ConfigFile(path) if text is not None else None, (name,))
    assert caught.value.reason == reason.replace("FILE", str(path)).replace("HAS", "which has polite, fast, two words, empty")
    assert caught.value.hint == hint


def test_a_profile_that_is_not_chosen_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[profile.wrong]\njobs = 0\nprocess = "a:b"\n')
    assert load({}, {}, ConfigFile(path, is_trusted=False)) == Layers(load({}, {}, None).settings)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('process = "a:b"\njobs = 1', "process in profile p"),
        ('on-exists = "overwrite"\nproxy = "http://a"', "on-exists, proxy in profile p"),
        (
            '[profile.p.host."a"]\nuser = "me"\npassword-env = "P"\nwait = 1',
            'user of [host."a"], password-env of [host."a"] in profile p',
        ),
        ('[profile.p.host."a"]\nheader = ["K: s3cret"]', 'header of [host."a"] in profile p'),
    ],
)
def test_a_profile_of_a_foreign_file_may_set_no_more_than_the_file(tmp_path: Path, text: str, refused: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[profile.p]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        load({}, {}, ConfigFile(path, is_trusted=False), ("p",))
    assert caught.value.reason.startswith(f"./{path} sets {refused}, which is not allowed")
    assert "s3cret" not in str(caught.value)


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=5))
def test_of_several_profiles_the_last_one_that_sets_a_value_counts(names: list[str]) -> None:
    from downloader.settings.profiles import settings_tables

    table = {"retries": 0, "profile": {"a": {"retries": 1}, "b": {"jobs": 5}, "c": {"retries": 2}}}
    merged: dict[str, Any] = {}
    for item in settings_tables(table, ConfigFile(Path("f")), names):
        merged.update(item.values)
    setters = [name for name in names if name != "b"]
    assert merged["retries"] == ({"a": 1, "c": 2}[setters[-1]] if setters else 0)
    assert ("jobs" in merged) == ("b" in names)


def test_names_for_tab_completion(file: ConfigFile, tmp_path: Path) -> None:
    assert known_names(str(file.path)) == ["polite", "fast", "two words", "empty"]
    assert known_names(str(tmp_path / "missing")) == []
    (tmp_path / "broken").write_text("profile = 1")
    assert known_names(str(tmp_path / "broken")) == []


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        (
            {},
            {},
            HostSettings(
                pattern="a.example", per_host=1, wait=5.0, user_agent="x", user="me", password_env="P", header=("A: b",)
            ),
        ),
        (
            {"per_host": "3", "user": "you:pw", "header": ("C: d",)},
            {"DL_USER_AGENT": "y"},
            HostSettings(pattern="a.example", wait=5.0, user="me", password_env="P", header=("A: b",)),
        ),
        (
            {"max_requests_per_second": "1"},
            {"DL_WAIT": "2", "DL_PER_HOST": "auto"},
            HostSettings(pattern="a.example", user_agent="x", user="me", password_env="P", header=("A: b",)),
        ),
    ],
)
def test_a_flag_or_a_variable_overrides_a_section_but_not_its_credentials(
    tmp_path: Path, flags: dict[str, Any], environment: dict[str, str], expected: HostSettings
) -> None:
    path = tmp_path / "c.toml"
    text = 'per-host = 1\nwait = 5\nuser-agent = "x"\nuser = "me"\npassword-env = "P"\nheader = ["A: b"]\n'
    path.write_text(f'user-agent = "z"\n[host."a.example"]\n{text}')
    layers = load(flags, environment, ConfigFile(path))
    assert layers.settings.hosts == (expected,)
    shown = {name.replace("_", "-") for name in expected.__struct_fields__ if getattr(expected, name) not in (None, "", ())}
    assert {key for _, key in layers.host_origins} == shown - {"pattern"}


@pytest.mark.parametrize("text", ["retries = 1", "[profile.xyz]"])
def test_a_foreign_file_that_hides_the_profiles_of_the_user_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load({}, {"DL_PROFILE": "polite"}, ConfigFile(path, is_trusted=False))
    assert caught.value.hint == f"./{path} takes the place of your own file: --config FILE reads that"
