"""Answers items of batches with the machinery of real-time requests, at the price of batches."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from llm_orchestrator.simulator import faults
from llm_orchestrator.simulator.batches.format import Answered, Item
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.compose import compose
from llm_orchestrator.simulator.draw import Draw
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.prices import BATCH, picos
from llm_orchestrator.simulator.refusal import Refusal

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch
    from llm_orchestrator.simulator.world import World

_STAGES: Final = ("status", "content")


class _Kind(msgspec.Struct):
    """What decides about the kind of an answer, whatever the wire: forms and lengths."""

    model: str = ""
    response_format: msgspec.Raw = msgspec.Raw(b"")
    text: msgspec.Raw = msgspec.Raw(b"")
    output_config: msgspec.Raw = msgspec.Raw(b"")
    tools: msgspec.Raw = msgspec.Raw(b"")
    generationConfig: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815  the wire's name


_kind = msgspec.json.Decoder(_Kind).decode


class Answerer:
    """Answers the items of one batch."""

    def __init__(self, world: World, batch: Batch) -> None:
        self._world = world
        self._batch = batch
        self._wire = batch.format.wire(batch)
        self._day = rfc3339(batch.timeline.created)[:10]
        self._light: dict[object, Answered] = {}

    def answer(self, item: Item) -> Answered:
        """The answer to an item, or its refusal."""
        batch = self._batch
        if struck := self._struck(item.number):
            return self._refused(batch.format.struck(struck), f"req_{batch.id[-12:]}{item.number}")
        if not batch.settings.light:
            return self._answer(item)
        try:
            kind = _kind(item.entry.body)
        except msgspec.MsgspecError:
            return self._answer(item)
        forms = (kind.response_format, kind.text, kind.output_config, kind.tools)
        key = (kind.model, *map(bytes, forms), bytes(kind.generationConfig))
        if key not in self._light:
            self._light[key] = self._answer(item)
        return self._light[key]

    def _answer(self, item: Item) -> Answered:
        number = self._world.number()
        request_id = self._wire.request_id(self._world, number)
        try:
            return self._given(item, number, request_id)
        except Refusal as refusal:
            return self._refused(refusal, request_id)

    def _struck(self, place: int) -> Fault | None:
        """The fault of this item: each n-th one for a fault, any for the usual failures."""
        batch = self._batch
        if batch.fault and batch.fault.name == "item-errors" and batch.hit(place):
            return batch.fault
        share = batch.settings.failures
        if share and Draw(self._world.seed, "fails", batch.id, place).fraction() < share:
            return faults.KINDS["server-error"]
        return None

    def _given(self, item: Item, number: int, request_id: str) -> Answered:
        batch, wire = self._batch, self._wire
        body = batch.format.request(_object(item.entry.body), item)
        name, fault = body.get("model"), None
        if isinstance(name, str):
            try:
                body["model"], fault = faults.of_model(name)
            except faults.FaultNameError as error:
                raise Refusal(400, str(error), param="model") from error
        fault = wire.played(fault) if fault and fault.stage in _STAGES else None
        if fault and not fault.strikes(self._attempt(item)):
            fault = None
        ask = wire.parse(body, batch.headers, self._world)
        if ask.stream:
            raise Refusal(400, "Streaming is not supported in batches.", param="stream")
        ask.tier = BATCH
        if fault and fault.stage == "status":
            raise wire.fault(fault, ask)
        reply = compose(self._world, wire, batch.account, number, ask, fault)
        cost = self._world.bill.price(ask.model, reply.usage, self._day, BATCH, ask.flat)
        return Answered(
            status=200,
            body=encode(wire.plain(reply)),
            request_id=request_id,
            model=ask.model,
            usage=reply.usage,
            cost=None if cost is None else picos(cost),
        )

    def _attempt(self, item: Item) -> int:
        """How often this account has sent such an item in a batch, from 1."""
        mark = hashlib.blake2b(item.entry.body, digest_size=16).hexdigest()
        batch = self._batch
        return self._world.faults.attempt("item", batch.provider, batch.account, mark)

    def _refused(self, refusal: Refusal, request_id: str) -> Answered:
        body = encode(self._wire.error(refusal, request_id))
        return Answered(refusal.status, body, request_id, refusal=refusal)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(400, f"The body of the request is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "The body of the request must be a JSON object.")
    return body
