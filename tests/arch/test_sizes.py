"""Files of at most 400 lines, functions of at most 60; what is longer is listed, to shrink."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "tests", "tools", "examples", "benchmarks")
FILE_LINES = 400
FUNCTION_LINES = 60

# Path, or path::function -> its length. Lower the number when it shrinks; add nothing.
LONG: dict[str, int] = {}


def files() -> Iterator[Path]:
    """All of ours but migrations: those are records of the past, never edited."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.parent.parts[-2:] != ("migrations", "versions"):
                yield path


def long_ones() -> dict[str, int]:
    found: dict[str, int] = {}
    for path in files():
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        if (lines := text.count("\n")) > FILE_LINES:
            found[name] = lines
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = length(node, name)
                if lines > FUNCTION_LINES:
                    found[f"{name}::{node.name}"] = lines
    return found


def length(node: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> int:
    """Lines of a function; of a command only the body, for its signature is its options."""
    first = node.body[0].lineno if "/cli/" in path else node.lineno
    return (node.end_lineno or first) - first + 1


def test_nothing_is_too_long() -> None:
    found = long_ones()
    grown = {name: lines for name, lines in found.items() if lines > LONG.get(name, 0)}
    assert not grown, "split these"
    shrunk = {
        name: found.get(name, 0) for name, lines in LONG.items() if found.get(name, 0) < lines
    }
    assert not shrunk, "lower or remove these in LONG"


def test_files_stay_small_on_the_whole() -> None:
    lengths = [
        path.read_text(encoding="utf-8").count("\n") for path in files() if "src" in path.parts
    ]
    assert median(length for length in lengths if length) <= 150
