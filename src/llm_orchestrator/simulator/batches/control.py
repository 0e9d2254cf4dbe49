"""The simulator's own endpoints for time and batches. Not a provider's."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.prices import PICO, dollars
from llm_orchestrator.simulator.world import World


class BatchControl:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """All paths, each with an underscore in front."""
        return [
            web.get("/_clock", self.clock),
            web.post("/_clock", self.turn),
            web.get("/_batches", self.batches),
            web.post("/_batches", self.change),
            web.get("/_batches/paid-twice", self.paid_twice),
            web.get("/_batches/{provider}/{batch:.+}", self.items),
        ]

    async def clock(self, _: web.Request) -> web.Response:
        return _json(show_clock(self._world))

    async def turn(self, request: web.Request) -> web.Response:
        """`{"advance": seconds}` is a jump ahead, `{"speed": x}` how fast time passes from now."""
        try:
            given = msgspec.json.decode(await request.read(), type=dict[str, float])
            if not given or set(given) - {"advance", "speed"}:
                raise ValueError("advance or speed is needed, in numbers")
            if "speed" in given:
                self._world.clock.hasten(given["speed"])
            self._world.clock.advance(given.get("advance", 0.0))
        except (msgspec.MsgspecError, ValueError) as error:
            return _json({"error": str(error)}, 400)
        return _json(show_clock(self._world))

    async def batches(self, _: web.Request) -> web.Response:
        await self._world.batches.catch_up_all(scan=True)
        return _json(view(self._world))

    async def change(self, request: web.Request) -> web.Response:
        """Settings for batches from now on: `{"queue": 600, "openai.item": 0.1}`; null = usual."""
        try:
            given = msgspec.json.decode(await request.read(), type=dict[str, Any])
            self._world.batches.book.change(given)
        except (msgspec.MsgspecError, ValueError) as error:
            return _json({"error": str(error)}, 400)
        return _json({"ok": True})

    async def paid_twice(self, _: web.Request) -> web.Response:
        await self._world.batches.catch_up_all(scan=True)
        return _json(paid_twice(self._world))

    async def items(self, request: web.Request) -> web.StreamResponse:
        """The items of a batch that are paid for, as lines of JSON."""
        path = request.match_info
        found = [
            batch
            for batch in self._world.batches
            if (batch.provider, batch.id) == (path["provider"], path["batch"])
        ]
        if not found:
            return _json({"error": "no such batch"}, 404)
        await self._world.batches.catch_up(found[0])
        response = web.StreamResponse(headers={"Content-Type": "application/jsonl"})
        await response.prepare(request)
        for row in found[0].bill(items=True):
            await response.write(encode(row) + b"\n")
        await response.write_eof()
        return response


def show_clock(world: World) -> dict[str, Any]:
    """Virtual time in seconds since 1970 and as text, and how fast it goes."""
    now = world.clock.virtual()
    return {"now": now, "time": rfc3339(now), "speed": world.clock.speed}


def view(world: World) -> dict[str, Any]:
    """All batches that were accepted, oldest first, and which of them do the same twice."""
    now = world.clock.virtual()
    first: dict[tuple[str, str, int], Batch] = {}
    rows = []
    for batch in world.batches:
        original = batch
        if batch.digest:
            original = first.setdefault((batch.provider, batch.account, batch.digest), batch)
        rows.append(_show(batch, now) | {"duplicate_of": _other(original, batch)})
    paid = {
        row["duplicate_of"] for row in rows if row["duplicate_of"] is not None and row["billed"]
    }
    twice = [row["id"] for row in rows if row["id"] in paid and row["billed"]]
    return {
        "now": now,
        "batches": rows,
        "accepted": len(rows),
        "duplicates": sum(row["duplicate_of"] is not None for row in rows),
        "paid_twice": len(twice),
        "cost_pico": sum(row["cost_pico"] for row in rows),
    }


def _other(original: Batch, batch: Batch) -> str | None:
    return None if original is batch else original.id


def _show(batch: Batch, now: float) -> dict[str, Any]:
    tallies = batch.results.tallies.values()
    cost = sum(tally.cost for tally in tallies)
    good, bad, lost = batch.results.kinds
    moment, ending = batch.stop
    return {
        "id": batch.id,
        "provider": batch.provider,
        "account": batch.account,
        "label": batch.label,
        "endpoint": batch.endpoint,
        "model": batch.model,
        "state": batch.phase(now),
        "created": batch.timeline.created,
        "ends": moment,
        "ending": ending,
        "requests": batch.total,
        "succeeded": good,
        "failed": bad,
        "missing": lost,
        "billed": sum(tally.requests for tally in tallies),
        "cost_pico": cost,
        "cost_usd": dollars(cost * PICO),
        "input_digest": f"{batch.digest:016x}",
        "work_digest": f"{batch.work:016x}",
        "problems": [problem.code for problem in batch.problems],
        "fault": batch.fault.name if batch.fault else None,
    }


def paid_twice(world: World) -> dict[str, Any]:
    """Items with the same body that were paid for in more than one batch of an account."""
    seen: dict[tuple[str, str, int], str] = {}
    count, cost = 0, 0
    examples: list[list[str]] = []
    for batch in world.batches:
        for item in batch.results.items():
            if not item.good:
                continue
            key = (batch.provider, batch.account, item.work)
            first = seen.setdefault(key, batch.id)
            if first != batch.id:
                count += 1
                cost += item.cost or 0
                if len(examples) < 20:
                    examples.append([first, batch.id, item.key])
    return {"items": count, "cost_pico": cost, "examples": examples}


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(body), content_type="application/json")
