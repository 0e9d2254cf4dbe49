"""No decision is made by a provider's name: what differs between providers is data in its row."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_orchestrator.providers.table import ALIASES, TABLE

SOURCE = Path(__file__).parents[2] / "src" / "llm_orchestrator"
AT_HOME = ("providers", "simulator")  # the rows are there; the other one is all providers
NAMES = frozenset((*TABLE, *ALIASES))


def decisions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every comparison with a provider's name, and of every case of one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.match_case):
            held: ast.AST = node.pattern if isinstance(node, ast.match_case) else node
        elif is_question(node):
            held = node
        else:
            continue
        for part in ast.walk(held):
            if isinstance(part, ast.Constant) and part.value in NAMES:
                yield part.lineno, str(part.value)


def is_question(node: ast.AST) -> bool:
    """Whether a text is asked how it begins or ends."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"startswith", "endswith", "removeprefix"}
    )


def test_no_provider_is_decided_on_by_name() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{line}: {name}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in AT_HOME
        for line, name in decisions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found, "say it in the row of the provider (providers/table.py)"


@pytest.mark.parametrize(
    "text",
    [
        "if name == 'groq': pass",
        "wide = 'x' if row.name in {'groq', 'mistral'} else 'y'",
        "while provider.name != 'openai': pass",
        "match name:\n    case 'cohere' | 'x': pass",
        "match row:\n    case Provider(name='cohere'): pass",
        "if name.startswith('claude'): pass",
    ],
)
def test_decisions_are_seen(text: str) -> None:
    assert [name for _, name in decisions(ast.parse(text))]


def test_other_words_may_be_compared() -> None:
    assert not list(decisions(ast.parse("if dialect == 'sse' or kind in {'a'}: x = 'groq'")))
