"""What a run is asked to do, as its row in the store has it."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

MergeRule = Literal["priority", "vote", "all"]
LaneWish = Literal["auto", "batch", "online"]
"""In which lane items go; ``auto``: whatever is cheaper and in time."""


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run's order; JSON data, so that any process can go on with it."""

    tasks: tuple[Mapping[str, Any], ...]
    """`Task.spec` of each."""
    source: str | None = None
    """The input file; ``None``: its rows came from the program or standard input."""
    models: tuple[str, ...] = ()
    """Whom it may ask; left out, whom the tasks name."""
    split: str = "price"
    lane: LaneWish = "auto"
    deadline_s: float | None = None
    """Seconds from its start."""
    retries: int = 2
    """Rounds for items that failed and may succeed."""
    elsewhere: bool = True
    """The last round asks another provider, where there is one."""
    concurrency: int = 24
    """Online calls in flight."""
    merge: MergeRule = "priority"
    quality: tuple[str, ...] = ("anthropic", "openai", "gemini")
    """Whose answer is taken where several gave one, the best first."""


def encode(spec: RunSpec) -> str:
    """As JSON text."""
    return msgspec.json.encode(spec).decode()


def decode(text: str) -> RunSpec:
    """From JSON text."""
    return msgspec.json.decode(text, type=RunSpec)
