"""Batches of OpenRouter: inline requests for one model, results in the batch itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts, cursor
from llm_orchestrator.simulator.batches.files import lines_of
from llm_orchestrator.simulator.batches.format import (
    Answered,
    BatchFormat,
    Entry,
    Item,
    ProblemError,
)
from llm_orchestrator.simulator.batches.handlers import Call
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.compat.openrouter import (
    TYPES,
    OpenRouter,
    OpenRouterEmbeddings,
)
from llm_orchestrator.simulator.openai.batch_checks import spent
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

if TYPE_CHECKING:
    from llm_orchestrator.simulator.wire import Wire

_ENDPOINTS: Final[dict[str, Callable[[], Wire]]] = {
    "/v1/chat/completions": OpenRouter,
    "/v1/embeddings": OpenRouterEmbeddings,
}
_STATES: Final = {"queued": "in_progress", "running": "in_progress"}
_STORED: Final = {"finalizing": "in_progress", "cancelling": "in_progress"}
_FIELDS: Final = {
    "endpoint",
    "model",
    "requests",
    "callback_url",
    "completion_window",
    "provider",
}


class _Line(msgspec.Struct):
    custom_id: str
    body: msgspec.Raw


_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True)
class OpenRouterFormat(BatchFormat):
    """The model is the batch's; a failed item has an error and no response."""

    provider: str = "openrouter"
    most_requests: int = 5_000
    most_bytes: int = 200_000_000
    longest_key: int = 512
    one_file: bool = True

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        del batch
        try:
            line = _line(raw)
        except msgspec.MsgspecError as error:
            raise ProblemError("invalid_request", f"Invalid request: {error}") from error
        return Entry(line.custom_id, bytes(line.body))

    def wire(self, batch: Batch) -> Wire:
        return _ENDPOINTS[batch.endpoint]()

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        return body | {"model": item.batch.model}

    def line(self, item: Item, answered: Answered) -> bytes:
        if answered.good:
            status, name = str(answered.status).encode(), answered.request_id.encode()
            response = b'{"status_code":' + status + b',"request_id":"' + name + b'","body":'
            return _result(item, response + answered.body + b"}", b"null")
        refusal = answered.refusal or Refusal(500, "Internal Server Error")
        return _result(item, b"null", _error(refusal.message, TYPES.get(refusal.status, "server")))

    def left(self, item: Item, why: str) -> bytes | None:
        message = f"The batch was {why} before this request was processed."
        return _result(item, b"null", _error(message, f"batch_{why}"))


def _error(message: str, kind: str) -> bytes:
    return msgspec.json.encode({"message": message, "param": None, "type": kind})


def _result(item: Item, response: bytes, error: bytes) -> bytes:
    name = f"batch_req_{item.batch.id[-12:]}{item.number:06x}".encode()
    key = msgspec.json.encode(item.entry.key)
    head = b'{"id":"' + name + b'","custom_id":' + key
    return head + b',"response":' + response + b',"error":' + error + b"}"


class OpenRouterBatches(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        super().__init__(world, OpenRouter(), OpenRouterFormat())

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /openrouter/api/v1. There is none to cancel."""
        handler, every = self.handler, f"{prefix}/batches"
        return [
            web.post(every, handler("create", self.create, 202)),
            web.get(every, handler("list", self.batches)),
            web.get(f"{every}/{{batch}}", handler("poll", self.batch)),
            web.delete(f"{every}/{{batch}}", handler("delete", self.delete)),
        ]

    async def create(self, call: Call) -> Any:
        """A batch that is stored; its requests are not looked at yet."""
        raw = await self.raw(call)
        try:
            given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            requests = msgspec.json.decode(given["requests"], type=list[msgspec.Raw])
        except (KeyError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(f"requests: {error}", "requests") from error
        names = list(given)
        rest = {name: msgspec.json.decode(given[name]) for name in names if name != "requests"}
        _check(rest, names)
        if not requests or len(requests) > self.most_requests:
            raise invalid(f"A batch has 1 to {self.most_requests} requests.", "requests")
        model = OpenRouter().model(rest, self.world)
        received = self.spooled(requests)
        self.refuse_tokens(
            call, model.id, [received], lambda _: Refusal(429, "Too many requests are enqueued.")
        )
        batch = self.accept(
            call,
            [received],
            id=self.new_id("batch_", 26),
            endpoint=rest["endpoint"],
            model=model.id,
        )
        return self._show(batch)

    async def _found(self, call: Call) -> Batch:
        batch = await self.find(call, call.path("batch"))
        if batch is None:
            raise Refusal(404, f"Batch {call.path('batch')} not found", outcome="404 no batch")
        return batch

    async def batch(self, call: Call) -> Any:
        """A batch with its results, once it has ended."""
        batch = await self._found(call)
        shown = self._show(batch)
        lost = batch.fault is not None and batch.fault.name == "lost-results"
        if batch.phase(self.now) in ENDED and not batch.problems and not lost:
            shown["results"] = [msgspec.Raw(line) for line in lines_of([batch.results.out])]
        return shown

    async def delete(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) not in ENDED:
            raise Refusal(409, "Only a batch that has ended can be deleted.")
        batch.facts["deleted"] = True
        deletion = {"openrouter": "deleted"}
        return {"id": batch.id, "object": "batch", "deleted": True, "deletion": deletion}

    async def batches(self, call: Call) -> Any:
        """A page, newest first, without results."""
        limit = call.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise invalid("limit must be between 1 and 100", "limit")
        every = [self._stored(batch) for batch in await self.up_to_date(self.listed(call))]
        if states := call.request.query.getall("status", []):
            every = [shown for shown in every if shown["status"] in states]
        after, before = (_moment(call, name) for name in ("created_after", "created_before"))
        every = [
            shown
            for shown in every
            if (after is None or shown["created_at"] > after)
            and (before is None or shown["created_at"] < before)
        ]
        page = cursor(call.query, [shown["id"] for shown in every], int(limit), "after")
        if page is None:
            raise invalid("after is not the id of a batch", "after")
        names, more = page
        return {
            "object": "list",
            "data": [shown for shown in every if shown["id"] in names],
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
            "has_more": more,
        }

    def _stored(self, batch: Batch) -> dict[str, Any]:
        """As lists show it: with fewer states."""
        shown = self._show(batch)
        return shown | {"status": _STORED.get(shown["status"], shown["status"])}

    def _show(self, batch: Batch) -> dict[str, Any]:
        phase, (moment, _) = batch.phase(self.now), batch.stop
        ended = phase in ENDED
        good, bad, _ = counts(batch)
        message = batch.problems[0].message if phase == "failed" else ""
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "model": batch.model,
            "provider": "Simulator",
            "completion_window": "24h",
            "status": _STATES.get(phase, phase),
            "created_at": int(batch.timeline.created),
            "expires_at": int(batch.timeline.expires),
            "finalized_at": int(moment) if ended else None,
            "request_counts": {"total": batch.total, "completed": good, "failed": bad},
            "error": {"message": message} if message else None,
            "results": None,
            "usage": _usage(batch) if ended else None,
        }


def _check(given: dict[str, Any], names: list[str]) -> None:
    strange = set(names) - _FIELDS
    if strange:
        raise invalid(f"Unrecognized key: {min(strange)}", min(strange))
    if given.get("endpoint") not in _ENDPOINTS:
        raise invalid("endpoint must be one of " + ", ".join(_ENDPOINTS), "endpoint")
    if given.get("completion_window", "24h") != "24h":
        raise invalid("completion_window must be 24h", "completion_window")
    if "callback_url" in names and names.index("callback_url") > names.index("requests"):
        raise invalid("callback_url must come before requests", "callback_url")
    provider = given.get("provider") or {}
    if not isinstance(provider, dict) or set(provider) - {"only", "allow_fallbacks"}:
        raise invalid("provider may hold only and allow_fallbacks alone", "provider")


def _usage(batch: Batch) -> dict[str, Any]:
    total = spent(batch)
    tallies = batch.results.tallies.values()
    return {
        "prompt_tokens": total.input_tokens,
        "completion_tokens": total.output_tokens,
        "total_tokens": total.input_tokens + total.output_tokens,
        "cost": sum(tally.cost for tally in tallies) / 10**12,
        "prompt_tokens_details": {"cached_tokens": total.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": total.reasoning_tokens},
    }


def _moment(call: Call, name: str) -> float | None:
    given = call.query.get(name)
    if given is None:
        return None
    if given.isdigit():
        return float(given)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise invalid(f"{name} must be a time", name) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
