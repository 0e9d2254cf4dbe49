"""A call of the user and its attempts, while they run."""

from collections.abc import Mapping, Sequence
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from llm_orchestrator.catalog.tokens import quarters
from llm_orchestrator.errors import (
    APITimeoutError,
    OrchestratorError,
    TruncatedError,
)
from llm_orchestrator.providers import credentials
from llm_orchestrator.types.events import (
    FinishEvent,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageEvent,
)
from llm_orchestrator.types.ids import ids
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.priority import NORMAL
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import AttemptInfo, FinishReason, Response
from llm_orchestrator.types.request import Part, Reasoning, Request, Text, ToolCall
from llm_orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.cache_policy import CachePolicy
    from llm_orchestrator.types.approval import Consent


class Call:
    """One call: what was asked, by whom, and every attempt made for it."""

    __slots__ = (
        "attempts",
        "began",
        "cache_policy",
        "cap",
        "category",
        "consent",
        "done",
        "features",
        "id",
        "notices",
        "priority",
        "request",
        "requested_model",
        "routing",
        "session_id",
        "shown",
        "started_at",
        "strategy",
        "tags",
        "user_id",
        "went_out",
    )

    def __init__(
        self,
        request: Request,
        *,
        session_id: str,
        requested_model: str | None = None,
        category: str = "orchestration",
        strategy: str = "fallback",
        user_id: str | None = None,
        tags: str | None = None,
        cap: Pico | None = None,
    ) -> None:
        self.id = ids.new("call")
        self.request = request
        self.session_id = session_id
        self.requested_model = requested_model
        self.category = category
        self.strategy = strategy
        self.user_id = user_id
        self.tags = tags
        self.cap = cap
        """The most that it may cost: it must not go out when its hold cannot be written."""
        self.routing: str | None = None
        """Who was to be asked and why, as JSON text, for the ledger."""
        self.cache_policy: CachePolicy | None = None
        """How its answer may come from the cache and be kept; ``None``: not at all."""
        self.priority = NORMAL
        """Who goes first where a rate limit makes calls wait: 10 first, 1 last."""
        self.consent: Consent | None = None
        """What somebody must consent to before it goes out."""
        self.features: str | None = None
        """What its row keeps of the prompt to learn from; no text of it."""
        self.went_out = False
        """Something of it may have reached a provider."""
        self.done = False
        """Whether the call has ended and is booked."""
        self.shown = False
        """Its reader has what has come and did not ask for more yet."""
        self.attempts: list[Attempt] = []
        self.notices: list[str] = []
        self.begin()

    def begin(self) -> None:
        """Its time counts from now."""
        self.started_at = int(time() * 1e6)
        self.began = perf_counter()

    def end(self) -> None:
        """Mark it as booked, and break reference cycles, which would wait for the GC."""
        self.done = True
        self.went_out = self.sent > 0
        for attempt in self.attempts:
            attempt.error = None
        self.attempts = []

    @property
    def sent(self) -> int:
        """How many attempts went out."""
        return sum(one.status != "dropped" for one in self.attempts)

    def infos(self) -> tuple[AttemptInfo, ...]:
        """The attempts so far that went out, for replies and errors."""
        return tuple([one.info() for one in self.attempts if one.status != "dropped"])


def reason_in(extra: dict[str, Any] | None) -> str:
    """Why an answer ended, in the provider's words."""
    reason = extra.get("reason") if extra else None
    return reason if isinstance(reason, str) else ""


def _length(part: Part) -> int:
    """What came, in quarters of a token."""
    match part:
        case Text() | Reasoning():
            return quarters(part.text)
        case ToolCall():
            return quarters(part.arguments)
    return 0


class Attempt:
    """One wire request, from its intent to its outcome."""

    __slots__ = (
        "began",
        "call",
        "candidate",
        "cost",
        "cost_source",
        "error",
        "finish_reason",
        "first_token",
        "headers",
        "hold",
        "id",
        "latency",
        "most_input",
        "number",
        "patience",
        "quarters",
        "reported_cost",
        "request",
        "request_id",
        "said_something",
        "sent",
        "started_at",
        "status",
        "status_code",
        "take",
        "tier",
        "usage",
        "why",
    )

    def __init__(
        self,
        call: Call,
        candidate: Candidate,
        most_input: int,
        sent: Request | Sequence[str] | None = None,
    ) -> None:
        self.id = ids.new("att")
        self.call = call
        self.candidate = candidate
        self.most_input = most_input
        """An upper bound of its input in tokens: no text has more of them than bytes."""
        self.sent = call.request if sent is None else sent
        """What goes out: a request, or texts to be embedded."""
        self.request = self.sent if isinstance(self.sent, Request) else call.request
        """What is asked: the call's request, or what a strategy or a broken stream made of it."""
        self.number = call.sent + 1
        self.started_at = int(time() * 1e6)
        self.began = perf_counter()
        self.status = "cancelled"
        """What it is until something better is known: a task can end at any await."""
        self.error: OrchestratorError | None = None
        self.status_code: int | None = None
        self.request_id: str | None = None
        self.usage: Usage | None = None
        self.reported_cost: Pico | None = None
        self.tier: str | None = None
        self.cost: Pico | None = None
        self.cost_source = "unknown"
        self.hold: Pico | None = None
        self.first_token: float | None = None
        self.latency = 0.0
        self.finish_reason: FinishReason = "other"
        self.why = ""
        """The provider's words for it, where it gives any."""
        self.said_something = False
        """Whether text or a tool call came: thoughts alone are no answer."""
        self.quarters = 0
        """The length of what came, in quarters of a token: to estimate by where no usage comes."""
        self.patience = 0.0
        """The most seconds that it may wait in line before it goes out."""
        self.take: Any = None
        """What the limiter has counted for it."""
        self.headers: Mapping[str, str] | None = None
        """The headers of the reply, once it came."""
        call.attempts.append(self)

    def begin(self) -> None:
        """Start its clock: time spent waiting for a limit does not count as the provider's."""
        self.started_at = int(time() * 1e6)
        self.began = perf_counter()

    def answered(self, response: Response) -> None:
        """A whole reply came."""
        self.usage = response.usage
        self.request_id = response.request_id and credentials.blanked(
            response.request_id, self.candidate.provider
        )
        self.reported_cost = response.reported_cost
        self.tier = response.service_tier
        if response.usage is None:
            self.quarters = sum(map(_length, response.parts))

    def saw(self, event: StreamEvent) -> bool:
        """Note what an event tells; whether it is a piece of the answer."""
        if isinstance(event, TextDelta):
            self.quarters += quarters(event.text)
            self.said_something = True
        elif isinstance(event, ReasoningDelta):
            self.quarters += quarters(event.text)
        elif isinstance(event, ToolCallDelta):
            self.quarters += quarters(event.arguments)
            self.said_something = True
        else:
            if isinstance(event, UsageEvent):
                self.usage = event.usage
                self.reported_cost = event.reported_cost
                self.tier = event.service_tier or self.tier
            elif isinstance(event, FinishEvent):
                self.finish_reason = event.reason
                self.why = reason_in(event.extra)
            return False
        if self.first_token is None:
            self.first_token = perf_counter() - self.began
        return True

    def failed(self, error: OrchestratorError) -> None:
        """End the attempt with this error."""
        broke_off = isinstance(error, TruncatedError) or (
            isinstance(error, APITimeoutError) and self.quarters > 0
        )
        self.status = "truncated" if broke_off else "error"
        self.error = error
        if self.usage is None:
            self.usage = getattr(error, "usage", None)  # of an answer that is none, but was made
        self.request_id = self.request_id or error.request_id
        self.status_code = self.status_code or error.status_code

    def info(self) -> AttemptInfo:
        """The attempt as replies and errors show it."""
        return AttemptInfo(
            self.id,
            self.candidate.provider.name,
            self.candidate.model.id,
            self.status,
            type(self.error).__name__ if self.error else None,
            self.status_code,
            self.cost,
            self.usage,
            self.latency,
        )
