"""What the modules of compiled.txt must not contain, because mypyc would make another program of it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [line for line in (ROOT / "compiled.txt").read_text().splitlines() if line and not line.startswith("#")]


def test_list_names_each_module_once() -> None:
    assert len(MODULES) == len(set(MODULES))
    assert [name for name in MODULES if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_generator_yields_while_it_handles_an_exception(module: str) -> None:
    """The handled exception of a compiled generator is that of its thread: another generator would see it."""
    found = []
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Try):
            clauses = [*node.handlers, *node.finalbody]
            inner = (part for clause in clauses for part in ast.walk(clause))
            found += [part.lineno for part in inner if isinstance(part, ast.Yield | ast.YieldFrom)]
    assert found == []


@pytest.mark.parametrize("module", MODULES)
def test_no_literal_has_half_a_character(module: str) -> None:
    """C has the literals in UTF-8, which has no surrogates."""
    literals = (node.value for node in ast.walk(ast.parse((ROOT / module).read_text())) if isinstance(node, ast.Constant))
    assert [text for text in literals if isinstance(text, str) and re.search("[\ud800-\udfff]", text)] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_class_has_keyword_arguments(module: str) -> None:
    """mypyc drops them: `class Head(Struct, frozen=True)` would not be frozen."""
    classes = (node for node in ast.walk(ast.parse((ROOT / module).read_text())) if isinstance(node, ast.ClassDef))
    assert [node.name for node in classes if node.keywords] == []


def test_a_compiled_class_has_only_compiled_subclasses() -> None:
    """Python refuses any other: `TypeError: interpreted classes cannot inherit from compiled`."""
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in (ROOT / "downloader").rglob("*.py")}
    classes = {(name, node) for name, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    compiled = {node.name for name, node in classes if name in MODULES}
    pure = [(name, node) for name, node in classes if name not in MODULES]
    assert [(name, node.name) for name, node in pure if compiled & {ast.unparse(base) for base in node.bases}] == []
