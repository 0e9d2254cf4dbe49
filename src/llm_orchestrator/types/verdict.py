"""What a user said of an answer."""

from typing import Literal, TypeAlias

import msgspec

Said: TypeAlias = Literal["good", "bad"] | bool | float
"""A verdict in the user's words; a number is from 0 (bad) to 1 (good)."""


class Verdict(msgspec.Struct, frozen=True):
    """A verdict that is in the store."""

    call_id: str
    model: str
    """``provider/model``, whose answer it was."""
    category: str | None
    """The kind of prompt."""
    verdict: float
    """From 0 (bad) to 1 (good)."""
    teaches: bool
    """Whether something can be learned from it: `routing.learn` was on when the call was made."""
