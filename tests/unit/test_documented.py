"""The examples in the library's docstrings run as they stand; only their URLs are those of the local test server."""

import ast
import asyncio
import inspect
import pydoc
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import downloader
from downloader.testserver.launch import TestServer


def examples(item: object) -> list[str]:
    """The blocks of code in the docstring: what is indented below a line that ends with two colons."""
    text = inspect.getdoc(item) or ""
    blocks = re.findall(r"::\n\n((?:(?: +.*)?\n)+?)(?=\S|\Z)", f"{text}\n")
    return [textwrap.dedent(block) for block in blocks if "→" not in block]


def run(code: str, server: TestServer, known: dict[str, Any]) -> None:
    """Run an example; it may await."""
    local = re.sub(r"https://example\.org/(\w)\.\w+", lambda found: server.file(ord(found[1]), 10), code)
    local = local.replace("https://example.org/", f"{server.url}/")
    compiled: CodeType = compile(local, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = eval(compiled, known)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(done)


@pytest.mark.parametrize(
    "item",
    [
        downloader,
        downloader.download,
        downloader.adownload,
        downloader.stream,
        downloader.Downloader,
        downloader.Downloader.session,
        downloader.Downloader.run,
        downloader.Downloader.results,
        downloader.Downloader.arun,
        downloader.Downloader.stream,
        downloader.Results,
        downloader.Download,
        downloader.Report,
        downloader.Report.raise_for_errors,
    ],
    ids=lambda item: item.__qualname__ if hasattr(item, "__qualname__") else item.__name__,
)
def test_example_runs(
    item: object, server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    urls = [server.file(1, 10), f"{server.url}/missing"]
    found = examples(item)
    assert found
    known = {
        "downloader": downloader,
        "Download": downloader.Download,
        "urls": urls,
        "report": downloader.download(urls, "data"),
    }
    for code in found:
        run(code, server, known)
    assert "Traceback" not in capsys.readouterr().out


def test_help_begins_with_an_example_and_then_the_names() -> None:
    text = pydoc.plain(pydoc.render_doc(downloader))
    assert text.index("Example::") < text.index("downloader.download(urls") < text.index("What there is") < text.index("→")
    assert len(text[: text.index("downloader.download(urls")].splitlines()) <= 12
    named = set(re.findall(r"(?<!`)`(\w+)`(?!`)", (downloader.__doc__ or "").split("The layers")[0]))
    assert {name for name in downloader.__all__ if not name.endswith(("Error", "_"))} - named <= {
        "FileInUse",
        "FolderFull",
        "Interrupted",
        "JournalDamaged",
        "JournalUnavailable",
        "NameNotFound",
        "NoAnswer",
        "StoreUnavailable",
        "TotalReached",
        "Unwanted",
        "WrongPieces",
    }
    assert named <= set(downloader.__all__)


def public_items() -> list[tuple[str, object]]:
    """The public names but the version, and the public methods of the classes among them."""
    items = [(name, getattr(downloader, name)) for name in downloader.__all__ if name != "__version__"]
    for name, item in list(items):
        if isinstance(item, type):
            members = [(key, value) for key, value in vars(item).items() if not key.startswith("_")]
            items += [(f"{name}.{key}", value) for key, value in members if callable(value) or isinstance(value, property)]
    return items


@pytest.mark.parametrize(("name", "item"), public_items(), ids=[name for name, _ in public_items()])
def test_public_item_has_a_docstring_of_its_own(name: str, item: object) -> None:
    text = item.__doc__ or ""
    assert re.match(r"\S[^\n]{8,}[.:]($|\n| )", text), name


def section(text: str, name: str) -> str:
    """What is indented below ``name:`` in a docstring."""
    matched = re.search(rf"^{name}:\n((?: +.*\n|\n)+)", f"{text}\n", re.MULTILINE)
    return matched[1] if matched else ""


@pytest.mark.parametrize("function", [downloader.download, downloader.adownload, downloader.stream])
def test_public_function_describes_each_argument_what_it_returns_and_what_it_raises(function: Callable[..., object]) -> None:
    text = inspect.getdoc(function) or ""
    described = re.findall(r"^ {4}(\w+): ", section(text, "Args"), re.MULTILINE)
    assert described == list(inspect.signature(function).parameters)
    assert "second" in section(text, "Args")
    assert "bytes" in section(text, "Args")
    assert section(text, "Returns")
    assert {"UsageError", "StorageError", "Exception"} <= set(re.findall(r"\w+", section(text, "Raises")))
    assert "Example::" in text


@pytest.mark.parametrize("name", ["run", "results", "stream", "arun"])
def test_method_of_the_downloader_takes_what_the_function_takes(name: str) -> None:
    ours = list(inspect.signature(getattr(downloader.Downloader, name)).parameters)[1:]
    assert ours == [name for name in inspect.signature(downloader.download).parameters if name not in ("dir", "settings")]


def test_session_describes_each_argument() -> None:
    described = re.findall(r"^ {4}(\w+): ", section(inspect.getdoc(downloader.Downloader.session) or "", "Args"), re.MULTILINE)
    assert described == list(inspect.signature(downloader.Downloader.session).parameters)[1:]
