"""Candidates for tests: a provider on each wire, and models with abilities."""

from typing import Any

from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider, Quirks
from llm_orchestrator.types.secret import Secret

KEY = "TEST_KEY"
NEWEST = "2026-10-21"
OLDER = "2023-06-01"
_OPENAI: dict[str, Any] = {
    "count_path": "/responses/input_tokens",
    "embeddings_format": "base64",
}


def openai(
    abilities: str | None = None,
    *,
    id: str = "gpt-x",
    lacks: str = "",
    local: bool = False,
    context: int | None = None,
    **quirks: Any,
) -> Candidate:
    """A model on the wire of Chat Completions; ``abilities`` are words, ``None`` is unknown."""
    provider = Provider(
        name="openai",
        dialect="openai",
        base_url="https://api.openai.com/v1",
        key=Secret(KEY),
        lacks=frozenset(lacks.split()),  # type: ignore[arg-type]
        local=local,
        quirks=Quirks(**(_OPENAI | quirks)),
    )
    return Candidate(provider, model("openai", id, abilities, context=context))


def anthropic(
    abilities: str | None = None,
    *,
    id: str = "claude-x",
    version: str = NEWEST,
    max_output: int | None = None,
    lacks: str = "embeddings",
) -> Candidate:
    """A model on the wire of Messages."""
    provider = Provider(
        name="anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com/v1",
        key=Secret(KEY),
        auth="x-api-key",
        lacks=frozenset(lacks.split()),  # type: ignore[arg-type]
        quirks=Quirks(version=version),
    )
    return Candidate(provider, model("anthropic", id, abilities, max_output=max_output))


def gemini(
    abilities: str | None = None,
    *,
    id: str = "gemini-x",
    lacks: str = "",
    **quirks: Any,
) -> Candidate:
    """A model on the wire of generateContent."""
    provider = Provider(
        name="gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1",
        key=Secret(KEY),
        auth="x-goog-api-key",
        lacks=frozenset(lacks.split()),  # type: ignore[arg-type]
        quirks=Quirks(**quirks),
    )
    return Candidate(provider, model("gemini", id, abilities))


def on(wire: str) -> Candidate:
    """A model that nothing is known of, on that wire."""
    return {"openai": openai, "anthropic": anthropic, "gemini": gemini}[wire]()


def cohere(
    abilities: str | None = None, *, base_url: str = "https://api.cohere.com", **quirks: Any
) -> Candidate:
    """A model on Cohere's wire."""
    provider = Provider(
        name="cohere",
        dialect="cohere",
        base_url=base_url,
        key=Secret(KEY),
        quirks=Quirks(**quirks),
    )
    return Candidate(provider, model("cohere", "command-x", abilities))


def responses(abilities: str | None = None, *, id: str = "gpt-x", **quirks: Any) -> Candidate:
    """A model on the wire of Responses."""
    provider = Provider(
        name="openai",
        dialect="responses",
        base_url="https://api.openai.com/v1",
        key=Secret(KEY),
        quirks=Quirks(**(_OPENAI | quirks)),
    )
    return Candidate(provider, model("openai", id, abilities))


def model(provider: str, id: str, abilities: str | None = None, **limits: int | None) -> Model:
    """A model with these abilities and limits."""
    words = None if abilities is None else frozenset(abilities.split())
    return Model(provider=provider, id=id, abilities=words, **limits)  # type: ignore[arg-type]


def reply(status: int, body: bytes | str, **headers: str) -> HTTPReply:
    """A whole reply; underscores in header names stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else body.encode()
    return HTTPReply(status, {"Content-Type": "application/json"} | named, data)
