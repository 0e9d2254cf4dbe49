"""Chains of models by name, as older tools know them."""

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
