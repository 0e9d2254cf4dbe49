"""Page tokens: opaque to the caller, a position to us."""

from __future__ import annotations

import base64
import binascii


def token(position: int) -> str:
    """The token of the page that starts here."""
    return base64.urlsafe_b64encode(f"at {position}".encode()).decode()


def start(given: str) -> int | None:
    """Where a page starts; None for a token that is not ours, 0 without one."""
    if not given:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(given).decode().partition(" ")
    except (binascii.Error, ValueError):
        return None
    return int(number) if word == "at" and number.isdigit() else None
