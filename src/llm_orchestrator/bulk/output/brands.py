"""What outputs call a provider: its brand."""

_BRANDS = {"anthropic": "claude"}


def brand(provider: str | None) -> str:
    """The word in names of folders and in rows."""
    return _BRANDS.get(provider or "", provider or "unknown")
