"""How long an answer may be, where nothing is known of the caller's own answers."""

from collections.abc import Mapping
from typing import Any

from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.catalog.estimate import DEFAULT_ANSWER
from llm_orchestrator.catalog.thinking import expected_thought
from llm_orchestrator.types.model import Model

_WORDS = 12
"""Tokens of a free text in a structured answer."""
_ENTRIES = 3
"""Entries of a list in one."""
_DEEP = 12


def answer_tokens(task: Task, model: Model) -> int:
    """Tokens of an answer as it may be expected, thoughts among them."""
    if task.kind == "embedding":
        return 0
    thought = expected_thought(model, task.options.get("effort"))
    if task.schema is None:
        return DEFAULT_ANSWER + thought
    return 2 + _tokens(task.schema.schema, task.schema.schema, 0) + thought


def _tokens(schema: Any, root: Mapping[str, Any], depth: int) -> int:
    """Tokens of a value of this schema: by its names, its choices and what values there are."""
    if not isinstance(schema, Mapping) or depth > _DEEP:
        return _WORDS
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        definitions = root.get("$defs") or root.get("definitions") or {}
        return _tokens(definitions.get(name), root, depth + 1)
    if choices := schema.get("anyOf"):
        return max(_tokens(one, root, depth + 1) for one in choices)
    if choices := schema.get("enum"):
        return max(_text(str(one)) for one in choices)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties") or {}
            return 2 + sum(
                _text(name) + 2 + _tokens(one, root, depth + 1) for name, one in properties.items()
            )
        case "array":
            return 2 + _ENTRIES * (1 + _tokens(schema.get("items"), root, depth + 1))
        case "string":
            return _WORDS
        case "number":
            return 3
    return 1


def _text(text: str) -> int:
    return max(1, -(-len(text) // 4))
