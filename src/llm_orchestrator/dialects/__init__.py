"""One room per wire format: what a request looks like there and what comes back. No I/O.

A dialect is a module with the functions of `base.Dialect`; `load` finds it by name.
"""

from functools import cache
from importlib import import_module
from typing import cast

from llm_orchestrator.dialects.base import Dialect


@cache
def load(name: str) -> Dialect:
    """The dialect of that name; its room is imported on first use."""
    return cast("Dialect", import_module(f"{__name__}.{name}"))
