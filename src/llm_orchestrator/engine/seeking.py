"""A call whose answer is sought among several models: its asks, and the reply to it."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import msgspec

from llm_orchestrator.engine.alternatives import advise
from llm_orchestrator.engine.answer import parse_answer
from llm_orchestrator.engine.planning import within
from llm_orchestrator.engine.routes import Route
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.rescue import Rescue, unless_over
from llm_orchestrator.routing.base import Answer, Decision, Offer, Strategy
from llm_orchestrator.types.money import to_usd
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.request import Request


async def seek(
    runtime: Runtime,
    call: Call,
    route: Route,
    strategy: Strategy,
    parse: Callable[[str], Any] | None,
) -> Reply:
    """The reply of the strategy; raises its error when there is none. Books the call."""
    asks = _Asks(runtime, call, parse, alone=len(route.offers) == 1)
    runtime.under_way.add(call)
    try:
        decision = await strategy(call.request, route.offers, asks.ask)
        answer = decision.answer
        call.notices += decision.notices
        if decision.stopped:
            call.notices.append(f"stopped early: {decision.stopped}")
        call.routing = as_json(facts(route, decision))
        members = [{"name": one.name, "text": one.text} for one in decision.members]
        return runtime.reply(
            call,
            answer.response,
            asks.parsed.get(id(answer.response)),
            answered=next(one for one in call.attempts if one.id == answer.attempt_id),
            confidence=decision.confidence,
            stopped=decision.stopped,
            routing={**facts(route, decision), "answers": members},
        )
    except BaseException as error:
        if not call.done:
            call.routing = as_json(facts(route))
            advise(runtime, error, call.request)
            runtime.failed(call, error)
        raise


class _Asks:
    """What a strategy asks in one call."""

    def __init__(
        self, runtime: Runtime, call: Call, parse: Callable[[str], Any] | None, *, alone: bool
    ) -> None:
        self._runtime = runtime
        self._call = call
        self._parse = parse
        self._alone = alone
        self.parsed: dict[int, Any] = {}
        """Answers of the asked type, by the identity of their response."""

    async def ask(self, candidate: Candidate, request: Request) -> Answer:
        """One candidate, with its retries; its answer is of the type that was asked for."""
        runtime, call = self._runtime, self._call
        parse = self._parse if request.schema is call.request.schema else None
        # A copy: by it, this ask knows its attempts from those beside it.
        request = msgspec.structs.replace(request, stream=False)
        rescue = Rescue((candidate,), runtime.config.retry, runtime.breaker)
        began = perf_counter()
        mine: list[Attempt] = []
        try:
            while True:
                target = rescue.current
                if not target.provider.base_url:
                    target = await runtime.ready(target)
                if call.cap is not None:
                    request = within(_left(call), request, target, call.notices)
                sent = msgspec.structs.replace(request)
                limits = runtime.limits(sent, target, elsewhere=not self._alone)
                try:
                    response = await runtime.sender.send(call, sent, target, limits)
                    parsed = parse_answer(response, parse) if parse else None
                except OrchestratorError as error:
                    if runtime.closed:
                        raise runtime.cut_short() from None
                    step = unless_over(rescue.after(error))
                    await runtime.rest(step.delay)
                else:
                    break
                finally:
                    mine += [one for one in call.attempts if one.sent is sent]
        finally:
            rescue.end()
        if parsed is not None:
            self.parsed[id(response)] = parsed
        costs = [one.cost for one in mine]
        return Answer(
            candidate=candidate,
            response=response,
            cost_pico=None if costs[-1] is None else sum(cost or 0 for cost in costs),
            latency_s=perf_counter() - began,
            attempt_id=mine[-1].id,
        )


def _left(call: Call) -> int:
    """What the call's cap has left, with what is under way."""
    assert call.cap is not None  # noqa: S101 - for the type checker
    spent = sum((one.hold or 0) if one.cost is None else one.cost for one in call.attempts)
    return max(0, call.cap - spent)


def facts(route: Route, decision: Decision | None = None) -> Mapping[str, Any]:
    """The route and what came of it, as JSON values; money in USD, no texts of answers."""
    told: dict[str, Any] = {
        "strategy": route.strategy,
        "reason": decision.reason if decision else route.reason,
        "candidates": [_offer(one) for one in route.offers],
        "skipped": [{"name": one.name, "why": one.why} for one in route.skipped],
    }
    if decision is None:
        return told
    told["chosen"] = decision.answer.name
    told["confidence"] = decision.confidence
    if decision.stopped:
        told["stopped"] = decision.stopped
    told["members"] = [
        {
            "name": one.name,
            "cost_usd": None if one.cost_pico is None else to_usd(one.cost_pico),
            "latency_s": round(one.latency_s, 6),
        }
        for one in decision.members
    ]
    told["steps"] = [
        {
            "name": one.name,
            "did": one.did,
            "why": one.why,
            "confidence": one.confidence,
            "cost_usd": None if one.cost_pico is None else to_usd(one.cost_pico),
        }
        for one in decision.steps
    ]
    return {**told, **decision.details}


def as_json(told: Mapping[str, Any]) -> str:
    """For the ledger; money as exact text."""
    return msgspec.json.encode(told, enc_hook=str).decode()


def _offer(offer: Offer) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": offer.name,
        "expected_usd": None if offer.expected_pico is None else to_usd(offer.expected_pico),
        "most_usd": None if offer.most_pico is None else to_usd(offer.most_pico),
        "first_token_s": offer.first_token_s,
        "tokens_per_s": offer.tokens_per_s,
    }
    if offer.weight != 1:
        shown["weight"] = offer.weight
    if offer.warm:
        shown["cached_prompt"] = True
    if offer.spare:
        shown["spare"] = True
    return shown
