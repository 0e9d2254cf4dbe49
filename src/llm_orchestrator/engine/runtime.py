"""What all calls of one orchestrator share, and how a call ends."""

import asyncio
from contextlib import suppress
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator.catalog import Catalog
from llm_orchestrator.config.schema import Config
from llm_orchestrator.engine.candidates import Candidates
from llm_orchestrator.engine.limits import limits as limits_of
from llm_orchestrator.engine.listed_models import ListedModels
from llm_orchestrator.engine.notify import Notifier
from llm_orchestrator.engine.session import Session
from llm_orchestrator.errors import ClosedError, ModelNotFoundError, OrchestratorError
from llm_orchestrator.pipeline.affinity import Affinity
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.breaker import Breaker
from llm_orchestrator.pipeline.limiter import Limiter
from llm_orchestrator.pipeline.record import call_row, hit_row
from llm_orchestrator.pipeline.sender import Sender
from llm_orchestrator.pipeline.speed import Speed
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.store.costlog import CostLog
from llm_orchestrator.store.ledger import Ledger
from llm_orchestrator.store.rows import CallRow
from llm_orchestrator.transport.base import Limits, Transport
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.money import usd_text
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.reply import Reply, Response
from llm_orchestrator.types.request import Request
from llm_orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Skills
    from llm_orchestrator.engine.pool import Pool
    from llm_orchestrator.pipeline.cache import Cache
    from llm_orchestrator.pipeline.outer import Outer

_CALLS_END_S = 2.0
"""How long closing waits for calls to end whose connections it has cut."""
_ALERTS_S = 5.0
"""How long closing waits for alerts to be told."""
_STREAMS_END_S = 0.1
"""The same for streams whose reader is busy with something else, or has gone."""


class Runtime(msgspec.Struct, kw_only=True):
    """The parts of one orchestrator, connected with each other; `engine.build` makes it."""

    config: Config
    directory: Directory
    catalog: Catalog
    candidates: Candidates
    transport: Transport
    sender: Sender
    breaker: Breaker
    speed: Speed
    affinity: Affinity
    session: Session
    limiter: Limiter | None
    ledger: Ledger | None
    notifier: Notifier | None
    costlog: CostLog | None
    listed_models: ListedModels
    skills: "Skills | None" = None
    """What was learned of each model; with `routing.learn` alone."""
    outer: "list[Outer]" = []
    """The guards round each request, the outermost first."""
    cache: "Cache | None" = None
    """One of them; made when a call first wants it, where the configuration does not."""
    pools: "dict[tuple[object, ...], Pool]" = {}
    """Whom strategies may choose from, as `pool` has found out."""
    under_way: set[Call] = msgspec.field(default_factory=set)
    """The calls that have begun and are not booked."""
    closed: bool = False
    rests: set[asyncio.Future[None]] = msgspec.field(default_factory=set)
    """The timers of calls that wait before their next attempt."""

    def limits(self, request: Request, target: Candidate, *, elsewhere: bool) -> Limits:
        """The time limits of one attempt."""
        return limits_of(self.config, self.speed, request, target, elsewhere=elsewhere)

    def models(self, row: Provider) -> list[Model]:
        """The provider's models: those of its own list if one was found, or of the catalogue.

        Where neither knows any, its default model is one.
        """
        found = self.listed_models.models(row.name) or self.catalog.models(row.name)
        if not found and row.default_model:
            return [self.catalog.resolve(row.default_model, row.name)]
        return found

    async def rest(self, seconds: float) -> None:
        """Wait before the next attempt; closing ends the wait."""
        if not seconds:
            return
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, over)
        self.rests.add(over)
        try:
            if not self.closed:
                await over
        finally:
            timer.cancel()
            self.rests.discard(over)

    def cut_short(self) -> ClosedError:
        """What a call gets that was under way when everything was closed."""
        return ClosedError("the orchestrator was closed while the call was under way")

    async def close(self) -> None:
        """End what is under way, write the books to their end and close all connections."""
        self.closed = self.sender.closed = True
        for over in tuple(self.rests):
            with suppress(RuntimeError):  # its loop has ended
                over.get_loop().call_soon_threadsafe(_wake, over)
        try:
            if self.limiter is not None:
                self.limiter.close()
            await self.transport.close()
            await self._booked()
            if self.limiter is not None:
                await self.limiter.hang_up()
        finally:
            if self.cache is not None and self.cache.store is not None:
                await self.cache.store.close()
            if self.ledger is not None:
                await self.ledger.close()
            if self.notifier is not None and self.notifier.busy:
                await asyncio.to_thread(self.notifier.flush, _ALERTS_S)
            if self.costlog is not None and not self.under_way:
                self.costlog.close()

    async def _booked(self) -> None:
        """Wait until the calls that were cut have ended.

        A stream that nobody reads ends only when its reader lets go of it, and is booked then.
        """
        began = monotonic()
        while self.under_way and (waited := monotonic() - began) < _CALLS_END_S:
            if waited > _STREAMS_END_S and all(call.shown for call in tuple(self.under_way)):
                return
            await asyncio.sleep(0.005)

    async def ready(self, target: Candidate) -> Candidate:
        """The candidate with an address: the local model's server is started on first use."""
        row = target.provider
        started = self.directory.rows.get(row.name, row)
        if not started.base_url:
            from llm_orchestrator.providers import local  # heavy, and only its users need it

            server = await asyncio.to_thread(local.start)
            started = msgspec.structs.replace(row, base_url=server.base_url)
            self.directory.rows[row.name] = started
        return Candidate(started, target.model)

    def reply(
        self,
        call: Call,
        response: Response,
        parsed: object = None,
        *,
        answered: Attempt | None = None,
        **decided: Any,
    ) -> Reply:
        """The reply to a call that was answered; books the call.

        ``answered`` is the attempt whose answer it is, where that is not the last one; ``decided``
        are fields of the reply that a strategy sets.
        """
        cost, usage = self.session.ended(call, failed=False)
        last = answered or call.attempts[-1]
        target = last.candidate
        for attempt in call.attempts:
            if attempt.cost is not None:
                continue
            most = "" if attempt.hold is None else f", at most {usd_text(attempt.hold)} USD"
            call.notices.append(
                f"the cost of attempt {attempt.number} ({attempt.candidate.name}) is unknown{most}"
            )
        reply = Reply(
            response.text,
            target.provider.name,
            target.model.id,
            None if last.cost is None else cost,
            usage or Usage(),
            call.infos(),
            response.finish_reason,
            call.id,
            response.parts,
            parsed,
            tuple(dict.fromkeys(call.notices)) if call.notices else (),
            perf_counter() - call.began,
            last.request_id,
            response.extra,
            strategy=call.strategy,
            **decided,
        )
        self._book(call_row(call, "ok", cost, usage, answered=answered), call, reply)
        return reply

    def hit(self, call: Call, kept: Reply, parsed: object) -> Reply:
        """The reply to a call that is answered from the cache; books the call."""
        self.session.hit()
        call.routing = f'{{"cached":true,"made_by":"{kept.id}"}}'
        reply = msgspec.structs.replace(
            kept,
            id=call.id,
            cost_pico=0,
            parsed=parsed,
            notices=tuple(dict.fromkeys((*call.notices, *kept.notices))),
            latency_s=perf_counter() - call.began,
            cached=True,
            saved_pico=kept.cost_pico,
        )
        self._book(hit_row(call, kept), call, reply)
        return reply

    def failed(self, call: Call, error: BaseException) -> None:
        """A call ended without an answer; the error gets the attempts, the ledger a row."""
        cost, usage = self.session.ended(call, failed=True)
        ours = error if isinstance(error, OrchestratorError) else None
        if isinstance(error, OrchestratorError):
            error.attempts = call.infos()
            if isinstance(error, ModelNotFoundError) and not error.suggestions:
                self._suggest(error)
        cancelled = isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt)
        row = call_row(call, "cancelled" if cancelled else "error", cost, usage, ours)
        self._book(row, call, None)

    def _suggest(self, error: ModelNotFoundError) -> None:
        """Add the names that are near the one that the provider does not know."""
        if "base_url" in error.message:
            return  # it says what to look at
        name, row = error.model or "", self.directory.rows.get(error.provider or "")
        said = error.message.rstrip(". ")
        if row is not None and self.catalog.resolve(name, row.name).known:
            error.message = (
                f"{said}; the catalogue knows this model, so either the account may not use it or "
                f"the API does not begin at {_begins(row)}"
            )
        elif near := self.listed_models.near(name, error.provider):
            error.suggestions = tuple(near)
            error.message = f"{said}; did you mean {' or '.join(near)}?"
        elif (other := self.catalog.find(name)) is not None:
            error.suggestions = (f"{other.provider}/{name}",)
            error.message = f"{said}; {other.provider} has a model of that name"
        elif row is not None:
            error.message = (
                f"{said}; is that the model's name, and does the API begin at {_begins(row)}?"
            )
        error.args = (error.message,)

    def _book(self, row: CallRow, call: Call, reply: Reply | None) -> None:
        call.end()
        if reply is not None and reply.saved_pico is not None:
            row.saved_pico = reply.saved_pico
            self.session.add_saved(reply.saved_pico)
        if self.config.cost_tracking.record_bodies:
            row.request_body = _as_json(call.request)
            row.response_body = reply.content if reply else None
        if reply is not None:
            row.features = call.features
        if self.ledger is not None:
            self.ledger.add(row)
        if self.costlog is not None:
            self.costlog.write(row)
        self.under_way.discard(call)
        if self.closed and self.costlog is not None and not self.under_way:
            self.costlog.close()


def _begins(row: Provider) -> str:
    """Where the API is said to begin, and where the provider's own does if that is elsewhere."""
    own = TABLE[row.name].base_url if row.name in TABLE else ""
    other = "" if own in {"", row.base_url} or "{" in own else f"; the provider's own is {own}"
    return f"{row.base_url} (base_url{other})"


def _as_json(request: Request) -> str | None:
    try:
        return msgspec.json.encode(request).decode()
    except (TypeError, ValueError, RecursionError):
        return None  # which is why it never went out


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
