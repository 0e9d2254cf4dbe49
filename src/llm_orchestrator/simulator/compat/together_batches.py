"""Batches of Together: uploads by a redirect, jobs without metadata or counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.files import Received, StoredFile, receive
from llm_orchestrator.simulator.batches.format import Answered, Item
from llm_orchestrator.simulator.batches.handlers import Call
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.compat.together import Together
from llm_orchestrator.simulator.openai.batch_format import OpenAIFormat
from llm_orchestrator.simulator.openai.batches import FileBatches
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_STATES: Final = {
    "validating": "VALIDATING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "expired": "EXPIRED",
    "cancelled": "CANCELLED",
}
_KINDS: Final = ("jsonl", "csv", "parquet")


@dataclass(frozen=True)
class TogetherFormat(OpenAIFormat):
    """Lines without method and url; failures have no status of HTTP."""

    most_bytes: int = 100_000_000
    longest_key: int = 64
    one_model: bool = False
    urls: bool = False

    def line(self, item: Item, answered: Answered) -> bytes:
        key = msgspec.json.encode(item.entry.key)
        if answered.good:
            status = str(answered.status).encode()
            response = b'{"status_code":' + status + b',"body":' + answered.body + b"}"
            return b'{"custom_id":' + key + b',"response":' + response + b"}"
        refusal = answered.refusal or Refusal(500, "Internal server error")
        return _failed(item, refusal.message, str(refusal.status))

    def left(self, item: Item, why: str) -> bytes | None:
        return _failed(item, f"The batch was {why} before this request was processed.", why)


def _failed(item: Item, message: str, code: str) -> bytes:
    error = {"message": message, "code": code}
    return msgspec.json.encode({"custom_id": item.entry.key, "error": error})


class TogetherBatches(FileBatches):
    """Handlers for one world."""

    purposes = ("batch-api", "fine-tune", "eval")
    purpose = "batch-api"

    def __init__(self, world: World) -> None:
        batch_format = TogetherFormat("together", {"/v1/chat/completions": Together})
        super().__init__(world, Together(), batch_format)
        self._begun: dict[str, StoredFile] = {}

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths, and the one of the object store."""
        store = prefix.removesuffix("/v1") + "/object-store/{upload}"
        return [
            *super().routes(prefix),
            web.put(store, self._put),
            web.post(f"{prefix}/files/{{file}}/preprocess", self.handler("upload", self._ready)),
        ]

    async def upload(self, call: Call) -> Any:
        """Where to put the file; the name that it will have is in a header."""
        form = await call.request.post()
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        if fields.get("purpose") not in self.purposes:
            raise invalid("purpose must be one of " + ", ".join(self.purposes), "purpose")
        if fields.get("file_type") not in _KINDS:
            raise invalid("file_type must be one of " + ", ".join(_KINDS), "file_type")
        name = fields.get("file_name", "")
        if not name:
            raise invalid("file_name is required", "file_name")
        file = self.keep(call, Received(self.world.batches.spool.path("empty"), name), "", None)
        file.purpose = fields["purpose"]
        file.facts |= {"kind": fields["file_type"], "checksum": fields.get("checksum")}
        self.world.batches.files.remove(file)
        secret = self.new_id("put-", 24)
        self._begun[secret] = file
        self._begun[file.id] = file
        origin, path = call.request.url.origin(), call.request.path.partition("/v1/files")[0]
        where = f"{origin}{path}/object-store/{secret}"
        return web.Response(status=302, headers={"Location": where, "X-Together-File-Id": file.id})

    async def _put(self, request: web.Request) -> web.Response:
        """The object store: no key, the address is the secret."""
        file = self._begun.get(request.match_info["upload"])
        if file is None:
            return web.Response(status=403, text="AccessDenied")
        try:
            received = await receive(request, self.world.batches.spool, self.most_bytes)
        except Refusal as refusal:
            return web.Response(status=refusal.status, text="EntityTooLarge")
        file.path, file.size, file.lines = received.path, received.size, received.lines
        file.facts["put"] = True
        return web.Response(status=200)

    async def _ready(self, call: Call) -> Any:
        """The file is there: from now on it can be used."""
        file = self._begun.get(call.path("file"))
        if file is None or file.account != call.account or not file.facts.get("put"):
            raise Refusal(404, f"File {call.path('file')} not found", outcome="404 no file")
        checksum = file.facts["checksum"]
        if checksum and checksum != _sha256(file):
            raise invalid("The checksum of the file is not the one announced.", "checksum")
        del self._begun[file.id]
        return self.show_file(self.world.batches.files.add(file))

    def show_file(self, file: StoredFile) -> dict[str, Any]:
        kind = file.facts.get("kind", "jsonl")
        return {
            "id": file.id,
            "object": "file",
            "created_at": int(file.created),
            "filename": file.name,
            "bytes": file.size,
            "purpose": file.purpose.removesuffix("_output"),
            "FileType": kind,
            "Processed": True,
            "LineCount": file.lines,
        }

    async def files(self, call: Call) -> Any:
        every = self.world.batches.files.of(self.provider, call.account, self.now)
        return {"data": [self.show_file(file) for file in every]}

    async def remove(self, call: Call) -> Any:
        shown: dict[str, Any] = await super().remove(call)
        return {"id": shown["id"], "deleted": True}

    # ---------------------------------------------------------------- batches

    async def create(self, call: Call) -> Any:
        return {"job": await super().create(call), "warning": ""}

    def window(self, body: dict[str, Any]) -> float:
        return super().window({"completion_window": body.get("completion_window") or "24h"})

    def label(self, body: dict[str, Any]) -> Any:
        """There is no metadata: a batch is found by its input."""
        return {"input_file_id": body.get("input_file_id")}

    def show(self, batch: Batch) -> dict[str, Any]:
        self.finish(batch)
        phase, (moment, _) = batch.phase(self.now), batch.stop
        done = batch.total and sum(batch.results.kinds) / batch.total
        problem = batch.problems[0].message if phase == "failed" else None
        file = self.world.batches.files.find(
            batch.facts["input_file_id"], self.provider, batch.account, self.now
        )
        return {
            "id": batch.id,
            "user_id": f"user-{batch.account[:8]}",
            "input_file_id": batch.facts["input_file_id"],
            "file_size_bytes": file.size if file else None,
            "status": _STATES.get(phase, "IN_PROGRESS"),
            "job_deadline": rfc3339(batch.timeline.expires),
            "created_at": rfc3339(batch.timeline.created),
            "endpoint": batch.endpoint,
            "progress": round(100 * done, 2),
            "model_id": batch.model,
            "output_file_id": batch.output.id if batch.output else None,
            "error_file_id": batch.errors.id if batch.errors else None,
            "error": problem,
            "completed_at": rfc3339(moment) if phase in ENDED else None,
        }

    async def batches(self, call: Call) -> Any:
        """A bare array of all jobs."""
        return [self.show(batch) for batch in await self.up_to_date(self.listed(call))]


def _sha256(file: StoredFile) -> str:
    digest = hashlib.sha256()
    with file.path.open("rb") as data:
        while part := data.read(1 << 18):
            digest.update(part)
    return digest.hexdigest()
