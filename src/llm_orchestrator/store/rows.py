"""The rows of the ledger. Field order is column order; times are unix microseconds.

They are plain structs because they are made three times a call: building one costs 60 ns. Fields at
their default are not sent to the database, which has the same defaults.
"""

from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.money import Pico

CallStatus: TypeAlias = Literal["ok", "error", "cancelled"]
AttemptStatus: TypeAlias = Literal["ok", "error", "truncated", "cancelled", "dropped"]
CostSource: TypeAlias = Literal["price", "provider", "estimate", "unknown", "free"]


class AttemptRow(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """The intent of one wire request, committed before it is sent."""

    attempt_id: str
    call_id: str
    session_id: str | None = None
    number: int = 1
    provider: str
    model: str
    started_at: int
    hold_pico: Pico | None = None
    """The most that the attempt can cost; ``None`` is unknown."""
    price_version: str | None = None
    executor_id: str = ""
    """Who writes it; the ledger fills this in."""
    category: str = "orchestration"
    strategy: str | None = None
    user_id: str | None = None
    tags: str | None = None
    """JSON text."""
    key_id: str | None = None
    """Which key it goes out with: a digest."""


class SettlementRow(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """How an attempt ended. Tokens and cost that nobody knows are ``None``, never 0."""

    attempt_id: str
    status: AttemptStatus
    error: str | None = None
    """Class name of the error."""
    status_code: int | None = None
    request_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_estimated: bool = False
    cost_pico: Pico | None = None
    cost_source: CostSource = "unknown"
    ended_at: int
    first_token_us: int | None = None
    latency_us: int


class CallRow(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """One call of a user, written when it has ended; its tokens and cost are of all attempts."""

    call_id: str
    session_id: str | None = None
    started_at: int
    ended_at: int
    status: CallStatus
    provider: str | None = None
    """Who answered."""
    model: str | None = None
    requested_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_pico: Pico | None = None
    latency_us: int
    first_token_us: int | None = None
    category: str = "orchestration"
    strategy: str | None = None
    user_id: str | None = None
    tags: str | None = None
    """JSON text."""
    stream: bool = False
    fallback_used: bool = False
    routing_decision: str | None = None
    """JSON text."""
    error: str | None = None
    request_body: str | None = None
    response_body: str | None = None
    cache_hit: bool = False
    saved_pico: Pico | None = None
    """What the answer would have cost, had it not been in the cache."""
    features: str | None = None
    """JSON text: hashes of the prompt's words and its category, for `routing.learn`."""


Row: TypeAlias = AttemptRow | SettlementRow | CallRow


class Group(msgspec.Struct, gc=False, omit_defaults=True):
    """Rows that are committed together."""

    attempts: list[AttemptRow] = []
    settlements: list[SettlementRow] = []
    calls: list[CallRow] = []

    def __len__(self) -> int:
        return len(self.attempts) + len(self.settlements) + len(self.calls)

    def extend(self, other: "Group") -> None:
        """Take the rows of another group in."""
        self.attempts += other.attempts
        self.settlements += other.settlements
        self.calls += other.calls
