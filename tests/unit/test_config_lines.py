"""The lines of the values of a TOML file."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.settings.config_lines import line_numbers

TEXT = '''# a comment
a = 1

"quoted key" = "x # y"
b.c = 2
"d.e" = [
  "]",
  # inside
  "f = 1",
]
g = """
h = 2
[i]
"""
j = { k = 1, l = { m = 2 } }
[table]   # a comment
a = 3
[table."x.y".z]
'n=' = 4
[[many]]
o = 5
[profile.polite.host."*.example.org"]
wait = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("quoted key",), 4),
        (("b", "c"), 5),
        (("b",), 5),
        (("d.e",), 6),
        (("g",), 11),
        (("j",), 15),
        (("j", "l", "m"), 15),
        (("table",), 16),
        (("table", "a"), 17),
        (("table", "x.y", "z"), 18),
        (("table", "x.y", "z", "n="), 19),
        (("many",), 20),
        (("many", "o"), 21),
        (("profile", "polite", "host", "*.example.org"), 22),
        (("profile", "polite", "host", "*.example.org", "wait"), 23),
        (("h",), None),
        (("i",), None),
        (("f",), None),
    ],
)
def test_line_of_a_value(path: tuple[str, ...], line: int | None) -> None:
    assert line_numbers(TEXT).get(path) == line


@pytest.mark.parametrize("text", ["", "\n\n# x\n", "   # x"])
def test_without_values(text: str) -> None:
    assert line_numbers(text) == {}


KEYS = st.sampled_from(["a", "b-c", '"d.e"', "'f='", '"g\\"h"', "i.j"])
VALUES = st.sampled_from(["1", '"="', '"""\nx = 1\n"""', "[\n1,\n2]", "{ x = 1 }", "'#'", "true # no = here"])


@given(st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["", "\n", "# c\n"])), unique_by=lambda item: item[0]))
def test_every_value_has_the_line_of_its_key(items: list[tuple[str, str, str]]) -> None:
    text, expected, number = "", [], 1
    for key, value, before in items:
        text += f"{before}{key} = {value}\n"
        expected.append(number + before.count("\n"))
        number += before.count("\n") + value.count("\n") + 1
    table = tomllib.loads(text)
    lines = line_numbers(text)

    def tops(value: Any) -> list[str]:
        return list(value)

    assert [lines[key,] for key in tops(table)] == expected
