"""The simulator's own endpoints: the bill, the log, faults and a reset. Not a provider's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from llm_orchestrator.simulator import failover
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.catalogue import SIMULATED, Entry
from llm_orchestrator.simulator.faults import KINDS, FaultNameError, Rule
from llm_orchestrator.simulator.prices import MILLION, PICO, dollars
from llm_orchestrator.simulator.world import World


def show_rule(rule: Rule) -> dict[str, Any]:
    """A rule as JSON."""
    return {
        "id": rule.id,
        "fault": rule.fault.name,
        "model": rule.model,
        "account": rule.account,
        "provider": rule.provider,
        "on": rule.on,
        "count": rule.count,
        "rate": rule.rate,
        "hits": rule.hits,
        "times": rule.fault.times,
        "after": rule.fault.after,
        "seconds": rule.fault.seconds,
        "retry_after": rule.fault.retry_after,
        "status": rule.fault.status,
        "share": rule.fault.share,
    }


class Control:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """All paths, each with an underscore in front."""
        return [
            web.get("/_health", self.health),
            web.get("/_ledger", self.ledger),
            web.get("/_log", self.log),
            web.get("/_prices", self.prices),
            web.get("/_faults", self.faults),
            web.post("/_faults", self.add_fault),
            web.delete("/_faults", self.clear_faults),
            web.post("/_reset", self.reset),
        ]

    async def health(self, _: web.Request) -> web.Response:
        settings = self._world.settings
        return _json(
            {
                "ok": True,
                "seed": settings.seed,
                "latency": self._world.latency.profile,
                "speed": self._world.clock.speed,
                "fault_rate": settings.fault_rate,
                "timings": self._world.timings,
            }
        )

    async def ledger(self, request: web.Request) -> web.Response:
        """`?since=SEQ` leaves out the rows up to SEQ; `?items=1` shows each item of a batch."""
        since = request.query.get("since", "0")
        if not since.isdigit():
            return _json({"error": "'since' is a sequence number"}, 400)
        await self._world.batches.catch_up_all()
        return _json(self._world.bill.view(int(since), items="items" in request.query))

    async def log(self, _: web.Request) -> web.Response:
        now = round(self._world.clock.ticks() - self._world.started, 4)
        return _json({"t": now, "timings": self._world.timings, "log": list(self._world.log)})

    async def prices(self, _: web.Request) -> web.Response:
        """Dollars a million tokens of the models that only the simulator has, by name pattern."""
        return _json({f"{start}*": _millions(row) for start, row in SIMULATED.items()})

    async def faults(self, _: web.Request) -> web.Response:
        rules = [show_rule(rule) for rule in self._world.faults.rules]
        return _json({"kinds": sorted(KINDS), "rules": rules})

    async def add_fault(self, request: web.Request) -> web.Response:
        """One rule; see `faults.py` for its keys."""
        try:
            spec = msgspec.json.decode(await request.read(), type=dict[str, Any])
            rule = self._world.faults.add(spec)
        except (msgspec.MsgspecError, FaultNameError, ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        return _json(show_rule(rule))

    async def clear_faults(self, _: web.Request) -> web.Response:
        self._world.faults.rules.clear()
        return _json({"rules": []})

    async def reset(self, request: web.Request) -> web.Response:
        """Everything but the bill; `{"ledger": true}` clears that too.

        `{"timings": "fast"}` (or an object of seconds) also changes how long faults last.
        """
        raw = await request.read()
        try:
            options = msgspec.json.decode(raw or b"{}", type=dict[str, Any])
            if "timings" in options:
                self._world.timings = failover.timings(options["timings"])
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        self._world.reset()
        if options.get("ledger"):
            self._world.bill.clear()
            self._world.batches.clear()
        return _json({"ok": True})


def _millions(row: Entry) -> dict[str, str]:
    rates = {name: Decimal(value) * PICO for name, value in row["prices"][-1].items()}
    return {name: dollars(rate * MILLION) for name, rate in rates.items()}


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(body), content_type="application/json")
