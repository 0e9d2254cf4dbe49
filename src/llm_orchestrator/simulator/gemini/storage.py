"""Cloud Storage on loopback: its JSON API, as batches of Vertex AI need it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from llm_orchestrator.simulator.batches.buckets import Buckets, Stored
from llm_orchestrator.simulator.batches.files import Received, Writer
from llm_orchestrator.simulator.batches.handlers import Call, HandlerMaker, send_file
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.files import page_of
from llm_orchestrator.simulator.gemini.place import Google, Place
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World

_PART: Final = 1 << 18
_MOST: Final = 5_000_000_000_000
_BINARY: Final = "application/octet-stream"


class Storage:
    """Handlers for one world."""

    def __init__(self, world: World, buckets: Buckets) -> None:
        self._world = world
        self._buckets = buckets
        self._front = Google(Place("vertex", "v1"))
        self._handler = HandlerMaker(world, self._front)
        self._begun: dict[str, tuple[str, str, str]] = {}

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /gcs."""
        handler, bucket = self._handler, "storage/v1/b/{bucket}/o"
        one = f"{bucket}/{{object:.+}}"
        upload = f"{prefix}/upload/{bucket}"
        return [
            web.post(upload, handler("upload", self._upload)),
            web.put(upload, self._resumed),
            web.get(f"{prefix}/{bucket}", handler("list", self._list)),
            web.get(f"{prefix}/{one}", handler("results", self._get)),
            web.get(f"{prefix}/download/{one}", handler("results", self._download)),
            web.delete(f"{prefix}/{one}", handler("delete", self._delete)),
        ]

    def _bucket(self, name: str) -> str:
        if not self._buckets.exists(name):
            raise Refusal(404, "The specified bucket does not exist.", outcome="404 no bucket")
        if name.startswith("denied-"):
            message = "The caller does not have storage.objects access to the bucket."
            raise Refusal(403, message, outcome="403 denied")
        return name

    # ---------------------------------------------------------------- uploads

    async def _upload(self, call: Call) -> Any:
        """In one piece, as a form of two parts, or the start of a resumable one."""
        request, kind = call.request, call.query.get("uploadType", "")
        bucket, name = self._bucket(call.path("bucket")), call.query.get("name", "")
        if kind == "media":
            return await self._receive(request, bucket, name, request.content_type)
        if kind == "multipart":
            return await self._form(request, bucket, name)
        if kind != "resumable":
            raise invalid("uploadType must be media, multipart or resumable.")
        raw = await request.read()
        given = msgspec.json.decode(raw, type=dict[str, Any]) if raw else {}
        name = name or str(given.get("name", ""))
        number = self._world.id("", 32, "gcs", self._world.batches.number())
        content = request.headers.get("X-Upload-Content-Type", _BINARY)
        self._begun[number] = (bucket, _named(name), content)
        where = f"{request.url.with_query(uploadType='resumable', upload_id=number)}"
        return web.Response(headers={"Location": where})

    async def _resumed(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a resumable upload, in one piece: the address is the secret."""
        begun = self._begun.pop(request.query.get("upload_id", ""), None)
        if begun is None:
            return web.Response(status=404, text="No such upload")
        return web.json_response(await self._receive(request, *begun))

    async def _receive(
        self, request: web.Request, bucket: str, name: str, kind: str
    ) -> dict[str, Any]:
        writer, digest = Writer(self._buckets.spool, _MOST, name), _md5()
        try:
            async for data in request.content.iter_chunked(_PART):
                writer.write(data)
                digest.update(data)
        except BaseException:
            writer.drop()
            raise
        return self._keep(bucket, name, writer.close(), digest.hexdigest(), kind)

    async def _form(self, request: web.Request, bucket: str, name: str) -> dict[str, Any]:
        """Two parts: what is known of the object, and its bytes."""
        found = re.search(r'boundary="?([^";]+)', request.headers.get("Content-Type", ""))
        parts = (await request.read()).split(b"--" + (found[1].encode() if found else b"\0"))
        if len(parts) != 4:
            raise invalid("A multipart upload has two parts.")
        facts, content = (part.partition(b"\r\n\r\n") for part in parts[1:3])
        given = msgspec.json.decode(facts[2], type=dict[str, Any])
        writer = Writer(self._buckets.spool, _MOST, name)
        data = content[2].removesuffix(b"\r\n")
        writer.write(data)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        kind = str(given.get("contentType", _BINARY))
        name = name or str(given.get("name", ""))
        return self._keep(bucket, name, writer.close(), digest, kind)

    def _keep(
        self, bucket: str, name: str, received: Received, digest: str, kind: str
    ) -> dict[str, Any]:
        now = self._world.clock.virtual()
        size, lines = received.size, received.lines
        stored = Stored(bucket, _named(name), received.path, size, lines, digest, now, kind)
        return show(self._buckets.put(stored))

    # ---------------------------------------------------------------- objects

    async def _found(self, call: Call) -> Stored:
        await self._world.batches.catch_up_all()  # results appear when their time has come
        bucket, name = self._bucket(call.path("bucket")), unquote(call.path("object"))
        found = self._buckets.get(bucket, name)
        if found is None:
            raise Refusal(404, f"No such object: {bucket}/{name}", outcome="404 no object")
        return found

    async def _get(self, call: Call) -> Any:
        """What is known of an object, or its bytes when these are asked for."""
        found = await self._found(call)
        if call.query.get("alt") == "media":
            return await send_file(call, found.path, found.kind)
        return show(found)

    async def _download(self, call: Call) -> Any:
        found = await self._found(call)
        return await send_file(call, found.path, found.kind)

    async def _delete(self, call: Call) -> Any:
        found = await self._found(call)
        self._buckets.remove(found.bucket, found.key)
        return web.Response(status=204)

    async def _list(self, call: Call) -> Any:
        """A page of objects by name."""
        await self._world.batches.catch_up_all()
        bucket = self._bucket(call.path("bucket"))
        every = self._buckets.under(bucket, call.query.get("prefix", ""))
        page, token = page_of(call, len(every), "maxResults", 1000, 1000)
        body: dict[str, Any] = {"kind": "storage#objects"}
        if page:
            body["items"] = [show(every[n]) for n in page]
        return body | ({"nextPageToken": token} if token else {})


def show(stored: Stored) -> dict[str, Any]:
    """An object as JSON."""
    return {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.key}/1",
        "name": stored.key,
        "bucket": stored.bucket,
        "generation": "1",
        "contentType": stored.kind,
        "size": str(stored.size),
        "md5Hash": base64.b64encode(bytes.fromhex(stored.digest)).decode(),
        "timeCreated": rfc3339(stored.modified),
        "updated": rfc3339(stored.modified),
        "storageClass": "STANDARD",
    }


def _named(name: str) -> str:
    if not name:
        raise invalid("Required object name is missing.")
    return name


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)
