"""What a call is booked under, checked before anything is paid for."""

from collections.abc import Mapping
from typing import Any

from llm_orchestrator.engine.parts import as_json, clean, kind
from llm_orchestrator.errors import InvalidRequestError

CATEGORY = "orchestration"
"""That of calls which name none."""


def category(value: Any) -> str:
    """The category of a call."""
    return CATEGORY if value is None else clean(value, "category")


def tags(value: Any) -> str | None:
    """The tags as JSON text; ``None`` without any."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"tags: expected a mapping of texts, got {kind(value)}")
    for name, text in value.items():
        clean(name, "tags: a name")
        clean(text, f"tags[{name!r}]")
    return as_json(dict(value), "tags") if value else None
