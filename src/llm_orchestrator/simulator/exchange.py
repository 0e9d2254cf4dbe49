"""One request from arrival to bill, the same on every wire."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator import failover, faults
from llm_orchestrator.simulator.ask import Ask
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.compose import compose
from llm_orchestrator.simulator.delivery import Delivery, Pacer, hang_up
from llm_orchestrator.simulator.faults import KINDS, Fault
from llm_orchestrator.simulator.latency import Pace
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Wire
from llm_orchestrator.simulator.world import World, account_of

PAGE: Final = (
    "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway"
    "</h1></center>\n<hr><center>edge</center>\n</body>\n</html>\n"
)
"""What a proxy says when there is nobody behind it."""


class Exchange:
    """The life of one generating request."""

    def __init__(self, world: World, wire: Wire, request: web.Request) -> None:
        self._world = world
        self._wire = wire
        self._request = request
        self._number = world.number()
        self._id = wire.request_id(world, self._number)
        self._started = world.clock.ticks()
        self._account = account_of(_key_or_nothing(wire, request))
        self._row = world.bill.open(
            account=self._account,
            provider=wire.provider,
            wire=wire.name,
            request_id=self._id,
            client_request_id=request.headers.get("X-Client-Request-Id", ""),
        )
        self._entry: dict[str, Any] = {
            "seq": self._row.seq,
            "time": self._row.time,
            "t": round(self._started - world.started, 4),
            "provider": wire.provider,
            "wire": wire.name,
            "account": self._account,
            "request_id": self._id,
            "client_request_id": self._row.client_request_id,
            "model": None,
            "attempt": None,
            "stream": None,
            "last_role": None,
            "prompt_tokens": None,
            "action": "open",
            "status": 0,
        }
        world.log.append(self._entry)
        self._model = ""
        self._entered = False

    async def run(self) -> web.StreamResponse:
        """Answer the request, whatever it takes."""
        try:
            return await self._answer()
        except Refusal as refusal:
            return self._refuse(refusal)
        except (asyncio.CancelledError, ConnectionError):
            self._entry["client_gone"] = self._elapsed()
            self._settle("cancelled")
            raise
        finally:
            self._settle("failed")
            if self._entered:
                output = self._row.usage.output_tokens
                self._world.limits.leave(self._account, self._model, output)

    def _elapsed(self) -> float:
        return round(self._world.clock.ticks() - self._started, 4)

    def _settle(self, outcome: str) -> None:
        if not self._row.closed:
            self._world.bill.close(self._row, outcome)
            self._entry |= {"action": outcome, "status": self._row.status, "took": self._elapsed()}

    async def _answer(self) -> web.StreamResponse:
        await self._wire.admit(self._world, self._request)
        body = self._wire.unpack(await json_body(self._request), self._request)
        named = self._named(body)
        ask = self._wire.parse(body, self._request.headers, self._world)
        self._note(ask)
        fault = self._fault(ask, body, named)
        self._enter(ask)
        if fault and fault.stage in {"status", "socket"}:
            return await self._fail(fault, ask)
        if fault and fault.name == "slow-headers":
            await self._world.clock.wait(fault.seconds)
        return await self._deliver(ask, fault)

    def _named(self, body: dict[str, Any]) -> Fault | None:
        """Take a fault off the model's name, and note what was asked for."""
        name = body.get("model")
        if not isinstance(name, str):
            return None
        self._row.requested = self._entry["model"] = name[:200]
        try:
            body["model"], fault = faults.of_model(name)
        except faults.FaultNameError as error:
            raise Refusal(400, str(error), code="unknown_fault", param="model") from error
        self._entry["attempt"] = self._world.faults.attempt(
            self._wire.provider, self._account, name
        )
        return fault

    def _note(self, ask: Ask) -> None:
        self._model = ask.model.id
        self._row.model, self._row.stream = ask.model, ask.stream
        self._row.tier, self._row.flat = ask.tier, ask.flat
        self._entry |= {
            "stream": ask.stream,
            "last_role": ask.last_role,
            "prompt_tokens": ask.input_tokens,
        }

    def _fault(self, ask: Ask, body: dict[str, Any], named: Fault | None) -> Fault | None:
        """The fault that hits this attempt: by rule, by name, by bench case, or drawn."""
        book, model = self._world.faults, ask.model.id
        found = book.ruled(self._wire.provider, self._account, model)
        found = found or named or failover.fault_of(model)
        if found is None and book.rate > 0 and not model.startswith("fb-"):
            content = repr(sorted((k, v) for k, v in body.items() if k != "stream_options"))
            found = book.drawn(self._account, model, content)
        if model == "fb-ok-noprefill":
            found = KINDS["prefill-refused"]
        if found is None:
            return None
        found = self._wire.played(failover.timed(found, self._world.timings))
        return found if self._strikes(found, ask) else None

    def _strikes(self, fault: Fault, ask: Ask) -> bool:
        if fault.name == "down":
            return self._world.clock.ticks() - self._world.started < fault.seconds
        if fault.name == "prefill-refused":
            return ask.last_role == "assistant"
        return fault.strikes(self._entry["attempt"] or 1)

    def _enter(self, ask: Ask) -> None:
        blocked = self._world.limits.enter(self._account, ask.model.id, ask.input_tokens)
        if blocked:
            raise Refusal(
                429,
                f"Rate limit reached for {ask.model.id} on {blocked.what}: limit {blocked.limit}. "
                f"Please try again in {blocked.wait:.3f}s.",
                type=blocked.what,
                code="rate_limit_exceeded",
                retry_after=blocked.wait,
            )
        self._entered = True

    # ---------------------------------------------------------------- failures

    async def _fail(self, fault: Fault, ask: Ask) -> web.StreamResponse:
        if fault.stage == "socket":
            if fault.name == "silence":
                await self._world.clock.wait(fault.seconds)
            self._settle(fault.name)
            hang_up(self._request, reset=fault.name == "reset")
            return web.Response()
        if fault.name == "bad-gateway":
            return self._error(fault.status, PAGE.encode(), {"Content-Type": "text/html"}, "502")
        refusal = self._wire.fault(fault, ask)
        refusal.retry_after = fault.retry_after
        return self._refuse(refusal, packed=fault.name == "gzip-error")

    def _refuse(self, refusal: Refusal, *, packed: bool = False) -> web.Response:
        data, headers = self._wire.refused(refusal, self._id)
        if packed:
            data = gzip.compress(data)
            headers["Content-Encoding"] = "gzip"
        return self._error(refusal.status, data, headers, refusal.outcome)

    def _error(
        self, status: int, data: bytes, headers: dict[str, str], outcome: str
    ) -> web.Response:
        self._row.status = status
        self._settle(outcome)
        return web.Response(status=status, body=data, headers=self._headers() | headers)

    def _headers(self) -> dict[str, str]:
        headers = {self._wire.id_header: self._id} if self._wire.id_header else {}
        if self._model:
            headers |= self._wire.headers(self._world, self._account, self._model)
        if self._wire.timing_header:
            headers[self._wire.timing_header] = str(round(self._elapsed() * 1000))
        return headers

    # ---------------------------------------------------------------- answers

    async def _deliver(self, ask: Ask, fault: Fault | None) -> web.StreamResponse:
        name = fault.name if fault else ""
        self._row.status = 200
        if name == "error-body" and fault:
            refusal = self._wire.fault(replace(fault, name="server-error", status=500), ask)
            refusal.status, refusal.outcome = 200, name
            return self._refuse(refusal)
        reply = compose(self._world, self._wire, self._account, self._number, ask, fault)
        if name != "error-first":  # else nothing is generated, and nothing is owed
            self._row.usage = replace(reply.usage, output_tokens=0, reasoning_tokens=0)
        pacer = Pacer(
            self._world.clock,
            self._pace(ask),
            fault.seconds if fault and name == "slow-first" else 0.0,
        )
        delivery = Delivery(
            self._request,
            self._wire,
            reply,
            self._row.usage,
            self._headers() | self._wire.reply_headers(reply),
            pacer,
            fault,
            self._settle,
        )
        return await delivery.send()

    def _pace(self, ask: Ask) -> Pace:
        if ask.model.id.startswith("fb-"):
            token = self._world.timings["token"] * self._world.clock.speed
            return Pace(token, token)
        return self._world.latency.pace(ask.model, self._number)


def _key_or_nothing(wire: Wire, request: web.Request) -> str:
    try:
        return wire.key(request)
    except Refusal:
        return ""
