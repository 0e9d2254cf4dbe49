"""The only way to a provider: one attempt, whole or streamed, inside its guards."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from copy import copy
from functools import partial
from math import inf
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from llm_orchestrator import dialects
from llm_orchestrator.catalog.tokens import upper_bound_input
from llm_orchestrator.dialects.base import Dialect, StreamDecoder
from llm_orchestrator.errors import (
    APIConnectionError,
    APITimeoutError,
    BudgetError,
    ClosedError,
    InvalidRequestError,
    OrchestratorError,
    TruncatedError,
)
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.guard import Guard
from llm_orchestrator.pipeline.replies import (
    at_once,
    check,
    check_answer,
    failure,
    read_reply,
    sign,
)
from llm_orchestrator.providers import credentials
from llm_orchestrator.transport.base import Limits, Transport, Wire
from llm_orchestrator.types.events import StreamEvent
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Request

if TYPE_CHECKING:
    from llm_orchestrator.dialects.batch import Exchange
    from llm_orchestrator.pipeline.allowance import Allowance

T = TypeVar("T")

_OK = range(200, 300)
_REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid")
_ID_HEADER = "X-Client-Request-Id"
"""Carries the attempt's id, so that a provider's log or bill can be laid beside the ledger."""


class Sender:
    """Sends attempts. Whatever happens to one, its guards are left and so it is booked."""

    def __init__(
        self,
        transport: Transport,
        guards: Sequence[Guard],
        allowance: "Allowance | None" = None,
    ) -> None:
        self._transport = transport
        self._allowance = allowance
        self._entered = [guard for guard in guards if type(guard).enter is not Guard.enter]
        self._left = [g for g in reversed(guards) if type(g).leave is not Guard.leave]
        self.closed = False
        """Nothing goes out any more."""

    async def send(
        self, call: Call, request: Request, target: Candidate, limits: Limits
    ) -> Response:
        """One attempt at a whole answer; raises the error that its reply means."""
        dialect = dialects.load(target.provider.dialect)
        wire_call, headers, attempt = await self._begin(dialect, call, request, target, limits)

        def read(reply: HTTPReply, attempt: Attempt) -> Response:
            response = dialect.decode(reply, target)
            attempt.answered(response)
            check(response, target)
            return response

        return await self._answer(attempt, wire_call, headers, limits, read)

    async def book(
        self,
        call: Call,
        target: Candidate,
        wire_call: HTTPCall,
        limits: Limits,
        read: Callable[[HTTPReply, Attempt], T],
        *,
        most_input: int,
        sent: Request | Sequence[str],
    ) -> T:
        """One attempt of any kind: what ``read`` makes of its reply, once that is booked.

        ``read`` tells the attempt what it learns (`Attempt.answered`) before it raises or returns;
        ``most_input`` is an upper bound of the input in tokens, ``sent`` what goes out.
        """
        headers = await credentials.signed(wire_call, target.provider)
        attempt = await self._enter(call, target, most_input, sent, limits.line)
        headers[_ID_HEADER] = attempt.id
        return await self._answer(attempt, wire_call, headers, limits, read)

    async def _begin(
        self, dialect: Dialect, call: Call, request: Request, target: Candidate, limits: Limits
    ) -> tuple[HTTPCall, dict[str, str], Attempt]:
        """An attempt that may go out, and what does, with its answer cut to what budgets leave."""
        allowance, sent = self._allowance, request
        if allowance is not None:
            sent = allowance.fitted(call, request, target)
        while True:
            wire_call, most = _written(dialect, sent, target)
            headers = await credentials.signed(wire_call, target.provider)
            try:
                attempt = await self._enter(call, target, most, sent, limits.line)
                break
            except BudgetError as error:
                if allowance is None or error.code != "budget":
                    raise
                last, sent = sent, allowance.fitted(call, request, target)
                if sent.max_tokens is None or sent.max_tokens >= (last.max_tokens or inf):
                    raise  # it was as short as can be
        if sent is not request:
            call.notices.append(
                f"the answer was limited to {sent.max_tokens} tokens to stay within a budget"
            )
        headers[_ID_HEADER] = attempt.id
        return wire_call, headers, attempt

    async def _answer(
        self,
        attempt: Attempt,
        wire_call: HTTPCall,
        headers: Mapping[str, str],
        limits: Limits,
        read: Callable[[HTTPReply, Attempt], T],
    ) -> T:
        """What ``read`` makes of the reply to an attempt, once that is booked."""
        target = attempt.candidate
        try:
            reply = await self._exchange(wire_call, headers, limits)
            attempt.status_code, attempt.headers = reply.status, reply.headers
            if reply.status not in _OK:
                raise failure(reply, dialects.load(target.provider.dialect), target)
            answer = read_reply(lambda one: read(one, attempt), reply, target)
            attempt.status = "ok"
        except OrchestratorError as error:
            _fail(attempt, error)
            raise
        finally:
            self._leave(attempt)
        _note(attempt.call, target, wire_call)
        return answer

    async def stream(
        self, call: Call, request: Request, target: Candidate, limits: Limits
    ) -> AsyncGenerator[Sequence[StreamEvent], None]:
        """One attempt at a streamed answer: events, as many at a time as arrive together.

        Ends after the terminal marker; raises `TruncatedError` when the stream ends without one.
        """
        dialect = dialects.load(target.provider.dialect)
        wire_call, headers, attempt = await self._begin(dialect, call, request, target, limits)
        _note(call, target, wire_call)
        try:
            wire = await self._transport.open(wire_call, headers, limits)
            try:
                attempt.status_code, attempt.headers = wire.status, wire.headers
                attempt.request_id = _request_id(wire, target)
                if wire.status in _OK and _streams(wire):
                    async for batch in _events(wire, dialect.events(target), attempt):
                        yield batch
                else:
                    reply = HTTPReply(wire.status, wire.headers, await wire.read())
                    if wire.status not in _OK:
                        raise failure(reply, dialect, target)
                    decode = partial(dialect.decode, target=target)
                    yield at_once(read_reply(decode, reply, target), attempt)
            except BaseException:
                wire.close()
                raise
            wire.finish()
            check_answer(
                attempt.finish_reason,
                empty=not attempt.said_something,
                text="",
                why=attempt.why,
                target=target,
                request_id=attempt.request_id,
            )
            attempt.status = "ok"
        except OrchestratorError as error:
            _fail(attempt, error)
            raise
        finally:
            self._leave(attempt)

    async def exchange(
        self,
        target: Candidate,
        wire_call: HTTPCall,
        limits: Limits,
        read: Callable[[HTTPReply], T],
    ) -> T:
        """What ``read`` makes of the reply to a request that costs nothing (model lists, counts).

        It is outside the ledger.
        """
        dialect = dialects.load(target.provider.dialect)
        headers = await credentials.signed(wire_call, target.provider)
        try:
            reply = await self._exchange(wire_call, headers, limits)
            if reply.status not in _OK:
                raise failure(reply, dialect, target)
            return read_reply(read, reply, target)
        except OrchestratorError as error:
            sign(error, target)
            raise

    async def drive(
        self,
        exchange: "Exchange[T]",
        target: Candidate,
        limits: Limits | None = None,
        *,
        folder: Path | None = None,
    ) -> T:
        """What an exchange about batches returns; see `Driver.drive`."""
        from llm_orchestrator.pipeline.batches import LIMITS, Driver  # not for a single call

        self._open()
        driver = Driver(self._transport)
        return await driver.drive(exchange, target, limits or LIMITS, folder=folder)

    async def _exchange(
        self, wire_call: HTTPCall, headers: Mapping[str, str], limits: Limits
    ) -> HTTPReply:
        wire = await self._transport.open(wire_call, headers, limits)
        try:
            return HTTPReply(wire.status, wire.headers, await wire.read())
        finally:
            wire.close()

    async def _enter(
        self,
        call: Call,
        target: Candidate,
        most_input: int,
        sent: Request | Sequence[str],
        patience: float,
    ) -> Attempt:
        self._open()
        attempt = Attempt(call, target, most_input, sent)
        attempt.patience = patience
        entered = 0
        try:
            for guard in self._entered:
                await guard.enter(attempt)
                entered += 1
            self._open()
        except BaseException:
            # It never went out: only the guards that saw it enter see it leave.
            attempt.status, attempt.cost, attempt.cost_source = "dropped", 0, "free"
            attempt.latency = perf_counter() - attempt.began
            for guard in reversed(self._entered[:entered]):
                guard.leave(attempt)
            raise
        return attempt

    def _open(self) -> None:
        if self.closed:
            raise ClosedError("the orchestrator was closed; make a new one")

    def _leave(self, attempt: Attempt) -> None:
        attempt.latency = perf_counter() - attempt.began
        for guard in self._left:
            guard.leave(attempt)


async def _events(
    wire: Wire, decoder: StreamDecoder, attempt: Attempt
) -> AsyncGenerator[Sequence[StreamEvent], None]:
    """The events of an open stream, until its terminal marker."""
    flowing = False
    data = b"\0"
    while data and not decoder.settled:
        try:
            data = await wire.piece()
        except APIConnectionError as error:
            if decoder.finished:
                break  # all that mattered had come
            raise _truncated(str(error.message), attempt) from None
        except APITimeoutError:
            if decoder.finished:
                break
            raise
        batch = decoder.feed(data) if data else decoder.close()
        if batch:
            for event in batch:
                if attempt.saw(event) and not flowing:
                    flowing = True
                    wire.flowing()
            yield batch
        if decoder.failure is not None:
            raise copy(decoder.failure)  # what is raised leads to this frame, and to decoder
    if not decoder.finished:
        raise _truncated("the stream ended without its terminal marker", attempt)


def _truncated(why: str, attempt: Attempt) -> OrchestratorError:
    if attempt.first_token is None:
        # Nothing of an answer came: it is a connection that failed, not half an answer.
        return APIConnectionError(
            f"{why} before the answer began; if it does so each time, a proxy on the way changes "
            "streams or cuts them off",
            code="cut",
        )
    return TruncatedError(why, code="truncated")


def _streams(wire: Wire) -> bool:
    # text/event-stream, and application/vnd.amazon.eventstream
    return "eventstream" in (wire.headers.get("Content-Type") or "").replace("-", "")


def _note(call: Call, target: Candidate, wire_call: HTTPCall) -> None:
    call.notices += wire_call.notices
    if target.notice:
        call.notices.append(target.notice)


def _request_id(wire: Wire, target: Candidate) -> str | None:
    found = next((found for name in _REQUEST_IDS if (found := wire.headers.get(name))), None)
    return found and credentials.blanked(found, target.provider)


def _written(dialect: Dialect, request: Request, target: Candidate) -> tuple[HTTPCall, int]:
    """The request on the wire, and the most input tokens that it can have."""
    try:
        return dialect.encode(request, target), upper_bound_input(request, target.model)
    except (TypeError, ValueError, RecursionError) as error:  # what encoding JSON raises
        reason = str(error) or "it is nested too deeply"
        raise InvalidRequestError(
            f"the request cannot be written as JSON: {reason}", code="unwritable"
        ) from None


def _fail(attempt: Attempt, error: OrchestratorError) -> None:
    sign(error, attempt.candidate)
    attempt.failed(error)
