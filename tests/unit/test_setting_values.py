"""Single values as users write them, and the words about wrong ones, in every place that takes values."""

import contextlib
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.cli import serve
from downloader.cli.compare import command as compare_command
from downloader.cli.main import fetch_command
from downloader.errors import UsageError
from downloader.settings.config_files import ConfigFile
from downloader.settings.definitions import Settings
from downloader.settings.fields import Field, convert, fields
from downloader.settings.layers import load
from downloader.settings.values import MAX_BYTES, MAX_SECONDS, Form, WrongValue, parse_size, parse_time, read

FIELDS = {field.name: field for field in fields()}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("500", 500),
        ("10k", 10_000),
        ("10K", 10_000),
        ("10m", 10_000_000),
        ("10MB", 10_000_000),
        ("10 mb", 10_000_000),
        ("10Ki", 10_240),
        ("10MiB", 10 * 2**20),
        ("1.5G", 1_500_000_000),
        (".5k", 500),
        ("1.k", 1000),
        ("500B", 500),
        ("2.0", 2),
        (" 7 ", 7),
        ("0.0001k", 1),  # not 0, which stands for "no limit"
        ("0.3Ki", 307),
        ("9007199254740993", 9_007_199_254_740_993),  # which no float can hold
        ("9007199254740.993k", 9_007_199_254_740_993),
        ("0.57M", 570_000),
        ("-5k", -5000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k",
        "10x",
        "10ms",
        "10i",
        "10iB",
        "1.5",
        "1_000",
        "1e6",
        "10 0",
        "ten",
        "nan",
        "inf",
        "0x10",
        "\uff11\uff10",
        "1,5k",
        "--5",
    ],
)
def test_text_that_is_no_size_is_refused(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("90s", 90.0),
        ("5m", 300.0),
        ("5min", 300.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        ("200ms", 0.2),
        ("1m30s", 90.0),
        ("1h 30m", 5400.0),
        ("1s500ms", 1.5),
        ("30 sec", 30.0),
        ("1H", 3600.0),
        (".5", 0.5),
        ("0.1", 0.1),
        ("0.1s", 0.1),
        ("1e-3", 0.001),
        ("-5m", -300.0),
    ],
)
def test_times_are_read_with_their_unit(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "m", "5x", "5mm", "30s1m", "1s2s", "1:30", "1_0", "nan", "inf", "-inf", "soon", "\uff15m", "1e5s"]
)
def test_text_that_is_no_time_is_refused(text: str) -> None:
    assert parse_time(text) is None


@given(st.integers(0, MAX_BYTES))
def test_whole_numbers_of_bytes_are_never_rounded(count: int) -> None:
    assert read(Form("size"), str(count)) == read(Form("size"), count) == count


@given(st.floats(0, MAX_SECONDS))
def test_a_time_as_python_writes_it_is_read_back(seconds: float) -> None:
    assert read(Form("time", minimum=0), repr(seconds)) == seconds


@given(st.text("0123456789.kKmMgGiIbBshd eE+-", max_size=12))
def test_no_text_breaks_the_readers(text: str) -> None:
    for kind in ("size", "time", "number", "whole", "auto"):
        with contextlib.suppress(WrongValue):
            assert read(Form(kind, minimum=0), text, text=True) >= 0


HUGE = ("1e400", "9" * 400, "9" * 100_000, "1" + "0" * 30 + "G", "1" + "0" * 30 + "h", "0." + "1" * 5000)


@pytest.mark.parametrize("text", HUGE, ids=lambda text: text[:8])
@pytest.mark.parametrize("name", ["limit_rate", "low_speed_limit", "timeout", "retries", "jobs", "max_requests_per_second"])
def test_a_number_beyond_all_bounds_is_reported_in_a_short_sentence(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=r"must be at most|expected a ") as caught:
        load({name: text}, {}, None)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    "value", [10**400, 10**5000, 1e300, float("inf"), float("-inf"), float("nan"), -1, -0.5], ids="abcdefgh"
)
@pytest.mark.parametrize("name", ["limit_rate", "timeout", "retries", "jobs", "max_requests_per_second"])
def test_a_number_of_a_program_has_the_same_bounds(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=r"must be at (most|least)|expected a ") as caught:
        convert({FIELDS[name].key: value})
    assert len(str(caught.value)) < 150


# --- the same value in all places


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.form.kind in ("size", "time")])
def test_sizes_and_times_are_written_with_units_in_all_places(name: str, tmp_path: Path) -> None:
    field = FIELDS[name]
    text, value = ("64Ki", 65_536) if field.form.kind == "size" else ("1m30s", 90.0)
    file = tmp_path / "mine.toml"
    file.write_text(f'{field.key} = "{text}"')
    expected = Settings(**{name: value})
    assert load({name: text}, {}, None).settings == expected
    assert load({}, {field.variable: text}, None).settings == expected
    assert load({}, {}, ConfigFile(file)).settings == expected
    assert convert({field.key: text}) == convert({field.key: value}) == expected
    assert field.unit == ("SIZE" if field.form.kind == "size" else "TIME")


def test_a_setting_in_seconds_or_bytes_is_a_time_or_a_size() -> None:
    others = {name for name, field in FIELDS.items() if field.form.kind in ("whole", "number")}
    names = {"max_requests_per_second", "retries", "host_failures", "max_redirects", "cut_dirs", "fanout", "shard_files"}
    assert others == names


def test_compare_takes_units_too() -> None:
    words = ["--size", "10k", "--rate", "1MiB", "--latency", "200ms", "--budget", "1m30s", "--files", "7"]
    values = compare_command().make_context("dl compare", words).params
    assert [values[name] for name in ("size", "rate", "latency", "budget", "files")] == [10_000, 2**20, 0.2, 90.0, 7]
    assert compare_command().make_context("dl compare", []).params["budget"] == 12.0


@pytest.mark.parametrize(("value", "found"), [("auto", 0), ("7", 7), (7, 7), (0, 0), (7.0, 7)])
def test_jobs_of_a_program_may_be_0_which_is_auto(value: object, found: int) -> None:
    assert convert({"jobs": value}).jobs == found


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.auto])
def test_0_is_no_number_of_requests_where_a_user_writes_it(name: str, tmp_path: Path) -> None:
    field = FIELDS[name]
    file = tmp_path / "mine.toml"
    file.write_text(f"{field.key} = 0")
    for flags, environment, config in (
        ({name: "0"}, {}, None),
        ({}, {field.variable: "0"}, None),
        ({}, {}, ConfigFile(file)),
    ):
        with pytest.raises(UsageError, match="must be at least 1; write auto"):
            load(flags, environment, config)
    file.write_text(f'{field.key} = "auto"')
    assert load({}, {}, ConfigFile(file)).settings == load({name: "auto"}, {}, None).settings == Settings()


def test_values_as_a_file_has_them() -> None:
    assert convert({"http-version": 2}).http_version == "2"
    assert convert({"http-version": 1.1}).http_version == "1.1"
    assert convert({"limit-rate": 10e6}).limit_rate == 10_000_000
    for value in ([403, 404], ["403", "404"], ["403,404"]):
        assert ",".join(convert({"retry-on": value}).retry_on) == "403,404"
    assert convert({"retry-on": 403}).retry_on == ("403",)
    assert convert({"checksums": Path("a/b")}).checksums == "a/b"
    assert convert({"timeout": Decimal("1.5")}).timeout == 1.5


# --- words

WRONG: tuple[Any, ...] = (
    *("", "abc", "10x", "-1", "nan", "inf", "1e400", "9" * 400, "maybe"),
    *(-1, 1.5, -0.5, 10**400, float("nan"), float("inf"), True, None, date(2026, 1, 2), object(), b"x"),
    *([], ["a"], [1], [None], {}, {"a": 1}, (1, 2), {"a"}),
)
TYPES = re.compile(r"\b(Expected|int|integer|float|str|string|bool|boolean|array|object|dict|tuple|NoneType|bytes)\b|`")


def _complaints(field: Field, folder: Path) -> list[str]:
    """What is said of each wrong value, as a flag, in the environment, in a file and by a program."""
    file = folder / "mine.toml"
    said = []
    places: list[Any] = [lambda value=value: convert({field.key: value}) for value in WRONG]
    texts = [value for value in WRONG if isinstance(value, str)]
    places += [lambda text=text: load({field.name: text}, {}, None) for text in texts]
    places += [lambda text=text: load({}, {field.variable: text}, None) for text in texts]
    for value in ('"abc"', "-1", "1.5", "nan", "inf", "true", "[]", "[1]", '["a"]', "{a = 1}", "2026-01-02", "9" * 400):

        def from_file(value: str = value) -> None:
            file.write_text(f"{field.key} = {value}")
            load({}, {}, ConfigFile(file))

        places.append(from_file)
    for place in places:
        try:
            place()
        except UsageError as error:
            said.append(str(error).replace(str(file), "FILE"))
    return said


@pytest.mark.parametrize("field", FIELDS.values(), ids=list(FIELDS))
def test_messages_about_wrong_values_name_no_type_of_a_program(field: Field, tmp_path: Path) -> None:
    said = _complaints(field, tmp_path)
    assert len(said) > 10
    for text in said:
        assert TYPES.search(text) is None, text
        assert re.search(r": (expected|must be at (least|most)|must be more than) ", text), text
        assert len(text) < 200, text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("timeout", "abc", "timeout: expected a time, such as 30, 5m or 200ms, got 'abc'"),
        ("limit-rate", "abc", "limit-rate: expected a size, such as 500, 64Ki or 10M, got 'abc'"),
        ("limit-rate", "10E", "limit-rate: must be at most 9E"),
        ("timeout", "25d", "timeout: must be at most 24d"),
        ("retries", "5", "retries: expected a whole number, got '5'"),
        ("retries", 1.5, "retries: expected a whole number, got 1.5"),
        ("retries", -1, "retries: must be at least 0"),
        ("connect-timeout", 0, "connect-timeout: must be more than 0"),
        ("jobs", "many", "jobs: expected a whole number, or auto, got 'many'"),
        ("quiet", "yes", "quiet: expected true or false, got 'yes'"),
        ("on-full", "burn", "on-full: expected one of stop, wait, got 'burn'"),
        ("expect-type", "image/*", 'expect-type: expected a list of texts, such as ["a", "b"], got a text'),
        ("dir", 5, "dir: expected a text, got a number"),
        ("dir", None, "dir: expected a text, got nothing"),
        ("strategy", ["async"], "strategy: expected a text, got a list"),
    ],
)
def test_each_kind_of_setting_has_its_own_sentence(key: str, value: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        convert({key: value})
    assert str(caught.value) == said


def test_a_switch_in_the_environment_is_yes_or_no() -> None:
    with pytest.raises(UsageError, match="expected yes or no, got 'maybe'"):
        load({}, {"DL_QUIET": "maybe"}, None)


def test_secret_values_are_not_shown() -> None:
    for key in ("header", "user", "proxy", "bearer-env"):
        for value in (["hunter2", 1], {"a": "hunter2"}, b"hunter2") + (("hunter2",) if key == "header" else ()):
            with pytest.raises(UsageError) as caught:
                convert({key: value})
            assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("make", [fetch_command, compare_command, lambda: serve.command], ids=["dl", "compare", "serve"])
def test_no_option_answers_in_words_of_its_own(make: Any) -> None:
    for option in make().params:
        if not getattr(option, "is_flag", False):
            assert type(option.type) is click.types.StringParamType, option.name


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--size", "big", "expected a size, such as 500, 64Ki or 10M, got 'big'"),
        ("--size", "-1", "must be at least 0"),
        ("--latency", "2m", "must be at most 60"),
        ("--latency", "nan", "expected a time, such as 30, 5m or 200ms, got 'nan'"),
        ("--budget", "1e400", "must be at most 24d"),
        ("--jobs", "0", "must be at least 1"),
        ("--repeat", "x", "expected a whole number, got 'x'"),
        ("--server", "apache", "expected one of built-in, nginx, got 'apache'"),
    ],
)
def test_compare_has_the_same_sentences(option: str, value: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        compare_command().make_context("dl compare", [option, value])
    assert caught.value.message == said


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--port", "70000", "must be at most 65535"),
        ("--port", "x", "expected a whole number, got 'x'"),
        ("--server", "x", "expected one of"),
    ],
)
def test_serve_has_them_too(option: str, value: str, said: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        serve.command.make_context("dl serve", [option, value])
    assert said in caught.value.message
