"""The Files API of Gemini: resumable uploads, and downloads of what batches wrote."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator import paging
from llm_orchestrator.simulator.batches.files import StoredFile, Writer
from llm_orchestrator.simulator.batches.handlers import Call, HandlerMaker, send_file
from llm_orchestrator.simulator.body import json_body
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.gemini import errors
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.place import Google, Place
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_LIMIT: Final = 2_000_000_000
_KEPT: Final = 48 * 3600.0
_NAME: Final = re.compile(r"files/[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_PART: Final = 1 << 18


class _Upload:
    """An upload that was begun: what is known of the file, and what has come of it."""

    def __init__(self, account: str, facts: dict[str, Any], writer: Writer) -> None:
        self.account, self.facts, self.writer = account, facts, writer


class GeminiFiles:
    """Handlers for one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._handler = HandlerMaker(world, Google(Place("gemini", "v1")))
        self._uploads: dict[str, _Upload] = {}

    def routes(self, prefix: str, version: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /gemini; `version` is a pattern."""
        handler, file = self._handler, f"{prefix}/{version}/files/{{file:[^/:]+}}"
        return [
            web.post(f"{prefix}/upload/{version}/files", self._begin_or_go_on(prefix)),
            web.get(f"{prefix}/{version}/files", handler("list", self._list)),
            web.get(f"{file}:download", handler("results", self._download)),
            web.get(file, handler("poll", self._one)),
            web.delete(file, handler("delete", self._delete)),
        ]

    def _begin_or_go_on(self, prefix: str) -> Any:
        """Bytes come without a key: the address of the upload is the secret."""
        begin = self._handler("upload", lambda call: self._begin(call, prefix))

        async def handler(request: web.Request) -> web.StreamResponse:
            if "upload_id" not in request.query:
                return await begin(request)
            try:
                return await self._go_on(request)
            except Refusal as refusal:
                body, headers = Google(Place("gemini", "v1")).refused(refusal, "")
                return web.Response(status=refusal.status, body=body, headers=headers)

        return handler

    async def _begin(self, call: Call, prefix: str) -> Any:
        headers = call.request.headers
        if headers.get("X-Goog-Upload-Protocol") != "resumable":
            raise invalid("X-Goog-Upload-Protocol must be resumable.")
        if headers.get("X-Goog-Upload-Command") != "start":
            raise invalid("X-Goog-Upload-Command must be start.")
        given = (await json_body(call.request)).get("file") or {}
        name = given.get("name")
        if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise invalid("File.name is not valid.", "file.name")
        size = headers.get("X-Goog-Upload-Header-Content-Length", "")
        kind = headers.get("X-Goog-Upload-Header-Content-Type", "application/octet-stream")
        facts = {
            "name": name or f"files/{self._new('', 12).lower()}",
            "shown": given.get("display_name") or given.get("displayName") or "",
            "kind": kind,
            "size": int(size) if size.isdigit() else None,
        }
        limit = self._world.batches.book.of("gemini").bytes or _LIMIT
        upload = _Upload(call.account, facts, Writer(self._world.batches.spool, limit))
        number = self._new("upload", 24)
        self._uploads[number] = upload
        version = call.path("version")
        where = f"{call.request.url.origin()}{prefix}/upload/{version}/files?upload_id={number}"
        headers_back = {"X-Goog-Upload-URL": where, "X-Goog-Upload-Status": "active"}
        return web.json_response({}, headers=headers_back)

    def _new(self, prefix: str, length: int) -> str:
        return self._world.id(prefix, length, "gemini", self._world.batches.number())

    async def _go_on(self, request: web.Request) -> web.Response:
        number = request.query["upload_id"]
        upload = self._uploads.get(number)
        if upload is None:
            raise Refusal(404, "The upload does not exist or is finished.")
        commands = {part.strip() for part in request.headers["X-Goog-Upload-Command"].split(",")}
        offset = request.headers.get("X-Goog-Upload-Offset", "0")
        if offset != str(upload.writer.received.size):
            raise invalid(f"The upload goes on at {upload.writer.received.size}, not {offset}.")
        async for data in request.content.iter_chunked(_PART):
            upload.writer.write(data)
        if "finalize" not in commands:
            return web.json_response({}, headers={"X-Goog-Upload-Status": "active"})
        size = upload.writer.received.size
        if upload.facts["size"] not in (None, size):
            raise invalid(f"The file has {size} bytes, not the {upload.facts['size']} announced.")
        del self._uploads[number]
        body = {"file": show(self._keep(upload))}
        return web.json_response(body, headers={"X-Goog-Upload-Status": "final"})

    def _keep(self, upload: _Upload) -> StoredFile:
        received, now = upload.writer.close(), self._world.clock.virtual()
        facts = {"kind": upload.facts["kind"], "source": "UPLOADED", "hash": _digest(received.path)}
        return self._world.batches.files.add(
            StoredFile(
                id=upload.facts["name"],
                provider="gemini",
                account=upload.account,
                name=upload.facts["shown"],
                purpose="",
                path=received.path,
                size=received.size,
                lines=received.lines,
                created=now,
                expires=now + _KEPT,
                facts=facts,
            )
        )

    def stored(self, account: str, name: str) -> StoredFile:
        """The file of an account; a Refusal when it is not there (any more)."""
        now = self._world.clock.virtual()
        found = self._world.batches.files.find(name, "gemini", account, now)
        if found is None:
            raise Refusal(
                403,
                f"You do not have permission to access the File {name.removeprefix('files/')} or "
                "it may not exist.",
                outcome="403 no file",
            )
        return found

    async def _one(self, call: Call) -> Any:
        return show(self.stored(call.account, f"files/{call.path('file')}"))

    async def _delete(self, call: Call) -> Any:
        file = self.stored(call.account, f"files/{call.path('file')}")
        self._world.batches.files.remove(file)
        return {}

    async def _download(self, call: Call) -> Any:
        file = self.stored(call.account, f"files/{call.path('file')}")
        if file.facts["source"] != "GENERATED":
            raise invalid("Only generated files can be downloaded.")
        if file.facts.get("lost"):
            raise errors.gone(file.id)
        return await send_file(call, file.path, "application/octet-stream")

    async def _list(self, call: Call) -> Any:
        now = self._world.clock.virtual()
        every = self._world.batches.files.of("gemini", call.account, now)
        page, token = page_of(call, len(every), "pageSize", 10, 100)
        body: dict[str, Any] = {"files": [show(every[n]) for n in page]}
        return body | ({"nextPageToken": token} if token else {})


def page_of(
    call: Call, count: int, size_name: str, usual: int, most: int
) -> tuple[range, str | None]:
    """The positions of one page, and the token of the next."""
    size = call.query.get(size_name, str(usual))
    if not size.isdigit():
        raise invalid(f"Invalid value at '{size_name}' (TYPE_INT32), \"{size}\"", size_name)
    start = paging.start(call.query.get("pageToken", ""))
    if start is None:
        raise invalid("Invalid page token.", "page_token")
    end = min(count, start + (min(int(size), most) or usual))
    return range(start, end), paging.token(end) if end < count else None


def show(file: StoredFile) -> dict[str, Any]:
    """A file as JSON."""
    shown: dict[str, Any] = {
        "name": file.id,
        "mimeType": file.facts["kind"],
        "sizeBytes": str(file.size),
        "createTime": rfc3339(file.created),
        "updateTime": rfc3339(file.created),
        "expirationTime": rfc3339(file.expires or 0),
        "sha256Hash": file.facts.get("hash", ""),
        "uri": f"https://generativelanguage.googleapis.com/v1beta/{file.id}",
        "state": "ACTIVE",
        "source": file.facts["source"],
    }
    if file.name:
        shown["displayName"] = file.name
    if file.facts["source"] == "GENERATED":
        shown["downloadUri"] = f"{shown['uri']}:download?alt=media"
    return shown


def generated(world: World, account: str, path: Path, size: int, created: float) -> StoredFile:
    """The results of a batch as a file."""
    name = world.id("files/batch-", 20, "gemini", world.batches.number()).lower()
    facts = {"kind": "application/jsonl", "source": "GENERATED"}
    return world.batches.files.add(
        StoredFile(
            id=name,
            provider="gemini",
            account=account,
            name="",
            purpose="",
            path=path,
            size=size,
            lines=0,
            created=created,
            expires=created + _KEPT,
            facts=facts,
        )
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_PART):
            digest.update(data)
    return base64.b64encode(digest.hexdigest().encode()).decode()
