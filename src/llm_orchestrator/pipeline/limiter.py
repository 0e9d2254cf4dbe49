"""Keeps to rate limits: those of the configuration, and those that replies tell."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from llm_orchestrator.errors import OrchestratorError, QuotaExhaustedError, RateLimitError
from llm_orchestrator.pipeline.attempt import Attempt
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.pipeline.limits.gates import Need
from llm_orchestrator.pipeline.limits.keeper import Keeper
from llm_orchestrator.pipeline.limits.line import FEW, SMALL, Line, Take
from llm_orchestrator.pipeline.limits.rules import Rules, key_id
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.secret import Secret

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.limits.gates import Gate
    from llm_orchestrator.pipeline.limits.shared import Shared
    from llm_orchestrator.pipeline.limits.view import RateLimit

_FAILURE = 300


class Limiter(Guard):
    """Lets an attempt out when its limits have room, by priority and then by age.

    It comes before what books an attempt, so that one who waits, or is refused, holds nothing. A
    refusal is a `RateLimitError` that is ``unsent``: it says nothing of the provider's health, and
    nobody waits for it again. ``learn``: read the headers of replies.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        learn: bool = True,
        shared: "Shared | None" = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.keeper = Keeper(clock, shared)
        self._clock = clock
        self._rules = rules
        self._learn = learn
        self._lines: dict[tuple[str, str], tuple[Line, Secret | None]] = {}
        self._all: dict[str, Line] = {}

    def view(self) -> "tuple[RateLimit, ...]":
        """The limits of every model and key that was asked, as they stand."""
        return self.keeper.view(self.lines)

    def configured(self, target: Candidate) -> "list[Gate]":
        """The limits that the configuration sets a candidate, without those of replies."""
        row = target.provider
        return self._rules.gates(row.name, key_id(row.key), target.model.id)

    @property
    def lines(self) -> list[Line]:
        """Every model and key that was asked."""
        return list(self._all.values())

    async def enter(self, attempt: Attempt) -> None:
        """Wait in line as long as the attempt may; raises `RateLimitError` if that is too short."""
        target = attempt.candidate
        known = self._lines.get((target.provider.name, target.model.id))
        line = (
            known[0]
            if known is not None and known[1] is target.provider.key
            else self._line(target)
        )
        most = attempt.most_input
        if line.tickets and most <= line.small and self._clock() < line.until:
            with suppress(IndexError):  # another thread may have taken the last
                attempt.take = line.tickets.pop()
                return
        if not (line.own or line.blocked or line.pace) and (
            not line.gauges or (line.free > 0 and most <= SMALL)
        ):
            line.free -= 1
            attempt.take = line
            return
        need = line.need(most, attempt.request.max_tokens)
        take = self.keeper.take(line, need, most if line.own else 0)
        if take is None:
            priority = attempt.call.priority
            take = await self.keeper.wait(line, need, priority, attempt.patience)
            attempt.begin()
        attempt.take = take

    def leave(self, attempt: Attempt) -> None:
        """Count what it really used, and learn from its reply."""
        take = attempt.take
        if take is None:
            return
        attempt.take = None
        usage, error = attempt.usage, attempt.error
        if type(take) is not Take:
            if error is None and (take.free > FEW or take.blind) and take.calm:
                return
            line: Line = take
        else:
            line = take.line
        if type(take) is Take and (
            line.sized or line.slotted or take.marks is not None or attempt.status != "ok"
        ):
            seconds = attempt.latency if attempt.status == "ok" else None
            self.keeper.settle(take, _used(attempt, take.need), seconds)
        if (
            line.sized
            and usage is not None
            and attempt.status == "ok"
            and not usage.estimated
            and not (type(take) is Take and take.ticket)
        ):
            line.saw(attempt.most_input, usage)
        if not self._learn or attempt.headers is None:
            return
        if error is not None or not ((line.free > FEW or line.blind) and line.calm):
            refused = _refused(error)
            rest = error.retry_after if refused and error is not None else None
            ok = error is None
            self.keeper.learn(line, attempt.headers, ok=ok, refused=refused, rest=rest)

    def close(self) -> None:
        """Tell those who wait that nobody goes any more."""
        self.keeper.close()

    async def hang_up(self) -> None:
        """Close the connection to the shared count, once the last attempt has ended."""
        if self.keeper.shared is not None:
            await self.keeper.shared.close()

    def _line(self, target: Candidate) -> Line:
        """The line of this model and key; made when it is first asked."""
        row, model = target.provider, target.model.id
        key = key_id(row.key)
        name = f"{row.name}#{key}/{model}"
        line = self._all.get(name)
        if line is None:
            line = self.keeper.line(
                row.name,
                model,
                name,
                self._rules.gates(row.name, key, model),
                learns=self._learn and not row.local,
                daily=row.quirks.daily_requests,
            )
            line = self._all.setdefault(name, line)  # another thread may have been first
        self._lines[row.name, model] = (line, row.key)
        return line


def _refused(error: OrchestratorError | None) -> bool:
    return isinstance(error, RateLimitError) and not isinstance(error, QuotaExhaustedError)


def _used(attempt: Attempt, need: Need) -> Need:
    """What it really used; what nobody knows is what was expected."""
    usage = attempt.usage
    if attempt.status == "dropped":
        return 0, 0, 0, 0
    if usage is not None:
        fresh = usage.input_tokens - (usage.cache_read_tokens or 0)
        return 1, usage.input_tokens + usage.output_tokens, fresh, usage.output_tokens
    if attempt.status == "error" and (attempt.status_code or _FAILURE) >= _FAILURE:
        return 1, 0, 0, 0
    return need
