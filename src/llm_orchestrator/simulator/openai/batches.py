"""Files and batches of OpenAI, and of those who follow it."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator.batches.batch import Batch
from llm_orchestrator.simulator.batches.endpoints import BatchEndpoints, cursor
from llm_orchestrator.simulator.batches.files import (
    DAY,
    Received,
    StoredFile,
    lines_of,
    receive_form,
)
from llm_orchestrator.simulator.batches.handlers import Call, send_file
from llm_orchestrator.simulator.batches.timeline import ENDED
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.front import Front
from llm_orchestrator.simulator.openai import batch_checks as checks
from llm_orchestrator.simulator.openai.batch_format import OpenAIFormat, model_of_line
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_KEPT: Final = 30 * DAY


class FileBatches(BatchEndpoints):
    """Handlers of one provider for one world; providers that differ override a method."""

    purposes: tuple[str, ...] = ("batch", "assistants", "fine-tune", "vision", "user_data", "evals")
    purpose = "batch"
    most: tuple[int, int] = (100, 10_000)  # batches and files in a page

    def __init__(self, world: World, front: Front, format: OpenAIFormat) -> None:
        super().__init__(world, front, format)
        self.endpoints = format.endpoints

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /openai/v1."""
        handler = self.handler
        file, batch = f"{prefix}/files/{{file}}", f"{prefix}/batches/{{batch}}"
        return [
            web.post(f"{prefix}/files", handler("upload", self.upload)),
            web.get(f"{prefix}/files", handler("list", self.files)),
            web.get(file, handler("poll", self.file)),
            web.delete(file, handler("delete", self.remove)),
            web.get(f"{file}/content", handler("results", self.content)),
            web.post(f"{prefix}/batches", handler("create", self.create)),
            web.get(f"{prefix}/batches", handler("list", self.batches)),
            web.get(batch, handler("poll", self.batch)),
            web.post(f"{batch}/cancel", handler("cancel", self.cancel)),
        ]

    # ---------------------------------------------------------------- files

    async def upload(self, call: Call) -> Any:
        """A file, by a form."""
        spool = self.world.batches.spool
        fields, received = await receive_form(call.request, spool, self.most_bytes)
        if received is None:
            raise invalid("'file' is a required property", "file")
        if fields.get("purpose") not in self.purposes:
            words = ", ".join(self.purposes)
            raise invalid(f"'{fields.get('purpose')}' is not one of [{words}]", "purpose")
        expiry = {k[14:-1]: v for k, v in fields.items() if k.startswith("expires_after[")}
        seconds = checks.lifetime(expiry or None, "expires_after")
        if seconds is None and fields["purpose"] == self.purpose:
            seconds = _KEPT
        return self.show_file(self.keep(call, received, fields["purpose"], seconds))

    def keep(
        self, call: Call, received: Received, purpose: str, seconds: float | None
    ) -> StoredFile:
        """The file that was received, with an id."""
        now = self.now
        return self.world.batches.files.add(
            StoredFile(
                id=self.file_id(),
                provider=self.provider,
                account=call.account,
                name=received.name,
                purpose=purpose,
                path=received.path,
                size=received.size,
                lines=received.lines,
                created=now,
                expires=None if seconds is None else now + seconds,
            )
        )

    def file_id(self) -> str:
        """The id of the next file."""
        return self.new_id("file-", 22)

    def show_file(self, file: StoredFile) -> dict[str, Any]:
        """A file as JSON."""
        return checks.show_file(file)

    def stored(self, call: Call, name: str) -> StoredFile:
        """The file of the caller's account."""
        found = self.world.batches.files.find(name, self.provider, call.account, self.now)
        if found is None:
            raise checks.no_file(name)
        return found

    async def file(self, call: Call) -> Any:
        return self.show_file(self.stored(call, call.path("file")))

    async def remove(self, call: Call) -> Any:
        file = self.stored(call, call.path("file"))
        self.world.batches.files.remove(file)
        return {"id": file.id, "object": "file", "deleted": True}

    async def content(self, call: Call) -> Any:
        """The bytes of a file."""
        file = self.stored(call, call.path("file"))
        if file.facts.get("lost"):
            raise checks.no_file(file.id)
        return await send_file(call, file.path, "application/octet-stream")

    async def files(self, call: Call) -> Any:
        """A page of files, newest first."""
        every = self.world.batches.files.of(self.provider, call.account, self.now)
        if purpose := call.query.get("purpose"):
            every = [file for file in every if file.purpose == purpose]
        if call.query.get("order") == "asc":
            every.reverse()
        page, more = self.page(call, [file.id for file in every], self.most[1], self.most[1])
        return _listing([self.show_file(f) for f in every if f.id in page], more)

    # ---------------------------------------------------------------- batches

    async def create(self, call: Call) -> Any:
        """A batch of a file that was uploaded."""
        body = await json_body(call.request)
        again = self.repeated(call)
        batch = again or self.take(call, body)
        await self.world.batches.catch_up(batch)
        return self.show(batch)

    def repeated(self, call: Call) -> Batch | None:
        """The batch that an earlier request with the same token made."""
        del call
        return None

    def take(self, call: Call, body: dict[str, Any]) -> Batch:
        """Check what can be checked at once, and take the batch."""
        endpoint = body.get("endpoint")
        if endpoint not in self.endpoints:
            words = ", ".join(f"'{word}'" for word in self.endpoints)
            message = f"Invalid value: '{endpoint}'. Supported values are: {words}."
            raise invalid(message, "endpoint", "invalid_value")
        seconds = self.window(body)
        label = self.label(body)
        kept = checks.lifetime(body.get("output_expires_after"), "output_expires_after")
        file = self.input(call, body)
        facts = {
            "input_file_id": file.id,
            "completion_window": body.get("completion_window", "24h"),
            "kept": kept or _KEPT,
        }
        received = Received(file.path, file.name, file.size, file.lines)
        return self.accept(
            call,
            [received],
            id=self.batch_id(),
            endpoint=str(endpoint),
            model=model_of_line(next(lines_of([file.path]), b"")),
            label=label,
            window=seconds,
            token=self.token(call),
            facts=facts,
        )

    def batch_id(self) -> str:
        """The id of the next batch."""
        return self.new_id("batch_", 24)

    def token(self, call: Call) -> str:
        """What makes repeating a request safe; nothing where that is never safe."""
        del call
        return ""

    def window(self, body: dict[str, Any]) -> float:
        """The completion window in seconds."""
        return checks.window(body.get("completion_window"))

    def label(self, body: dict[str, Any]) -> Any:
        """The metadata."""
        return checks.metadata(body.get("metadata"))

    def input(self, call: Call, body: dict[str, Any]) -> StoredFile:
        """The input file."""
        name = body.get("input_file_id")
        if not isinstance(name, str) or not name:
            raise invalid("Missing required parameter: 'input_file_id'.", "input_file_id")
        try:
            file = self.stored(call, name)
        except Refusal as refusal:
            raise invalid(f"Invalid 'input_file_id': {name}.", "input_file_id") from refusal
        if file.purpose != self.purpose:
            message = f"The file must have the purpose '{self.purpose}', not '{file.purpose}'."
            raise invalid(message, "input_file_id")
        return file

    def show(self, batch: Batch) -> dict[str, Any]:
        """A batch as JSON."""
        self.finish(batch)
        return checks.show_batch(batch, self.now)

    def finish(self, batch: Batch) -> None:
        """Give the results of an ended batch their files; an empty one has none."""
        if not batch.finished or batch.facts.get("filed") or batch.problems:
            return
        batch.facts["filed"] = True
        moment, _ = batch.stop
        made = []
        for kind, path, size in zip(
            ("output", "error"), batch.results.folder, batch.results.sizes, strict=True
        ):
            file = StoredFile(
                id=self.file_id(),
                provider=self.provider,
                account=batch.account,
                name=f"{batch.id}_{kind}.jsonl",
                purpose=f"{self.purpose}_output",
                path=path,
                size=size,
                lines=0,
                created=moment,
                expires=moment + batch.facts["kept"],
                facts={"lost": bool(batch.fault and batch.fault.name == "lost-results")},
            )
            made.append(self.world.batches.files.add(file) if size else None)
        batch.output, batch.errors = made

    async def found(self, call: Call) -> Batch:
        """The batch of the path, brought up to date."""
        batch = await self.find(call, call.path("batch"))
        if batch is None:
            raise checks.no_batch(call.path("batch"))
        return batch

    async def batch(self, call: Call) -> Any:
        return self.show(await self.found(call))

    async def cancel(self, call: Call) -> Any:
        batch = await self.found(call)
        phase = batch.phase(self.now)
        if phase in ENDED:
            message = f"Cannot cancel a batch with status '{phase}'."
            raise Refusal(409, message, type="invalid_request_error", outcome="409 ended")
        batch.cancel(self.now)
        return self.show(batch)

    async def batches(self, call: Call) -> Any:
        """A page of batches, newest first."""
        every = self.listed(call)
        names, more = self.page(call, [batch.id for batch in every], 20, self.most[0])
        found = await self.up_to_date(batch for batch in every if batch.id in names)
        return _listing([self.show(batch) for batch in found], more)

    def page(self, call: Call, names: list[str], usual: int, most: int) -> tuple[list[str], bool]:
        """The ids of one page, and whether there are more."""
        limit = call.query.get("limit", str(usual))
        if not limit.isdigit() or not 1 <= int(limit) <= most:
            raise invalid(f"'limit' must be between 1 and {most}.", "limit")
        page = cursor(call.query, names, int(limit), "after")
        if page is None:
            raise invalid(f"Invalid 'after': {call.query.get('after')}.", "after")
        return page


def _listing(shown: list[dict[str, Any]], more: bool) -> dict[str, Any]:  # noqa: FBT001  a fact
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": more,
    }
