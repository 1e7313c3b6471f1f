"""Patterns with braces, and the Downloads that an entry with patterns stands for."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.model import Download
from downloader.core.names.brace_patterns import MAX_DEPTH, MAX_TEXTS, has_pattern, parse_pattern
from downloader.errors import DownloadError, UsageError
from downloader.sources.expansion import MAX_HOSTS, expansion_of

A = "https://a.example"


def texts(pattern: str) -> list[str]:
    """All texts of a pattern."""
    parsed = parse_pattern(pattern)
    return [parsed.nth(index) for index in range(parsed.count)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", [""]),
        ("plain", ["plain"]),
        ("a,b", ["a,b"]),
        ("{1..3}", ["1", "2", "3"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{1..9..2}", ["1", "3", "5", "7", "9"]),
        ("{1..10..4}", ["1", "5", "9"]),
        ("{9..1..2}", ["9", "7", "5", "3", "1"]),
        ("{1..9..-4}", ["1", "5", "9"]),
        ("{5..5}", ["5"]),
        ("{08..11}", ["08", "09", "10", "11"]),
        ("{1..003}", ["001", "002", "003"]),
        ("{0..2}", ["0", "1", "2"]),
        ("{-1..1}", ["-1", "0", "1"]),
        ("{-01..1}", ["-01", "000", "001"]),
        ("{a..e..2}", ["a", "c", "e"]),
        ("{C..A}", ["C", "B", "A"]),
        ("{a,b}", ["a", "b"]),
        ("{,x}", ["", "x"]),
        ("{a,}{,b}", ["a", "ab", "", "b"]),
        ("x{a,b}y{1..2}z", ["xay1z", "xay2z", "xby1z", "xby2z"]),
        ("{a,{1..2},{b,c}d}", ["a", "1", "2", "bd", "cd"]),
        ("{{a,b},{1..2}}{x,y}", ["ax", "ay", "bx", "by", "1x", "1y", "2x", "2y"]),
        (r"\{1..3\}", ["{1..3}"]),
        (r"{a\,b,c\}}", ["a,b", "c}"]),
        (r"a\\{b,c}", ["a\\b", "a\\c"]),
        (r"a\b", [r"a\b"]),
    ],
)
def test_texts_of_a_pattern(pattern: str, expected: list[str]) -> None:
    assert texts(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{", "a { without a }: '{'"),
        ("a{1..2", "a { without a }: '{1..2'"),
        ("{a,{b}", "{b} is neither a range nor a choice"),
        ("}", "a } without a { before it"),
        ("{a,b}}", "a } without a { before it"),
        ("{}", "{} is neither a range nor a choice"),
        ("{abc}", "{abc} is neither a range nor a choice"),
        ("{1..}", "{1..} is neither"),
        ("{1..2..}", "{1..2..} is neither"),
        ("{1...3}", "{1...3} is neither"),
        ("{1..a}", "{1..a} is neither"),
        ("{aa..bb}", "{aa..bb} is neither"),
        ("{1..2..3..4}", "{1..2..3..4} is neither"),
        ("{1..9..0}", "the step of {1..9..0} is 0"),
        ("{\u0661..\u0663}", "is neither"),
        ("{" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} braces within braces"),
        ("{1..999999999999999999}", "stand for more than 1,000,000,000,000 URLs"),
        ("{1..10000000}{1..10000000}", "stand for more than 1,000,000,000,000 URLs"),
    ],
)
def test_a_malformed_pattern_is_an_error_that_shows_the_braces(pattern: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_pattern(f"https://secret/{pattern}")
    assert said in caught.value.reason
    assert "secret" not in str(caught.value)


def test_a_pattern_of_very_many_texts_is_not_written_out() -> None:
    pattern = parse_pattern("{000000..999999}{a,b}{000000..499999}")
    assert pattern.count == MAX_TEXTS
    assert pattern.nth(0) == "000000a000000"
    assert pattern.nth(MAX_TEXTS - 1) == "999999b499999"


literals = st.text(alphabet="ab./0\\{},", max_size=4)


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> tuple[str, list[str]]:
    """A pattern and its texts, made from the inside out by a model that writes out every text."""
    kind = draw(st.sampled_from(["literal", "numbers", "letters", "choice", "sequence"][: 5 if depth else 3]))
    if kind == "literal":
        text = draw(literals)
        return "".join(f"\\{char}" if char in "\\{}," else char for char in text), [text]
    if kind == "numbers":
        first, last, step = draw(st.integers(-20, 20)), draw(st.integers(-20, 20)), draw(st.integers(1, 7))
        width = draw(st.integers(3, 5)) if draw(st.booleans()) else 0
        numbers = range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
        shown = f"{first:0{width}d}..{last:0{width}d}" + (f"..{step}" if step > 1 else "")
        return f"{{{shown}}}", [f"{number:0{width}d}" for number in numbers]
    if kind == "letters":
        first, last = sorted(draw(st.tuples(st.sampled_from("abcXYZ"), st.sampled_from("abcXYZ"))))
        return f"{{{first}..{last}}}", [chr(code) for code in range(ord(first), ord(last) + 1)]
    inner = draw(st.lists(patterns(depth - 1), min_size=2, max_size=3))
    if kind == "choice":
        return f"{{{','.join(text for text, _ in inner)}}}", [text for _, made in inner for text in made]
    return "".join(text for text, _ in inner), ["".join(parts) for parts in itertools.product(*(made for _, made in inner))]


@given(patterns())
def test_each_text_is_that_of_the_model(made: tuple[str, list[str]]) -> None:
    pattern, expected = made
    assert texts(pattern) == expected
    assert has_pattern(pattern) or expected == [pattern]


@given(st.text(alphabet="{},.\\a1-0", max_size=30))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except UsageError:
        return
    assert pattern.count >= 1
    pattern.nth(0)
    pattern.nth(pattern.count - 1)


# --- entries


def downloads(url: str, **fields: object) -> Iterator[Download]:
    """What an entry stands for."""
    expansion = expansion_of(Download(url, origin="l:1", **fields))  # type: ignore[arg-type]
    assert expansion is not None
    return expansion.downloads()


def test_an_entry_without_patterns_is_a_download_as_it_is() -> None:
    assert expansion_of(Download(f"{A}/1", out="a", mirrors=(f"{A}/2",), dir="d")) is None


def test_urls_mirrors_and_names_are_paired_in_order() -> None:
    entry = downloads(
        f"{A}/{{a,b}}/{{1..2}}",
        mirrors=("https://m.example/{w,x,y,z}", "https://n.example/all"),
        out="{01..04}.nc",
        dir="{p,q}{1,2}",
    )
    expected = [("a/1", "w", "01", "p1"), ("a/2", "x", "02", "p2"), ("b/1", "y", "03", "q1"), ("b/2", "z", "04", "q2")]
    assert list(entry) == [
        Download(
            f"{A}/{url}",
            mirrors=(f"https://m.example/{mirror}", "https://n.example/all"),
            out=f"{name}.nc",
            dir=folder,
            origin="l:1",
        )
        for url, mirror, name, folder in expected
    ]


def test_urls_are_clean_and_an_escaped_brace_is_encoded() -> None:
    assert [download.url for download in downloads(f"{A}/\\{{x\\}} {{\u00fc,b}}#part")] == [
        f"{A}/%7Bx%7D%20%C3%BC",
        f"{A}/%7Bx%7D%20b",
    ]


def test_patterns_in_the_host() -> None:
    assert [download.url for download in downloads("http{,s}://{a,b}.example:80{80..81}/x")][:3] == [
        "http://a.example:8080/x",
        "http://a.example:8081/x",
        "http://b.example:8080/x",
    ]
    assert [download.url for download in downloads("http://{a/x,b/y}")] == ["http://a/x", "http://b/y"]
    assert [download.url for download in downloads("http://{a,b}")] == ["http://a/", "http://b/"]


def test_headers_and_other_fields_are_those_of_the_entry() -> None:
    (first, second) = downloads(f"{A}/{{1,2}}", headers=(("A", "b"),), metadata=(("k", "v"),), priority=3)
    assert first.headers == second.headers == (("A", "b"),)
    assert (second.metadata, second.priority, second.origin) == ((("k", "v"),), 3, "l:1")


def test_a_billion_urls_are_not_written_out() -> None:
    expansion = expansion_of(Download(f"{A}/{{000000000..999999999}}", out="{1..1000000000}"))
    assert expansion is not None
    assert expansion.count == 10**9
    first = next(expansion.downloads())
    assert (first.url, first.out) == (f"{A}/000000000", "1")
    assert expansion.nth(10**9 - 1).out == "1000000000"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Download(f"{A}/{{1..3}}", out="{1..2}"), "the URL stands for 3 URLs, but out= for 2 texts"),
        (Download(f"{A}/{{1..3}}", dir="{1..4}"), "the URL stands for 3 URLs, but dir= for 4 texts"),
        (Download(f"{A}/{{1..3}}", mirrors=(f"{A}/{{a,b}}",)), "the URL stands for 3 URLs, but a mirror for 2 texts"),
        (Download(f"{A}/1", mirrors=(f"{A}/{{a,b}}",)), "the URL stands for 1 URLs, but a mirror for 2 texts"),
        (Download(f"{A}/{{1..3}}", checksums=(Checksum("md5", "0" * 32),)), "one checksum for 3 files"),
        (Download(f"{A}/{{1..3}}", out="{a,../b,c/}{,x}"), "the URL stands for 3 URLs, but out= for 6 texts"),
        (Download(f"{A}/{{1..2}}", out="{a,../b}"), "the path leaves the folder"),
        (Download(f"{A}/{{1..2"), "a { without a }"),
        (Download("{http,ftp}://a/1"), "cannot fetch ftp: URLs"),
        (Download("http://a:{65535..65536}/1"), "not a URL: the host or the port is malformed"),
        (Download("http://{a..z}{a..z}{a..z}{a..z}/"), f"stand for more than {MAX_HOSTS:,} hosts"),
        (Download("{a,b}"), "not a URL"),
        (Download("http://{a/x,:0/y}"), "not a URL"),
    ],
)
def test_a_wrong_entry_is_an_error_before_anything_is_made(entry: Download, said: str) -> None:
    with pytest.raises(DownloadError) as caught:
        expansion_of(entry)
    assert said in caught.value.reason
