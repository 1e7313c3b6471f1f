"""Ordinary command lines are read without click: exactly as click reads them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downloader._version import __version__
from downloader.cli.commands import fetch_command
from downloader.cli.fetch_options import FetchOptions, read_plain
from downloader.settings.fields import fields


def read_by_click(words: list[str]) -> FetchOptions | None:
    """What click makes of these words; None: an error, or the help."""
    try:
        with fetch_command().make_context("dl", list(words)) as context:
            values: dict[str, Any] = context.params
            more = {name: values[name] for name in ("config", "output", "dry_run", "profiles")}
            return FetchOptions(values["lists"], context.ensure_object(dict), **more)
    except (click.ClickException, click.exceptions.Exit):
        return None


FLAGS = sorted({name for option in fetch_command().params for name in (*option.opts, *option.secondary_opts)})
VALUES = ["", "a", "-", "--", "-x", "=", "a=b", "5", "-5", "urls.txt", "http://host/a?b=c", "é", "\udcff", "K: V"]
WORDS = st.one_of(
    st.sampled_from(FLAGS),
    st.sampled_from(VALUES),
    st.builds("{}={}".format, st.sampled_from(FLAGS), st.sampled_from(VALUES)),
    st.builds("{}{}".format, st.sampled_from(FLAGS), st.sampled_from(VALUES)),
    st.text(max_size=3),
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(WORDS, max_size=6))
def test_what_is_read_plainly_is_read_by_click_in_the_same_way(words: list[str]) -> None:
    plain = read_plain(words)
    if plain is not None:
        by_click = read_by_click(words)
        assert plain == by_click
        assert by_click is not None
        assert list(plain.given) == list(by_click.given)


@pytest.mark.parametrize("item", fields(), ids=lambda item: item.name)
def test_each_option_is_read_plainly_and_as_click_reads_it(item: Any) -> None:
    lines = [[f"--{item.key}"], [f"--no-{item.key}"]] if item.kind is bool else [[f"--{item.key}", "x"], [f"--{item.key}=x"]]
    if item.short:
        lines.append([item.short] if item.kind is bool else [item.short, "x"])
    for line in lines:
        plain = read_plain(["list", *line])
        assert plain is not None
        assert plain.given
        assert plain == read_by_click(["list", *line]) == read_plain([*line, "list"])


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            "--help",
            "a --help",
            "-h",
            "--version",
            "a --version",
            "-j 5",
            "a -j5",
            "a -qv",
            "a --nothing",
            "a -j",
            "a -- b",
        ),
        *("a --jobs -5", "a -j 5 -j 6", "a --mtime --no-mtime", "a --quiet=yes", "a --job 5", "a --http2"),
        *("--install-completion", "a --show-completion bash", "a --dir --quiet"),
    ],
)
def test_all_else_is_left_to_click(line: str) -> None:
    assert read_plain(line.split()) is None


def test_ordinary_command_line() -> None:
    words = ["a.txt", "-", "--header", "K: V", "-H", "L: W", "-o", "x", "--config=c", "--dry-run", "-q", "--no-mtime"]
    words += ["--profile", "a", "--profile=b"]
    given = {"header": ("K: V", "L: W"), "quiet": True, "mtime": False}
    assert read_plain(words) == FetchOptions(("a.txt", "-"), given, "c", "x", True, ("a", "b"))


@pytest.mark.parametrize("words", [["--version"], ["--version", "--quiet"]], ids=["at once", "by click"])
def test_version(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "downloader", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert (done.stdout, done.stderr) == (f"dl {__version__}\n", "")


def test_version_that_cannot_be_printed(tmp_path: Path) -> None:
    with Path(os.devnull).open("rb") as unwritable:
        command = [sys.executable, "-m", "downloader", "--version"]
        done = subprocess.run(command, stdout=unwritable, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 3
    assert "cannot write the output" in done.stderr
