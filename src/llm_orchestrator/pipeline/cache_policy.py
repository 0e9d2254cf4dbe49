"""How a call uses the cache."""

from collections.abc import Callable
from typing import Any

import msgspec

from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request


class CachePolicy(msgspec.Struct, frozen=True, gc=False):
    """That a call's answer may come from the cache and be kept, and what it depends on."""

    request: Request
    candidates: tuple[Candidate, ...]
    """Who may answer, in order; before anything that changes from call to call."""
    ttl: float
    """How old an answer may be, and how long this one counts, in seconds."""
    options: tuple[object, ...] = ()
    """The strategy and what it was told: JSON values."""
    tenant: str = ""
    """Whose answers these are; nobody else gets them."""
    refresh: bool = False
    """Ask anew whatever there is, and keep what comes."""
    parse: Callable[[str], Any] | None = None
    """Makes what was asked for of the answer's text; raises when it cannot."""
