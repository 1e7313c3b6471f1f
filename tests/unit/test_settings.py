"""Settings: where each value comes from, which goes over which, and what is said about a wrong one."""

import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from downloader.errors import UsageError
from downloader.settings import definitions as settings
from downloader.settings.config_files import ConfigFile, find_file, read_file, user_folder
from downloader.settings.definitions import Settings, parse_header
from downloader.settings.fields import Field, convert, example, fields
from downloader.settings.layers import load

FIELDS = fields()
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def written(folder: Path, text: str, name: str = "downloader.toml") -> Path:
    """A configuration file with this text."""
    path = folder / name
    path.write_text(text)
    return path


# --- layers


def test_without_any_layer_all_is_as_declared() -> None:
    layers = load({}, {}, None)
    assert layers.settings == Settings()
    assert layers.origins == {}


@pytest.mark.parametrize(
    ("flags", "environment", "text", "retries", "origin"),
    [
        ({}, {}, "", 5, None),
        ({}, {}, "retries = 1", 1, "FILE"),
        ({}, {"DL_RETRIES": "2"}, "", 2, "environment variable DL_RETRIES"),
        ({}, {"DL_RETRIES": "2"}, "retries = 1", 2, "environment variable DL_RETRIES"),
        ({"retries": 3}, {}, "retries = 1", 3, "flag"),
        ({"retries": 3}, {"DL_RETRIES": "2"}, "", 3, "flag"),
        ({"retries": 3}, {"DL_RETRIES": "2"}, "retries = 1", 3, "flag"),
        ({"retries": 0}, {"DL_RETRIES": "2"}, "retries = 1", 0, "flag"),
    ],
)
def test_flags_go_over_the_environment_over_the_file_over_the_default(
    tmp_path: Path, flags: dict[str, Any], environment: dict[str, str], text: str, retries: int, origin: str | None
) -> None:
    file = written(tmp_path, text)
    layers = load(flags, environment, ConfigFile(file))
    assert layers.settings.retries == retries
    assert layers.origins.get("retries") == (str(file) if origin == "FILE" else origin)


def test_layers_mix_value_by_value(tmp_path: Path) -> None:
    file = written(tmp_path, 'dir = "d"\nretry-wait = 2\nheader = ["A: b"]\n')
    variables = {"DL_TARGET_DIR": "e", "HOME": "/x", "DL_CONFIG": "/y", "XDL_DIR": "z"}
    layers = load({"quiet": True}, variables, ConfigFile(file))
    assert layers.settings == Settings(dir="e", retry_wait=2.0, header=("A: b",), quiet=True)
    assert layers.origins == {
        "dir": "environment variable DL_TARGET_DIR",
        "retry_wait": str(file),
        "header": str(file),
        "quiet": "flag",
    }


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("DL_JOBS", "8", "jobs", 8),
        ("DL_RETRY_WAIT", "0.25", "retry_wait", 0.25),
        ("DL_RETRY_WAIT", "2", "retry_wait", 2.0),
        ("DL_TARGET_DIR", "5", "dir", "5"),
        ("DL_TARGET_DIR", "", "dir", ""),
        ("DL_HEADER", "A: b\nC: d", "header", ("A: b", "C: d")),
        ("DL_HEADER", "", "header", ()),
        ("DL_ON_EXISTS", "rename", "on_exists", "rename"),
        *(("DL_INSECURE", text, "insecure", True) for text in ("1", "true", "yes", "on", "True", "YES")),
        *(("DL_MTIME", text, "mtime", False) for text in ("0", "false", "no", "off", "", "Off")),
    ],
)
def test_the_environment_is_text_for_every_type(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(load({}, {variable: text}, None).settings, name) == value


# --- what is wrong


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ("retrys = 1", "retrys", "retries"),
        ("retry_wait = 1", "retry_wait", "retry-wait"),
        ("on-exist = 'skip'", "on-exist", "on-exists"),
        ("[download]\nretries = 1", "download", None),
    ],
)
def test_an_unknown_key_of_a_file_is_reported_with_the_nearest(tmp_path: Path, text: str, key: str, near: str | None) -> None:
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load({}, {}, ConfigFile(file))
    assert repr(key) in caught.value.reason
    assert str(file) in caught.value.reason
    if near is not None:
        assert caught.value.hint == f"did you mean {near}?"


def test_a_key_that_resembles_no_other_is_reported_with_where_to_look() -> None:
    with pytest.raises(UsageError) as caught:
        convert({"xyzzy": 1})
    assert caught.value.hint == "see config.example.toml"


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("DL_RETRY_WAITS", "; did you mean DL_RETRY_WAIT?"),
        ("DL_JBOS", "; did you mean DL_JOBS?"),
        ("DL_DIR", "; DL_TARGET_DIR is one"),
        ("DL_LIBRARY_PATH", ""),
        ("DL_", ""),
    ],
)
def test_an_unknown_variable_is_reported_without_its_value(variable: str, hint: str) -> None:
    layers = load({}, {variable: "hunter2", "DL_RETRIES": "2"}, None)
    assert layers.settings == Settings(retries=2)
    assert layers.ignored_variables == (f"the environment variable {variable} is not a setting of dl, and is ignored{hint}",)


@pytest.mark.parametrize(
    "text",
    [
        "retries = '5'",
        "retries = 1.5",
        "retries = -1",
        "retries = true",
        "per-host = -1",
        "connect-timeout = 0",
        "quiet = 1",
        "quiet = 'yes'",
        "dir = 5",
        "header = 'A: b'",
        "header = [1]",
        "on-exists = 'destroy'",
        "progress = 'loud'",
        "timeout = 'soon'",
        "strategy = ['async']",
    ],
)
def test_a_wrong_value_of_a_file_is_reported_with_its_key_and_the_file(tmp_path: Path, text: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load({}, {}, ConfigFile(file))
    assert caught.value.reason.startswith(f"{text.split(' ')[0]} ({file}): ")


@pytest.mark.parametrize(
    ("variable", "text", "key"),
    [
        ("DL_RETRIES", "many", "retries"),
        ("DL_RETRIES", "-1", "retries"),
        ("DL_QUIET", "perhaps", "quiet"),
        ("DL_ON_EXISTS", "destroy", "on-exists"),
        ("DL_TIMEOUT", "soon", "timeout"),
    ],
)
def test_a_wrong_value_of_the_environment_is_reported_with_its_variable(variable: str, text: str, key: str) -> None:
    with pytest.raises(UsageError) as caught:
        load({}, {variable: text}, None)
    assert caught.value.reason.startswith(f"{key} (environment variable {variable}): ")


@pytest.mark.parametrize(("name", "value"), [("retries", -1), ("jobs", "0"), ("low_speed_time", 0)])
def test_a_wrong_value_of_a_flag_is_reported_as_the_flag(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        load({name: value}, {}, None)
    assert caught.value.reason.startswith(f"--{name.replace('_', '-')}: must be ")


def test_a_wrong_value_of_a_library_call_is_reported_by_its_key() -> None:
    with pytest.raises(UsageError, match=r"^retry-wait: "):
        convert({"retry-wait": "soon"})


def test_a_wrong_value_under_a_good_one_is_no_error() -> None:
    assert load({"retries": 1}, {"DL_RETRIES": "many"}, None).settings.retries == 1


def test_a_file_whose_name_begins_like_the_environment_is_still_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "retries = '5'", "environment.toml")
    with pytest.raises(UsageError):
        load({}, {}, ConfigFile(Path("environment.toml")))


def test_a_file_that_is_missing_or_no_toml_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_file(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_file(written(tmp_path, "retries = = 1"))
    (tmp_path / "latin.toml").write_bytes(b'dir = "\xe9"')
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_file(tmp_path / "latin.toml")


@pytest.mark.parametrize("text", ["retries = " + "9" * 5000, "retries = " + "[" * 100_000])
def test_a_file_that_the_parser_cannot_process_is_reported(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_file(written(tmp_path, text))


# --- finding the file


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "/etc/mine", "/etc/mine/downloader"),
        ("linux", "", "/home/u/.config/downloader"),
        ("linux", "relative", "/home/u/.config/downloader"),
        ("darwin", "/etc/mine", "/etc/mine/downloader"),
        ("darwin", "", "/home/u/Library/Application Support/downloader"),
    ],
)
def test_the_folder_of_the_users_own_configuration(
    platform: str, variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("HOME", "/home/u")
    assert user_folder({"XDG_CONFIG_HOME": variable} if variable else {}) == Path(expected)


def test_which_configuration_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("downloader.settings.config_files.user_folder", lambda environment: tmp_path / "home" / "downloader")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert find_file(None, {}) is None
    (tmp_path / "home" / "downloader").mkdir(parents=True)
    users = written(tmp_path / "home" / "downloader", "")
    assert find_file(None, {}) == ConfigFile(users)
    written(tmp_path / "here", "")
    here = Path("downloader.toml")
    assert find_file(None, {}) == ConfigFile(here, is_trusted=False)
    assert find_file(None, {"DL_CONFIG": "other.toml"}) == ConfigFile(Path("other.toml"))
    assert find_file("given.toml", {"DL_CONFIG": "other.toml"}) == ConfigFile(Path("given.toml"))
    assert find_file("/dev/null", {"DL_CONFIG": "other.toml"}) is None
    assert find_file(None, {"DL_CONFIG": ""}) == ConfigFile(here, is_trusted=False)
    assert find_file("downloader.toml", {}) == ConfigFile(here)
    monkeypatch.chdir(users.parent)
    assert find_file(None, {}) == ConfigFile(here)


# --- fields


@pytest.mark.parametrize("field", FIELDS, ids=[field.name for field in FIELDS])
def test_every_field_is_explained_and_has_a_default_of_its_type(field: Field) -> None:
    assert field.help
    assert field.help[0] != " "
    assert "\n" not in field.help
    assert field.key == field.name.replace("_", "-")
    assert field.variable == ("DL_TARGET_DIR" if field.name == "dir" else f"DL_{field.name.upper()}")
    assert not field.short or (len(field.short) == 2 and field.short[0] == "-")
    if field.choices:
        assert field.default in field.choices
    elif field.many:
        assert field.default == ()
    else:
        assert type(field.default) is field.kind
    if field.kind in (int, float):
        assert field.unit
    assert convert({field.key: field.default}) == Settings()


def test_no_two_fields_share_a_short_flag() -> None:
    shorts = [field.short for field in FIELDS if field.short]
    assert len(shorts) == len(set(shorts))


def test_the_choices_are_those_of_the_types() -> None:
    choices = {field.name: field.choices for field in FIELDS if field.choices}
    assert choices == {
        "http_version": get_args(settings.HttpVersion),
        "on_exists": get_args(settings.OnExists),
        "on_full": get_args(settings.OnFull),
        "on_busy": get_args(settings.OnBusy),
        "format": get_args(settings.ListFormat),
        "order": get_args(settings.Order),
        "progress": get_args(settings.Progress),
    }


# --- the example


def test_the_example_is_toml_that_changes_nothing(tmp_path: Path) -> None:
    layers = load({}, {}, ConfigFile(written(tmp_path, example())))
    assert layers.settings == Settings()
    assert set(layers.origins) == {field.name for field in FIELDS}


def test_the_example_explains_every_field() -> None:
    lines = example().splitlines()
    for field in FIELDS:
        at = next(number for number, line in enumerate(lines) if line.startswith(f"{field.key} = "))
        assert lines[at - 1].startswith(f"# {field.help}")
        assert all(choice in lines[at - 1] for choice in field.choices)
    assert tomllib.loads(example()).keys() == {field.key for field in FIELDS}


def test_the_example_in_the_repository_is_the_present_one() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example()


# --- headers


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("A: b", ("A", "b")),
        ("X-Y_z:b", ("X-Y_z", "b")),
        (" A :  b: c \t", ("A", "b: c")),
        ("A:", ("A", "")),
        ("A: b\tc", ("A", "b\tc")),
    ],
)
def test_a_header_is_a_name_and_a_value(text: str, pair: tuple[str, str]) -> None:
    assert parse_header(text) == pair
    assert Settings(header=(text,)).header_pairs == (pair,)


@pytest.mark.parametrize(
    "text", ["", "A", ": b", "A b: hunter2", "Ä: hunter2", "A: hunter2\r\nB: c", "A: hunter2\0", "A: hunter2é"]
)
def test_a_wrong_header_is_reported_without_its_value(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form") as caught:
        parse_header(text)
    assert "hunter2" not in str(caught.value)


def test_a_header_without_a_colon_is_not_shown_in_the_message() -> None:
    with pytest.raises(UsageError) as caught:
        parse_header("Bearer hunter2")
    assert "hunter2" not in str(caught.value)
