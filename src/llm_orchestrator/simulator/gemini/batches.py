"""Batches of the Gemini API: long-running operations over inline requests or a file."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts
from llm_orchestrator.simulator.batches.files import Received
from llm_orchestrator.simulator.batches.format import ProblemError
from llm_orchestrator.simulator.batches.handlers import Call
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.batch_format import GeminiFormat
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.files import GeminiFiles, generated, page_of
from llm_orchestrator.simulator.gemini.place import Google, Place
from llm_orchestrator.simulator.gemini.shape import camel
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_INLINE: Final = 20_000_000
_STATES: Final = {
    "validating": "PENDING",
    "queued": "PENDING",
    "completed": "SUCCEEDED",
    "failed": "FAILED",
    "expired": "EXPIRED",
    "cancelled": "CANCELLED",
}
_TYPES: Final = "type.googleapis.com/google.ai.generativelanguage.v1main."
_FIELDS: Final = {"displayName", "inputConfig", "priority", "name", "model"}
_METHODS: Final = "batchGenerateContent|asyncBatchEmbedContent"


class GeminiBatches(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World, files: GeminiFiles) -> None:
        super().__init__(world, Google(Place("gemini", "v1")), GeminiFormat())
        self._files = files

    def routes(self, prefix: str, version: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /gemini; `version` is a pattern."""
        handler, base = self.handler, f"{prefix}/{version}"
        batch = f"{base}/batches/{{batch:[^/:]+}}"
        return [
            web.post(
                f"{base}/models/{{model:[^/:]+}}:{{method:{_METHODS}}}",
                handler("create", self.create),
            ),
            web.get(f"{base}/batches", handler("list", self.batches)),
            web.post(f"{batch}:cancel", handler("cancel", self.cancel)),
            web.get(batch, handler("poll", self.batch)),
            web.delete(batch, handler("delete", self.delete)),
        ]

    async def create(self, call: Call) -> Any:
        """A batch of the requests in the body, or of a file."""
        embeds = call.path("method") == "asyncBatchEmbedContent"
        place = Place("gemini", call.path("version"))
        method = "embedContent" if embeds else "generateContent"
        model = Google(place).model({"model": call.path("model")}, self.world, method)
        given = _fields(await self.raw(call))
        strange = set(given) - _FIELDS
        if strange:
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{min(strange)}\" at 'batch': "
                "Cannot find field."
            )
        name = msgspec.json.decode(given.get("displayName", b'""'))
        received, inline = self._input(call, given)
        self.refuse_tokens(
            call,
            model.id,
            [received],
            lambda limit: Refusal(
                429,
                f"You exceeded your current quota of {limit} enqueued batch tokens.",
                type="tokens",
            ),
        )
        batch = self.world.batches.accept(
            id=self.new_id("", 26).lower(),
            account=call.account,
            format=GeminiFormat(inline=inline, embeds=embeds),
            endpoint=call.path("method"),
            model=model.id,
            inputs=[received],
            headers=call.request.headers,
            label=name,
            fault=call.batch_fault,
            facts={"version": place.version},
        )
        return self._show(batch)

    def _input(self, call: Call, given: dict[str, bytes]) -> tuple[Received, bool]:
        """The requests on disk, and whether they came in the body."""
        if "inputConfig" not in given:
            raise invalid("batch.input_config is required.", "batch.input_config")
        config = _camel(given["inputConfig"])
        if "fileName" in config:
            file = self._files.stored(call.account, msgspec.json.decode(config["fileName"]))
            return Received(file.path, file.name, file.size, file.lines), False
        size = len(given["inputConfig"])
        if size > _INLINE:
            raise invalid(f"Inline requests may have at most {_INLINE} bytes; got {size}.")
        try:
            listed = msgspec.json.decode(config["requests"], type=dict[str, list[msgspec.Raw]])
        except (KeyError, msgspec.MsgspecError):
            raise invalid("batch.input_config.requests is not valid.") from None
        requests = listed.get("requests", [])
        if not requests:
            raise invalid("batch.input_config.requests: requests is not specified")
        if len(requests) > self.most_requests:
            raise invalid(f"at most {self.most_requests} requests can be in one batch.")
        batch_format = GeminiFormat(inline=True)
        for number, each in enumerate(requests):
            try:
                batch_format.read(bytes(each))
            except ProblemError as problem:
                where = f"batch.input_config.requests.requests[{number}]"
                raise invalid(f"Invalid value at '{where}': {problem.message}", where) from None
        return self.spooled(requests), True

    async def _found(self, call: Call) -> Batch:
        batch = await self.find(call, call.path("batch"))
        if batch is None:
            raise errors.gone(f"batches/{call.path('batch')}")
        return batch

    async def batch(self, call: Call) -> Any:
        return self._show(await self._found(call))

    async def cancel(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) in ENDED:
            raise Refusal(400, "The batch has ended and cannot be cancelled.")
        batch.cancel(self.now)
        return {}

    async def delete(self, call: Call) -> Any:
        """Forget a batch; one that runs is cancelled too."""
        batch = await self._found(call)
        if batch.phase(self.now) not in ENDED:
            batch.cancel(self.now)
        batch.facts["deleted"] = True
        return {}

    async def batches(self, call: Call) -> Any:
        """A page of operations, newest first."""
        every = self.listed(call)
        page, token = page_of(call, len(every), "pageSize", 10, 1000)
        found = await self.up_to_date(every[n] for n in page)
        body: dict[str, Any] = {"operations": [self._show(batch) for batch in found]}
        return body | ({"nextPageToken": token} if token else {})

    def _show(self, batch: Batch) -> dict[str, Any]:
        phase, (moment, _) = batch.phase(self.now), batch.stop
        ended = phase in ENDED
        kind = "EmbedContentBatch" if batch.format.embeds else "GenerateContentBatch"  # type: ignore[attr-defined]
        metadata: dict[str, Any] = {
            "@type": _TYPES + kind,
            "name": f"batches/{batch.id}",
            "model": f"models/{batch.model}",
            "displayName": batch.label,
            "state": f"BATCH_STATE_{_STATES.get(phase, 'RUNNING')}",
            "createTime": rfc3339(batch.timeline.created),
            "updateTime": rfc3339(moment if ended else self.now),
            "batchStats": self._stats(batch),
        }
        shown: dict[str, Any] = {"name": f"batches/{batch.id}", "metadata": metadata}
        if ended:
            metadata["endTime"] = rfc3339(moment)
            shown["done"] = True
        if phase == "completed":
            metadata["output"] = self._output(batch)
            shown["response"] = {"@type": _TYPES + kind + "Output"} | metadata["output"]
        elif phase == "failed":
            shown["error"] = {"code": 3, "message": batch.problems[0].message}
        elif phase in {"expired", "cancelled"}:
            code = 1 if phase == "cancelled" else 4
            shown["error"] = {"code": code, "message": f"The batch was {phase}."}
        return shown

    def _stats(self, batch: Batch) -> dict[str, str]:
        good, bad, left = counts(batch)
        if not batch.finished:
            good, left = min(batch.done(self.now), batch.total), 0
            left = batch.total - good
        figures = {
            "requestCount": batch.total,
            "successfulRequestCount": good,
            "failedRequestCount": bad,
            "pendingRequestCount": left,
        }
        return {name: str(figure) for name, figure in figures.items() if figure}

    def _output(self, batch: Batch) -> dict[str, Any]:
        if batch.format.in_order:
            lines = batch.results.out.read_bytes().splitlines()
            return {"inlinedResponses": {"inlinedResponses": [msgspec.Raw(x) for x in lines]}}
        if batch.output is None:
            size = batch.results.sizes[0]
            out, (moment, _) = batch.results.out, batch.stop
            batch.output = generated(self.world, batch.account, out, size, moment)
            batch.output.facts["lost"] = bool(batch.fault and batch.fault.name == "lost-results")
        return {"responsesFile": batch.output.id}


def _fields(raw: bytes) -> dict[str, bytes]:
    """The fields of `batch` in the body."""
    body = _camel(raw)
    if set(body) != {"batch"}:
        raise invalid("The body must hold batch, and nothing else.")
    return _camel(body["batch"])


def _camel(raw: bytes) -> dict[str, bytes]:
    """An object with names in camelCase, and its values as JSON."""
    try:
        given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    return {camel(name): bytes(value) for name, value in given.items()}
