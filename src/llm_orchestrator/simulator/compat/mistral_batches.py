"""Files and batch jobs of Mistral."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, counts
from llm_orchestrator.simulator.batches.files import (
    DAY,
    Received,
    StoredFile,
    lines_of,
    receive_form,
)
from llm_orchestrator.simulator.batches.handlers import Call, send_file
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.compat.mistral import Mistral
from llm_orchestrator.simulator.compat.mistral_batch_format import MistralFormat
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_STATES: Final = {
    "validating": "QUEUED",
    "queued": "QUEUED",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
}
_INLINE: Final = 10_000
_LONGEST: Final = 168
_HOUR: Final = 3600.0
_KEPT: Final = 30 * DAY


class MistralBatches(BatchEndpoints):
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._endpoints = MistralFormat().endpoints
        super().__init__(world, Mistral(), MistralFormat())

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /mistral/v1."""
        handler, file = self.handler, f"{prefix}/files/{{file}}"
        jobs = f"{prefix}/batch/jobs"
        return [
            web.post(f"{prefix}/files", handler("upload", self.upload)),
            web.get(f"{prefix}/files", handler("list", self.files)),
            web.get(file, handler("poll", self.file)),
            web.delete(file, handler("delete", self.remove)),
            web.get(f"{file}/content", handler("results", self.content)),
            web.post(jobs, handler("create", self.create)),
            web.get(jobs, handler("list", self.batches)),
            web.get(f"{jobs}/{{batch}}", handler("poll", self.batch)),
            web.delete(f"{jobs}/{{batch}}", handler("delete", self.delete)),
            web.post(f"{jobs}/{{batch}}/cancel", handler("cancel", self.cancel)),
        ]

    def _new(self) -> str:
        seed = f"{self.world.seed}/mistral/{self.world.batches.number()}"
        return str(uuid.uuid5(uuid.NAMESPACE_OID, seed))

    # ---------------------------------------------------------------- files

    async def upload(self, call: Call) -> Any:
        """A file, by a form."""
        spool = self.world.batches.spool
        fields, received = await receive_form(call.request, spool, self.most_bytes)
        if received is None:
            raise _unprocessable("file", "Field required")
        purpose = fields.get("purpose", "fine-tune")
        if purpose not in {"batch", "fine-tune", "ocr", "audio"}:
            raise _unprocessable("purpose", "Input should be 'fine-tune', 'batch' or 'ocr'")
        facts = {"sample": "batch_request", "visibility": fields.get("visibility", "workspace")}
        return show_file(self._keep(call.account, received, purpose, facts, self.now))

    def _keep(
        self,
        account: str,
        received: Received,
        purpose: str,
        facts: dict[str, Any],
        created: float,
    ) -> StoredFile:
        return self.world.batches.files.add(
            StoredFile(
                id=self._new(),
                provider=self.provider,
                account=account,
                name=received.name,
                purpose=purpose,
                path=received.path,
                size=received.size,
                lines=received.lines,
                created=created,
                expires=created + _KEPT,
                facts=facts,
            )
        )

    def _stored(self, call: Call, name: str) -> StoredFile:
        found = self.world.batches.files.find(name, self.provider, call.account, self.now)
        if found is None:
            raise Refusal(404, "No file matches the given query.", outcome="404 no file")
        return found

    async def file(self, call: Call) -> Any:
        return show_file(self._stored(call, call.path("file")))

    async def remove(self, call: Call) -> Any:
        file = self._stored(call, call.path("file"))
        self.world.batches.files.remove(file)
        return {"id": file.id, "object": "file", "deleted": True}

    async def content(self, call: Call) -> Any:
        """The bytes of a file."""
        file = self._stored(call, call.path("file"))
        if file.facts.get("lost"):
            raise Refusal(404, "No file matches the given query.", outcome="404 no file")
        return await send_file(call, file.path, "application/octet-stream")

    async def files(self, call: Call) -> Any:
        """A page of files, newest first."""
        every = self.world.batches.files.of(self.provider, call.account, self.now)
        if purpose := call.query.get("purpose"):
            every = [file for file in every if file.purpose == purpose]
        start, size = _page(call)
        shown = [show_file(file) for file in every[start : start + size]]
        return {"object": "list", "data": shown, "total": len(every)}

    # ---------------------------------------------------------------- jobs

    async def create(self, call: Call) -> Any:
        """A job of files that were uploaded, or of the requests in the body."""
        raw = await self.raw(call)
        try:
            body = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            requests = msgspec.json.decode(body.pop("requests", b"null"), type=_REQUESTS)
            given: dict[str, Any] = {k: msgspec.json.decode(v) for k, v in body.items()}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _unprocessable("", f"The body is not valid: {error}") from error
        endpoint, model = given.get("endpoint"), given.get("model")
        if endpoint not in self._endpoints:
            raise _unprocessable("endpoint", "Input should be one of the supported endpoints")
        if not isinstance(model, str) or self.world.models.find("mistral", model) is None:
            raise Refusal(400, f"Invalid model: {model}", type="invalid_model", code="1500")
        hours = given.get("timeout_hours") or 24
        if not isinstance(hours, int) or not 1 <= hours <= _LONGEST:
            raise _unprocessable("timeout_hours", f"Input should be between 1 and {_LONGEST}")
        inputs = self._inputs(call, given, requests)
        self.refuse_tokens(
            call, model, inputs, lambda _: Refusal(429, "Too many batch requests are enqueued.")
        )
        batch = self.accept(
            call,
            inputs,
            id=self._new(),
            endpoint=endpoint,
            model=model,
            label=_metadata(given.get("metadata")),
            window=hours * _HOUR,
            facts={"input_files": given.get("input_files") or [], "inline": bool(requests)},
        )
        return self._show(batch)

    def _inputs(
        self, call: Call, given: Mapping[str, Any], requests: list[msgspec.Raw] | None
    ) -> list[Received]:
        names = given.get("input_files")
        if bool(names) is bool(requests):
            raise _unprocessable("", "Exactly one of input_files and requests is needed")
        if requests:
            if len(requests) >= _INLINE:
                raise _unprocessable("requests", f"List should have less than {_INLINE} items")
            return [self.spooled(requests)]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _unprocessable("input_files", "Input should be a valid list of strings")
        files = [self._stored(call, name) for name in names]
        if sum(file.lines for file in files) > self.most_requests:
            raise _unprocessable("input_files", f"At most {self.most_requests} requests")
        return [Received(file.path, file.name, file.size, file.lines) for file in files]

    async def _found(self, call: Call) -> Batch:
        batch = await self.find(call, call.path("batch"))
        if batch is None:
            raise Refusal(404, "No batch job matches the given query.", outcome="404 no batch")
        return batch

    async def batch(self, call: Call) -> Any:
        batch = await self._found(call)
        return self._show(batch, inline=call.query.get("inline") == "true")

    async def cancel(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) in ENDED:
            raise Refusal(400, f"The job has ended as {_STATES[batch.phase(self.now)]}.")
        batch.cancel(self.now)
        return self._show(batch)

    async def delete(self, call: Call) -> Any:
        batch = await self._found(call)
        if batch.phase(self.now) not in ENDED:
            raise Refusal(400, "A running job cannot be deleted.")
        batch.facts["deleted"] = True
        return {"id": batch.id, "object": "batch", "deleted": True}

    async def batches(self, call: Call) -> Any:
        """A page of jobs, newest first. A filter by metadata is not one it knows."""
        found = await self.up_to_date(self.listed(call))
        if model := call.query.get("model"):
            found = [batch for batch in found if batch.model == model]
        if states := call.request.query.getall("status", []):
            found = [batch for batch in found if self._state(batch) in states]
        if after := call.query.get("created_after"):
            try:
                moment = datetime.fromisoformat(after).timestamp()
            except ValueError:
                raise _unprocessable("created_after", "Input should be a valid datetime") from None
            found = [batch for batch in found if batch.timeline.created > moment]
        if call.query.get("order_by") == "created":
            found.reverse()
        start, size = _page(call)
        shown = [self._show(batch) for batch in found[start : start + size]]
        return {"object": "list", "data": shown, "total": len(found)}

    def _state(self, batch: Batch) -> str:
        return _STATES.get(batch.phase(self.now), "RUNNING")

    def _show(self, batch: Batch, *, inline: bool = False) -> dict[str, Any]:
        phase, (moment, _) = batch.phase(self.now), batch.stop
        if batch.finished and not batch.problems:
            self._finish(batch)
        good, bad, _ = counts(batch)
        started = self.now >= batch.timeline.begun and phase != "failed"
        outputs = None
        if inline and batch.facts["inline"] and batch.finished:
            outputs = [msgspec.Raw(line) for line in lines_of(batch.results.folder)]
        problems = [{"message": p.message, "count": 1} for p in batch.problems]
        return {
            "id": batch.id,
            "object": "batch",
            "input_files": batch.facts["input_files"],
            "metadata": batch.label,
            "endpoint": batch.endpoint,
            "model": batch.model,
            "agent_id": None,
            "output_file": batch.output.id if batch.output else None,
            "error_file": batch.errors.id if batch.errors else None,
            "outputs": outputs,
            "errors": problems if phase == "failed" else [],
            "status": self._state(batch),
            "created_at": int(batch.timeline.created),
            "total_requests": batch.total,
            "completed_requests": good + bad,
            "succeeded_requests": good,
            "failed_requests": bad,
            "started_at": int(batch.timeline.begun) if started else None,
            "completed_at": int(moment) if phase in ENDED else None,
        }

    def _finish(self, batch: Batch) -> None:
        """Give the results their files; an empty one has none."""
        if batch.facts.get("filed"):
            return
        batch.facts["filed"] = True
        results, made = batch.results, []
        lost = bool(batch.fault and batch.fault.name == "lost-results")
        for kind, path, size in zip(
            ("result", "error"), results.folder, results.sizes, strict=True
        ):
            received = Received(path, f"{batch.id}_{kind}.jsonl", size)
            facts = {"sample": f"batch_{kind}", "visibility": "workspace", "lost": lost}
            account, moment = batch.account, batch.stop[0]
            made.append(self._keep(account, received, "batch", facts, moment) if size else None)
        batch.output, batch.errors = made


_REQUESTS: Final = list[msgspec.Raw] | None


def show_file(file: StoredFile) -> dict[str, Any]:
    """A file as JSON."""
    uploaded = file.facts["sample"] == "batch_request"
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created),
        "filename": file.name,
        "purpose": file.purpose,
        "sample_type": file.facts["sample"],
        "num_lines": file.lines if uploaded else None,
        "mimetype": "application/jsonl",
        "source": "upload" if uploaded else "mistral",
        "signature": None,
        "expires_at": None,
        "visibility": file.facts["visibility"],
        "deleted": False,
    }


def _metadata(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise _unprocessable("metadata", "Input should be a valid dictionary of strings")
    return given


def _page(call: Call) -> tuple[int, int]:
    page, size = call.query.get("page", "0"), call.query.get("page_size", "100")
    if not page.isdigit() or not size.isdigit() or int(size) < 1:
        raise _unprocessable("page", "Input should be a valid integer")
    return int(page) * int(size), int(size)


def _unprocessable(field: str, message: str) -> Refusal:
    place = ["body", field] if field else ["body"]
    detail = [{"type": "value_error", "loc": place, "msg": message, "input": {}}]
    return Refusal(422, message, details={"detail": detail}, outcome="422 validation")
