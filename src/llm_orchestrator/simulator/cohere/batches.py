"""Datasets and batches of Cohere."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator import paging
from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts
from llm_orchestrator.simulator.batches.files import (
    DAY,
    Received,
    StoredFile,
    lines_of,
    receive_form,
)
from llm_orchestrator.simulator.batches.format import ProblemError
from llm_orchestrator.simulator.batches.handlers import Call, send_file
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.cohere import avro
from llm_orchestrator.simulator.cohere.batch_format import CHAT, EMBED, SCHEMAS, CohereFormat
from llm_orchestrator.simulator.cohere.chat import Chat
from llm_orchestrator.simulator.cohere.errors import invalid
from llm_orchestrator.simulator.openai.batch_checks import spent
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_KEPT: Final = 30 * DAY
_OTHERS: Final = ("batch-chat-input", "batch-openai-chat-input", "embed-input")
_STATES: Final = {
    "validating": "QUEUED",
    "queued": "QUEUED",
    "cancelling": "CANCELING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "expired": "FAILED",
    "cancelled": "CANCELED",
}


class CohereBatches(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        super().__init__(world, Chat(), CohereFormat())

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /cohere."""
        handler, sets, jobs = self.handler, f"{prefix}/v1/datasets", f"{prefix}/v2/batches"
        return [
            web.post(sets, handler("upload", self.upload)),
            web.get(sets, handler("list", self.datasets)),
            web.get(f"{sets}/usage", handler("poll", self.usage)),
            web.get(f"{sets}/{{file}}", handler("poll", self.dataset)),
            web.delete(f"{sets}/{{file}}", handler("delete", self.remove)),
            web.get(f"{prefix}/dataset-parts/{{part}}", self.part),
            web.post(jobs, handler("create", self.create)),
            web.get(jobs, handler("list", self.batches)),
            web.post(f"{jobs}/{{batch:[^/:]+}}:cancel", handler("cancel", self.cancel)),
            web.get(f"{jobs}/{{batch:[^/:]+}}", handler("poll", self.batch)),
        ]

    def _new(self) -> str:
        seed = f"{self.world.seed}/cohere/{self.world.batches.number()}"
        return str(uuid.uuid5(uuid.NAMESPACE_OID, seed))

    # ---------------------------------------------------------------- datasets

    async def upload(self, call: Call) -> Any:
        """A dataset; it is looked through later."""
        kind, name = call.query.get("type", ""), call.query.get("name", "")
        if kind not in (CHAT, EMBED, *_OTHERS):
            raise invalid(f"invalid dataset type '{kind}'")
        if not name:
            raise invalid("name is required")
        spool = self.world.batches.spool
        _, received = await receive_form(call.request, spool, self.most_bytes, "data")
        if received is None:
            raise invalid("data is required")
        file = self._keep(call.account, received, name, kind, self.now)
        file.facts["error"] = self._wrong(received, kind)
        return {"id": file.id}

    def _keep(
        self, account: str, received: Received, name: str, kind: str, created: float
    ) -> StoredFile:
        return self.world.batches.files.add(
            StoredFile(
                id=self._new(),
                provider=self.provider,
                account=account,
                name=name,
                purpose=kind,
                path=received.path,
                size=received.size,
                lines=received.lines,
                created=created,
                expires=created + _KEPT,
            )
        )

    def _wrong(self, received: Received, kind: str) -> str:
        """What the validation will find."""
        batch_format = CohereFormat(kind)
        seen: set[str] = set()
        for number, raw in enumerate(lines_of([received.path])):
            try:
                key = batch_format.read(raw).key
            except ProblemError as problem:
                return f"row {number}: {problem.message}"
            if key in seen:
                return f"row {number}: duplicate custom_id '{key}'"
            seen.add(key)
        return "" if received.lines else "the dataset is empty"

    def _stored(self, call: Call, name: str) -> StoredFile:
        found = self.world.batches.files.find(name, self.provider, call.account, self.now)
        if found is None:
            raise Refusal(404, f"dataset with id {name} not found", outcome="404 no dataset")
        return found

    def _validation(self, file: StoredFile) -> str:
        settings = self.world.batches.book.of(self.provider)
        if "parts" in file.facts or self.now >= file.created + settings.validation:
            return "failed" if file.facts.get("error") else "validated"
        return "queued"

    async def dataset(self, call: Call) -> Any:
        return {"dataset": self._show_set(call, self._stored(call, call.path("file")))}

    async def remove(self, call: Call) -> Any:
        self.world.batches.files.remove(self._stored(call, call.path("file")))
        return {}

    async def usage(self, call: Call) -> Any:
        """Bytes that are kept."""
        mine = self.world.batches.files.of(self.provider, call.account, self.now)
        return {"organization_usage": sum(file.size for file in mine)}

    async def datasets(self, call: Call) -> Any:
        """A page of datasets, newest first."""
        every = self.world.batches.files.of(self.provider, call.account, self.now)
        if kind := call.query.get("datasetType"):
            every = [file for file in every if file.purpose == kind]
        limit, offset = call.query.get("limit", "50"), call.query.get("offset", "0")
        if not limit.isdigit() or not offset.isdigit():
            raise invalid("limit and offset must be numbers")
        page = every[int(offset) : int(offset) + int(limit)]
        return {"datasets": [self._show_set(call, file) for file in page]}

    def _show_set(self, call: Call, file: StoredFile) -> dict[str, Any]:
        status = self._validation(file)
        origin = call.request.url.origin()
        where = call.request.path.partition("/v1/datasets")[0]
        url = f"{origin}{where}/dataset-parts/{file.facts.get('parts', '')}"
        part = {
            "id": f"{file.id}-0",
            "name": f"{file.name}-part-0",
            "url": url if "parts" in file.facts else "",
            "index": 0,
            "size_bytes": file.size,
            "num_rows": file.lines,
        }
        return {
            "id": file.id,
            "name": file.name,
            "created_at": rfc3339(file.created),
            "updated_at": rfc3339(file.created),
            "dataset_type": file.purpose,
            "validation_status": status,
            "validation_error": file.facts.get("error", "") if status == "failed" else "",
            "schema": file.facts.get("schema", ""),
            "required_fields": ["custom_id", "body"],
            "preserve_fields": [],
            "dataset_parts": [part],
            "validation_warnings": [],
        }

    async def part(self, request: web.Request) -> web.StreamResponse:
        """A part of a dataset: no key, the address is the secret."""
        secret, files = request.match_info["part"], self.world.batches.files
        found = [f for f in files.every() if f.facts.get("parts") == secret]
        if not found or found[0].gone(self.now) or found[0].facts.get("lost"):
            return web.Response(status=404, text="NoSuchKey")
        fault = self.world.faults.ruled(self.provider, found[0].account, "", "results")
        call = Call(request, found[0].account, fault)
        return await send_file(call, found[0].path, "application/octet-stream")

    # ---------------------------------------------------------------- batches

    async def create(self, call: Call) -> Any:
        """A batch of a dataset that was looked through."""
        body = await json_body(call.request)
        for name in ("name", "input_dataset_id", "model"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise invalid(f"{name} is required")
        file = self._stored(call, body["input_dataset_id"])
        if file.purpose not in (CHAT, EMBED):
            raise invalid(f"datasets of type {file.purpose} are not for batches here")
        if self._validation(file) != "validated":
            raise invalid(f"dataset {file.id} is not validated: {self._validation(file)}")
        named = body["model"]
        embeds = file.purpose == EMBED
        given = {"model": "embed-v4.0" if named.startswith("batch-embed-v4") else named}
        model = Chat().model(given, self.world, embeds=embeds)
        received = Received(file.path, file.name, file.size, file.lines)
        self.refuse_tokens(
            call, model.id, [received], lambda _: Refusal(429, "too many enqueued batch tokens")
        )
        batch = self.world.batches.accept(
            id=self._new(),
            account=call.account,
            format=CohereFormat(file.purpose),
            endpoint=file.purpose,
            model=model.id,
            inputs=[received],
            headers=call.request.headers,
            label=body["name"],
            fault=call.batch_fault,
            facts={"input": file.id, "named": named},
        )
        return {"batch": self._show(batch)}

    async def _found(self, call: Call) -> Batch:
        batch = await self.find(call, call.path("batch"))
        if batch is None:
            message = f"batch with id {call.path('batch')} not found"
            raise Refusal(404, message, outcome="404 no batch")
        return batch

    async def batch(self, call: Call) -> Any:
        return {"batch": self._show(await self._found(call))}

    async def cancel(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) in ENDED:
            raise invalid("the batch has ended and cannot be canceled")
        batch.cancel(self.now)
        return {}

    async def batches(self, call: Call) -> Any:
        """A page of batches, newest first."""
        every = self.listed(call)
        if call.query.get("order_by", "").replace(" ", "").startswith("created_atasc"):
            every.reverse()
        size = call.query.get("page_size", "50")
        start = paging.start(call.query.get("page_token", ""))
        if not size.isdigit() or start is None:
            raise invalid("page_size or page_token is not valid")
        end = start + (min(int(size), 1000) or 50)
        found = await self.up_to_date(every[start:end])
        token = paging.token(end) if end < len(every) else ""
        return {"batches": [self._show(batch) for batch in found], "next_page_token": token}

    def _show(self, batch: Batch) -> dict[str, Any]:
        phase, (moment, _) = batch.phase(self.now), batch.stop
        if batch.finished and not batch.problems and not batch.facts.get("filed"):
            self._file(batch)
        good, bad, _ = counts(batch)
        usage, reason = spent(batch), ""
        if phase == "failed":
            reason = batch.problems[0].message
        elif phase == "expired":
            reason = "the batch took too long"
        return {
            "id": batch.id,
            "name": batch.label,
            "creator_id": "user-sim",
            "org_id": "org-sim",
            "status": f"BATCH_STATUS_{_STATES.get(phase, 'IN_PROGRESS')}",
            "created_at": rfc3339(batch.timeline.created),
            "updated_at": rfc3339(moment if phase in ENDED else self.now),
            "input_dataset_id": batch.facts["input"],
            "output_dataset_id": batch.output.id if batch.output else "",
            "input_tokens": str(usage.input_tokens),
            "output_tokens": str(usage.output_tokens),
            "model": batch.facts["named"],
            "num_records": batch.total,
            "num_successful_records": good,
            "num_failed_records": bad,
            "status_reason": reason,
        }

    def _file(self, batch: Batch) -> None:
        """Put the results into a dataset; without any there is none."""
        batch.facts["filed"] = True
        if not batch.results.sizes[0]:
            return
        path, schema = self.world.batches.spool.path("avro"), SCHEMAS[batch.endpoint]
        with path.open("wb") as file:
            rows = avro.write(file, schema, _rows(batch.results.out))
        received = Received(path, size=path.stat().st_size, lines=rows)
        name, moment = f"{batch.label}-output", batch.stop[0]
        batch.output = self._keep(batch.account, received, name, "batch-output", moment)
        batch.output.facts |= {
            "parts": self.new_id("", 40),
            "schema": json.dumps(schema),
            "lost": bool(batch.fault and batch.fault.name == "lost-results"),
        }


def _rows(path: Path) -> Iterator[Any]:
    """The results; what cannot be read is a row of its own."""
    for line in lines_of([path]):
        try:
            yield msgspec.json.decode(line)
        except msgspec.DecodeError:
            yield {"custom_id": line[:40].decode("utf-8", "replace"), "body": None, "error": ""}
