"""Message batches of Anthropic: inline requests, results as lines, no metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.anthropic.messages import Messages
from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts, cursor
from llm_orchestrator.simulator.batches.files import DAY
from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    ProblemError,
)
from llm_orchestrator.simulator.batches.handlers import Call, send_file
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Wire
from llm_orchestrator.simulator.world import World

_KEPT: Final = 29 * DAY
_KEY: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class _Item(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    requests: list[msgspec.Raw]


class _Model(msgspec.Struct):
    model: str = ""


_item = msgspec.json.Decoder(_Item).decode
_body = msgspec.json.Decoder(_Body).decode
_model = msgspec.json.Decoder(_Model).decode


@dataclass(frozen=True)
class AnthropicFormat(BatchFormat):
    """Each item is checked by itself, when its turn comes."""

    provider: str = "anthropic"
    most_requests: int = 100_000
    most_bytes: int = 256_000_000
    one_file: bool = True
    fails_whole: bool = False

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        try:
            item = _item(raw)
        except msgspec.MsgspecError as error:
            raise ProblemError("invalid_request_error", str(error)) from error
        return Entry(item.custom_id, bytes(item.params))

    def wire(self, batch: Batch) -> Wire:
        del batch
        return Messages()

    def line(self, item: Item, answered: Answered) -> bytes:
        if answered.good:
            result = b'{"type":"succeeded","message":' + answered.body
        else:
            result = b'{"type":"errored","error":' + answered.body
        key = msgspec.json.encode(item.entry.key)
        return b'{"custom_id":' + key + b',"result":' + result + b"}}"

    def left(self, item: Item, why: str) -> bytes | None:
        kind = "canceled" if why == "cancelled" else why
        return msgspec.json.encode({"custom_id": item.entry.key, "result": {"type": kind}})


class AnthropicBatches(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._wire = Messages()
        super().__init__(world, self._wire, AnthropicFormat())

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /anthropic/v1."""
        handler, every = self.handler, f"{prefix}/messages/batches"
        one = f"{every}/{{batch}}"
        return [
            web.post(every, handler("create", self.create)),
            web.get(every, handler("list", self.batches)),
            web.get(one, handler("poll", self.batch)),
            web.delete(one, handler("delete", self.delete)),
            web.post(f"{one}/cancel", handler("cancel", self.cancel)),
            web.get(f"{one}/results", handler("results", self.results)),
        ]

    async def create(self, call: Call) -> Any:
        """A batch of the requests in the body; their parameters are not looked at yet."""
        self._wire.version(call.request.headers)
        raw = await self.raw(call)
        try:
            requests = _body(raw).requests
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(f"requests: {error}") from error
        if not requests:
            raise invalid("requests: List should have at least 1 item after validation, not 0")
        if len(requests) > self.most_requests:
            message = f"requests: List should have at most {self.most_requests} items"
            raise invalid(f"{message} after validation, not {len(requests)}")
        model = _check(requests)
        received = self.spooled(requests)
        self.refuse_tokens(
            call,
            model,
            [received],
            lambda _: Refusal(
                429,
                "Number of batch requests in the processing queue has exceeded your rate limit.",
                type="rate_limit_error",
                retry_after=60,
            ),
        )
        batch = self.accept(
            call,
            [received],
            id=self.new_id("msgbatch_01", 22),
            endpoint="/v1/messages",
            model=model,
        )
        return self._show(call, batch)

    async def _found(self, call: Call) -> Batch:
        self._wire.version(call.request.headers)
        batch = await self.find(call, call.path("batch"))
        if batch is None:
            message = f"Message Batch {call.path('batch')} not found."
            raise Refusal(404, message, type="not_found_error", outcome="404 no batch")
        return batch

    async def batch(self, call: Call) -> Any:
        return self._show(call, await self._found(call))

    async def batches(self, call: Call) -> Any:
        """A page, newest first."""
        self._wire.version(call.request.headers)
        limit = call.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            raise invalid("limit: Input should be between 1 and 1000")
        every = self.listed(call)
        page = cursor(call.query, [b.id for b in every], int(limit), "after_id", "before_id")
        if page is None:
            raise invalid("Unknown batch id in the page cursor")
        names, more = page
        found = await self.up_to_date(batch for batch in every if batch.id in names)
        return {
            "data": [self._show(call, batch) for batch in found],
            "has_more": more,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }

    async def cancel(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) in ENDED:
            raise invalid(f"Batch {batch.id} cannot be canceled because it has already ended.")
        batch.cancel(self.now)
        return self._show(call, batch)

    async def delete(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) not in ENDED:
            raise invalid(f"Batch {batch.id} cannot be deleted while it is being processed.")
        batch.facts["deleted"] = True
        return {"id": batch.id, "type": "message_batch_deleted"}

    async def results(self, call: Call) -> Any:
        """The results as lines, in no order."""
        batch = await self._found(call)
        if batch.phase(self.now) not in ENDED:
            message = f"Batch {batch.id} has no available results. "
            message += "Please check the batch's processing_status."
            raise Refusal(404, message, type="not_found_error", outcome="404 no results")
        if self._archived(batch):
            message = f"The results of batch {batch.id} are not available any more."
            raise Refusal(404, message, type="not_found_error", outcome="404 archived")
        return await send_file(call, batch.results.out, "application/x-jsonl")

    def _archived(self, batch: Batch) -> bool:
        lost = batch.fault is not None and batch.fault.name == "lost-results"
        return lost or self.now >= batch.timeline.created + _KEPT

    def _show(self, call: Call, batch: Batch) -> dict[str, Any]:
        plan, (moment, ending) = batch.timeline, batch.stop
        phase, archived = batch.phase(self.now), self._archived(batch)
        ended = phase in ENDED
        status = "ended" if ended else "canceling" if phase == "cancelling" else "in_progress"
        succeeded, errored, left = counts(batch) if ended else (0, 0, batch.total)
        where = call.request.path.partition("/messages/batches")[0]
        url = f"{call.request.url.origin()}{where}/messages/batches/{batch.id}/results"
        stopped = batch.cancelled_at
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {
                "processing": 0 if ended else left,
                "succeeded": succeeded,
                "errored": errored,
                "canceled": left if ended and ending == "cancelled" else 0,
                "expired": left if ended and ending == "expired" else 0,
            },
            "created_at": rfc3339(plan.created),
            "expires_at": rfc3339(plan.expires),
            "ended_at": rfc3339(moment) if ended else None,
            "cancel_initiated_at": None if stopped is None else rfc3339(stopped),
            "archived_at": rfc3339(plan.created + _KEPT) if archived else None,
            "results_url": url if ended and not archived else None,
        }


def _check(requests: Iterable[msgspec.Raw]) -> str:
    """Check the ids of all requests; returns the model of the first."""
    seen: set[str] = set()
    model = ""
    for number, raw in enumerate(requests):
        try:
            item = _item(raw)
        except msgspec.ValidationError as error:
            raise invalid(f"requests.{number}: {error}") from error
        if not _KEY.fullmatch(item.custom_id):
            rule = "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"
            raise invalid(f"requests.{number}.custom_id: {rule}")
        if item.custom_id in seen:
            raise invalid(f"requests.{number}.custom_id: duplicate custom_id '{item.custom_id}'")
        seen.add(item.custom_id)
        if not bytes(item.params).startswith(b"{"):
            raise invalid(f"requests.{number}.params: Input should be a valid dictionary")
        model = model or _named(item.params)
    return model


def _named(params: msgspec.Raw) -> str:
    try:
        return _model(params).model
    except msgspec.ValidationError:
        return ""
