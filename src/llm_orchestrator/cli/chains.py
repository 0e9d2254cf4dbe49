"""Chains of models by name, as older tools know them."""

from llm_orchestrator.catalog.naming import maker
from llm_orchestrator.cli import output
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.providers.resolve import Directory

CHAINS: dict[str, tuple[str, ...]] = {
    "mixed": (
        "gpt-4o-mini",
        "claude-haiku-3.5",
        "claude-sonnet-3.5",
        "gpt-4o",
        "claude-opus-3",
    ),
    "anthropic": ("claude-haiku-3.5", "claude-sonnet-3.5", "claude-opus-3"),
    "openai": ("gpt-4o-mini", "gpt-4o", "gpt-4"),
    "fast": ("claude-haiku-3.5", "gpt-4o-mini", "claude-sonnet-3.5"),
}
"""Chain name to its models, in the order in which they are asked."""


def expand(chain: str, directory: Directory) -> list[str]:
    """The models of a chain: those written with commas, or those of a named chain.

    Of a named chain, members whose provider has no key are left out, and named on stderr.
    """
    members = CHAINS.get(chain.strip())
    if members is None:
        return [name.strip() for name in chain.split(",") if name.strip()]
    usable = {row.name for row in directory.configured()}
    kept = [name for name in members if maker(name) in usable]
    skipped = [name for name in members if name not in kept]
    if not kept:
        raise ConfigError(f"no member of the chain {chain} has a provider with a key")
    if skipped:
        output.note(f"skipped, as their providers have no key: {', '.join(skipped)}")
    return kept
