"""How names of models are read: providers, dates, fine-tunes and near names."""

import re
from collections.abc import Iterable, Mapping

PROVIDER_ALIASES: dict[str, str] = {
    "claude": "anthropic",
    "google": "gemini",
    "aws": "bedrock",
    "amazon": "bedrock",
    "vertexai": "vertex",
    "vertex_ai": "vertex",
    "together_ai": "together",
    "togetherai": "together",
}
"""Other names of providers."""

HOSTS = ("groq", "together", "deepinfra", "vertex", "bedrock", "openrouter")
"""Providers that serve models of other makers."""
SEARCH_ORDER = ("openai", "anthropic", "gemini", "mistral", "cohere", "perplexity", *HOSTS)
"""Where a name without a provider is looked for: makers of models first, then their hosts."""

_MAKERS = (
    (re.compile(r"(ft:)?(gpt-|chatgpt-|o\d|text-embedding-)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "gemini"),
    (
        re.compile(r"(open-)?(mistral|ministral|mixtral|codestral|magistral|devstral|pixtral)"),
        "mistral",
    ),
    (re.compile(r"(command|embed)-"), "cohere"),
    (re.compile(r"sonar(-|$)"), "perplexity"),
)
_DATE = re.compile(r"[-@](20\d{2}-?[01]\d-?[0-3]\d|latest|default)$")
_TUNED = re.compile(r"ft:(?P<base>[^:]+)(:.*)?$")
_ROUTED = re.compile(r"(?P<base>.+):(nitro|floor|online|exacto|extended|thinking|beta)$")


def maker(name: str) -> str | None:
    """The provider that makes models called like this, for names newer than the catalogue."""
    lowered = name.lower()
    return next((provider for pattern, provider in _MAKERS if pattern.match(lowered)), None)


def undated(name: str) -> str | None:
    """The name without the date (or ``-latest``) at its end; ``None`` when it has none."""
    found = _DATE.search(name)
    return name[: found.start()] if found else None


def tuned(name: str) -> str | None:
    """What a fine-tuned model was made from (``ft:gpt-4o-mini-2024-07-18:team::id``)."""
    found = _TUNED.match(name)
    return found["base"] if found else None


def routed(name: str) -> str | None:
    """The model behind a router's variant of it (``:nitro``)."""
    found = _ROUTED.match(name)
    return found["base"] if found else None


def near(name: str, names: Iterable[str], n: int) -> list[str]:
    """The ``n`` names that are written most alike, the nearest first."""
    from difflib import get_close_matches

    by_lower: dict[str, str] = {}
    for known in names:
        by_lower.setdefault(known.lower(), known)
    return [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n, cutoff=0.5)]


def canonical(name: str, known: Iterable[str], aliases: Mapping[str, str]) -> str | None:
    """A provider's own name from any of its names; ``None`` when nobody is called that."""
    lowered = name.lower()
    lowered = aliases.get(lowered, lowered)
    return lowered if lowered in known else None
