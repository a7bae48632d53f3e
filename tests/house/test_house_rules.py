"""The house rules of ARCHITECTURE that no linter knows. A limit that hurts asks for a redesign, not for a raise."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("consent", "collector", "forwarders")
SOURCES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_FILE, MAX_FUNCTION, MAX_METHODS = 300, 50, 4
VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|common|base|misc)($|_)")


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("file", SOURCES, ids=relative)
def test_a_file_and_its_functions_keep_their_size(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE
    for function in functions(ast.parse(text)):
        assert (function.end_lineno or 0) - function.lineno + 1 <= MAX_FUNCTION, function.name


@pytest.mark.parametrize("file", SOURCES, ids=relative)
def test_nothing_is_imported_inside_a_function(file: Path) -> None:
    for function in functions(ast.parse(file.read_text(encoding="utf-8"))):
        inner = [node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not inner, f"{function.name} imports at line {inner}"


@pytest.mark.parametrize("file", SOURCES, ids=relative)
def test_a_module_says_what_it_is_for_and_has_a_name_of_the_trade(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), "no docstring"
    assert not VAGUE.search(file.stem), "a vague name"


def test_an_interface_has_at_most_four_methods() -> None:
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases):
                methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
                assert len(methods) <= MAX_METHODS, f"{relative(file)}: {node.name} has {methods}"


def test_no_open_work_hides_in_the_code() -> None:
    words = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")
    found = [relative(file) for file in SOURCES if words.search(file.read_text(encoding="utf-8"))]
    assert not found


def test_tests_replace_nothing_behind_our_back() -> None:
    words = re.compile(r"mock\." r"patch|monkey" r"patch|unittest\." r"mock")
    assert [relative(file) for file in TESTS if words.search(file.read_text(encoding="utf-8"))] == []


def test_a_test_file_asserts_something() -> None:
    words = re.compile(r"\bassert\b|pytest\.raises|snapshot|expect\(")
    quiet = [
        relative(file)
        for file in TESTS
        if file.name.startswith("test_") and not words.search(file.read_text(encoding="utf-8"))
    ]
    assert quiet == []


def test_serve_loads_nothing_that_can_reach_a_vendor() -> None:
    program = (
        "import sys; from importlib.metadata import entry_points; "
        "point, = entry_points(group='sluis.commands', name='serve'); point.load(); "
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in ('forwarders', 'aiohttp')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_the_check_for_serve_would_notice() -> None:
    program = "import sys, forwarders.transport; print('aiohttp' in sys.modules, 'forwarders' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["True", "True"]
