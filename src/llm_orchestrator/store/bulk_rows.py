"""The rows of bulk runs, as the tables have them: times in unix microseconds, money in pico-USD."""

import os
from enum import IntEnum
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico

RunState: TypeAlias = Literal[
    "loading",
    "planned",
    "running",
    "paused",
    "cancelling",
    "completed",
    "partial",
    "cancelled",
    "failed",
]
Lane: TypeAlias = Literal["batch", "online"]
UnitState: TypeAlias = Literal["prepared", "sending", "sent", "ended", "collected", "dropped"]
Proof: TypeAlias = Literal["reply", "tag", "match", "rows"]
OPEN: tuple[UnitState, ...] = ("prepared", "sending", "sent", "ended")
"""States of units that are not over."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
GONE = "-"
"""How the digest of an item begins that is paid and no longer in the input: it is in no output."""
CUT = "cut at max_tokens"
"""How the error of an item begins whose answer was cut."""
PREFIX = 6
"""Signs before the number in a custom id."""


class ItemState(IntEnum):
    """Where an item is."""

    WAITING = 0
    SENT = 1
    """In a unit of work."""
    DONE = 2
    RETRY = 3
    """It failed, and may succeed another time."""
    FAILED = 4
    """It would fail again."""
    REJECTED = 5
    """Its row cannot be asked for at all."""


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One bulk run. ``spec``, ``decisions`` and ``estimate`` are JSON texts."""

    run_id: str
    name: str | None = None
    state: RunState = "loading"
    spec: str = "{}"
    out: str | None = None
    input_digest: str | None = None
    cap_pico: Pico | None = None
    created_at: int
    started_at: int | None = None
    deadline_at: int | None = None
    ended_at: int | None = None
    priority: int = 5
    items: int | None = None
    rejects: int | None = None
    owner: str | None = None
    owner_until: int | None = None
    """On the clock of the wall, as all leases are."""
    decisions: str | None = None
    estimate: str | None = None
    error: str | None = None
    user_id: str | None = None
    tags: str | None = None

    def driven(self, now: float) -> bool:
        """Whether somebody is at it; ``now``: unix seconds by the wall."""
        return self.owner is not None and (self.owner_until or 0) >= now * 1e6


class NewItem(msgspec.Struct, gc=False):
    """A row of the input for one task. ``row`` is JSON; ``digest`` is of all that is asked."""

    item_no: int
    task: str
    user_id: str
    digest: str
    row: bytes
    state: ItemState = ItemState.WAITING
    error: str | None = None
    provider: str | None = None
    """Who is to be asked, where every row is asked of several."""
    model: str | None = None


class ItemRow(msgspec.Struct, frozen=True, gc=False):
    """An item as it stands."""

    item_no: int
    task: str
    user_id: str
    digest: str
    row: bytes
    state: int
    round: int
    provider: str | None
    model: str | None
    work_id: str | None
    result: bytes | None
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cost_pico: Pico | None
    repaired: bool

    @property
    def gone(self) -> bool:
        """Whether its row is no longer in the input."""
        return self.digest.startswith(GONE)


class Outcome(msgspec.Struct, gc=False):
    """What became of an item in a unit of work; unknown tokens and costs are ``None``."""

    item_no: int
    state: ItemState
    result: bytes | None = None
    """The answer as JSON."""
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cost_pico: Pico | None = None
    repaired: bool = False


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of work: a batch at a provider, or a chunk of the online lane. See `tables_bulk`."""

    work_id: str
    run_id: str
    task: str
    provider: str
    model: str
    account: str
    lane: Lane = "batch"
    state: UnitState = "prepared"
    round: int = 0
    send_no: int = 0
    sending_at: int | None = None
    sending_real: int | None = None
    gate: str | None = None
    proof: Proof | None = None
    tag: str
    prefix: str
    past: str | None = None
    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    file_id: str | None = None
    """``None`` until it is uploaded; empty where nothing is."""
    batch_id: str | None = None
    mark: str | None = None
    hours: int = 24
    count: int
    embeds: bool = False
    max_tokens: int | None = None
    """Its answers are cut to so many, by us; ``None``: as the task says, or the model."""
    reserved: bool = False
    done: int | None = None
    failed: int | None = None
    strange: int | None = None
    provider_state: str | None = None
    created_at: int
    sent_at: int | None = None
    next_at: int | None = None
    ended_at: int | None = None
    collected_at: int | None = None
    cancel_at: int | None = None
    cancel_why: str | None = None
    expected_pico: Pico | None = None
    hold_pico: Pico | None = None
    cost_pico: Pico | None = None
    """``None`` as long as nobody knows it; items have the parts that are known."""
    realtime_pico: Pico | None = None
    unknown: int | None = None
    """Calls of the online lane whose cost nobody knows; ``cost_pico`` is that of the others."""
    unknown_pico: Pico | None = None
    """What those may have cost at most."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    owner: str | None = None
    owner_until: int | None = None
    error: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing of it changes any more."""
        return self.state not in OPEN


def new_work_id() -> str:
    """An id for a unit of work: small letters and digits."""
    return "w" + _random(19)


def _random(length: int) -> str:
    # Of 256 values, 252 fall evenly on 36 signs; the others are left out.
    found = ""
    while len(found) < length:
        found += "".join(_DIGITS[byte % 36] for byte in os.urandom(length) if byte < 252)
    return found[:length]


def tag_of(work_id: str, number: int = 1) -> str:
    """The tag of its batch at the provider; ``number`` counts its batches from 1."""
    return f"llmo-{work_id}" if number == 1 else f"llmo-{work_id}-{number}"


def prefix_of(work_id: str) -> str:
    """How all its custom ids begin."""
    return work_id[1 : PREFIX + 1]


def custom_id(prefix: str, item_no: int) -> str:
    """The id of an item in a batch: the unit's prefix and the item's number in base 36."""
    text = ""
    while item_no:
        item_no, digit = divmod(item_no, 36)
        text = _DIGITS[digit] + text
    return prefix + (text or "0")


def item_no_of(prefix: str, custom: str | None) -> int | None:
    """The item that a custom id means; ``None`` for an id that is not the unit's."""
    if custom is None or not custom.startswith(prefix):
        return None
    text = custom[len(prefix) :]
    try:
        number = int(text, 36)
    except ValueError:
        return None
    return number if number >= 0 and custom_id(prefix, number) == custom else None
