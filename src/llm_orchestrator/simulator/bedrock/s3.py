"""S3 on loopback: signed requests with the bucket in the path, as batches of Bedrock need it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from aiohttp import web

from llm_orchestrator.simulator import paging
from llm_orchestrator.simulator.batches.buckets import Buckets, Stored
from llm_orchestrator.simulator.batches.files import Writer
from llm_orchestrator.simulator.batches.handlers import Call, send_file
from llm_orchestrator.simulator.bedrock import sigv4
from llm_orchestrator.simulator.clock import rfc3339
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.world import World, account_of

_XML: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_PART: Final = 1 << 18
_MOST: Final = 5_000_000_000
_CODES: Final = {404: "NoSuchKey", 403: "AccessDenied", 413: "EntityTooLarge"}
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n")


class S3:
    """Handlers for one world."""

    def __init__(self, world: World, buckets: Buckets) -> None:
        self._world = world
        self._buckets = buckets
        self._uploads: dict[str, dict[int, Stored]] = {}

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """All paths under a prefix such as /s3."""
        bucket, key = f"{prefix}/{{bucket}}", f"{prefix}/{{bucket}}/{{key:.+}}"
        routes = [
            web.route("*", path, self._handler(prefix)) for path in (bucket, f"{bucket}/", key)
        ]
        return [*routes, web.get(f"{prefix}/", self._handler(prefix))]

    def _handler(self, prefix: str) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                return await self._handle(request, prefix)
            except Refusal as refusal:
                return _failed(request, refusal)

        return handler

    async def _handle(self, request: web.Request, prefix: str) -> web.StreamResponse:
        account = self._admit(request)
        operation = {"PUT": "upload", "POST": "upload", "DELETE": "delete"}.get(
            request.method, "results"
        )
        fault = self._world.faults.ruled("s3", account, "", operation)
        if fault and fault.stage == "status":
            raise Refusal(fault.status, "We encountered an internal error. Please try again.")
        call = Call(request, account, fault)
        await self._world.batches.catch_up_all()  # results appear when their time has come
        path = request.raw_path.partition("?")[0].removeprefix(prefix).lstrip("/")
        bucket, _, key = path.partition("/")
        bucket, key = unquote(bucket), unquote(key)
        if bucket and not self._buckets.exists(bucket):
            raise Refusal(404, "The specified bucket does not exist", code="NoSuchBucket")
        if bucket.startswith("denied-"):
            raise Refusal(403, "Access Denied")
        return await (self._object(call, bucket, key) if key else self._bucket(call, bucket))

    def _admit(self, request: web.Request) -> str:
        """Whose request it is; the body is checked against its digest when it comes."""
        header = request.headers.get("Authorization", "")
        if not header.startswith("AWS4"):
            raise Refusal(403, "Access Denied", outcome="403 no key")
        key = sigv4.read(header).access_key
        secret = self._world.aws_secret(key)
        if secret is None:
            message = "The AWS Access Key Id you provided does not exist in our records."
            raise Refusal(403, message, code="InvalidAccessKeyId")
        digest = request.headers.get("x-amz-content-sha256", "")
        if not digest:
            raise Refusal(400, "Missing required header for this request: x-amz-content-sha256")
        path = request.raw_path.partition("?")[0]
        sigv4.verify_as("s3", request, path, digest, secret, self._world.clock.now())
        return account_of(key)

    # ---------------------------------------------------------------- buckets

    async def _bucket(self, call: Call, bucket: str) -> web.StreamResponse:
        method = call.request.method
        if method in {"PUT", "HEAD"}:
            return web.Response(headers={"x-amz-bucket-region": "us-east-1"})
        if method != "GET":
            raise Refusal(405, "The specified method is not allowed.", code="MethodNotAllowed")
        prefix = call.query.get("prefix", "")
        every = self._buckets.under(bucket, prefix)
        most = int(call.query.get("max-keys", "1000"))
        start = paging.start(call.query.get("continuation-token", "")) or 0
        page = every[start : start + most]
        more = start + most < len(every)
        parts = [
            f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>",
            f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{most}</MaxKeys>",
            f"<IsTruncated>{str(more).lower()}</IsTruncated>",
        ]
        if more:
            token = paging.token(start + most)
            parts.append(f"<NextContinuationToken>{token}</NextContinuationToken>")
        coded = call.query.get("encoding-type") == "url"
        for stored in page:
            name = quote(stored.key) if coded else escape(stored.key)
            parts.append(
                f"<Contents><Key>{name}</Key><LastModified>{rfc3339(stored.modified)}"
                f"</LastModified><ETag>&quot;{stored.digest}&quot;</ETag>"
                f"<Size>{stored.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
        if coded:
            parts.append("<EncodingType>url</EncodingType>")
        return _xml(f"<ListBucketResult {_SPACE}>{''.join(parts)}</ListBucketResult>")

    # ---------------------------------------------------------------- objects

    async def _object(self, call: Call, bucket: str, key: str) -> web.StreamResponse:
        method, query = call.request.method, call.query
        if method == "PUT":
            stored = await self._receive(call.request, bucket, key)
            if "uploadId" in query:
                self._upload(query["uploadId"])[int(query["partNumber"])] = stored
            else:
                self._buckets.put(stored)
            return web.Response(headers={"ETag": f'"{stored.digest}"'})
        if method == "POST" and "uploads" in query:
            return self._begin(bucket, key)
        if method == "POST" and "uploadId" in query:
            return await self._complete(call, bucket, key)
        if method == "DELETE":
            self._uploads.pop(query.get("uploadId", ""), None)
            self._buckets.remove(bucket, key)
            return web.Response(status=204)
        found = self._buckets.get(bucket, key)
        if found is None:
            raise Refusal(404, "The specified key does not exist.")
        headers = {
            "ETag": f'"{found.digest}"',
            "Last-Modified": formatdate(found.modified, usegmt=True),
            "Accept-Ranges": "bytes",
        }
        if method == "HEAD":
            sized = headers | {"Content-Length": str(found.size), "Content-Type": found.kind}
            return web.Response(headers=sized)
        return await send_file(call, found.path, found.kind, headers)

    async def _receive(self, request: web.Request, bucket: str, key: str) -> Stored:
        """The body on disk, when it is what was signed."""
        writer, seen, digest = Writer(self._buckets.spool, _MOST, key), hashlib.sha256(), _md5()
        signed = request.headers["x-amz-content-sha256"]
        try:
            async for data in _plain(request, signed):
                writer.write(data)
                seen.update(data)
                digest.update(data)
        except BaseException:
            writer.drop()
            raise
        received = writer.close()
        if re.fullmatch(r"[0-9a-f]{64}", signed) and seen.hexdigest() != signed:
            message = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise Refusal(400, message, code="XAmzContentSHA256Mismatch")
        wanted = request.headers.get("Content-MD5")
        if wanted and base64.b64decode(wanted) != digest.digest():
            message = "The Content-MD5 you specified did not match what we received."
            raise Refusal(400, message, code="BadDigest")
        return self._stored(bucket, key, received, digest.hexdigest(), request.content_type)

    def _stored(self, bucket: str, key: str, received: Any, digest: str, kind: str) -> Stored:
        now = self._world.clock.virtual()
        size, lines = received.size, received.lines
        return Stored(bucket, key, received.path, size, lines, digest, now, kind)

    # ---------------------------------------------------------------- uploads in parts

    def _upload(self, name: str) -> dict[int, Stored]:
        if name not in self._uploads:
            raise Refusal(404, "The specified upload does not exist.", code="NoSuchUpload")
        return self._uploads[name]

    def _begin(self, bucket: str, key: str) -> web.Response:
        name = self._world.id("", 40, "s3", self._world.batches.number())
        self._uploads[name] = {}
        return _xml(
            f"<InitiateMultipartUploadResult {_SPACE}><Bucket>{escape(bucket)}</Bucket>"
            f"<Key>{escape(key)}</Key><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
        )

    async def _complete(self, call: Call, bucket: str, key: str) -> web.Response:
        await call.request.read()
        parts = self._upload(call.query["uploadId"])
        writer, digest = Writer(self._buckets.spool, _MOST, key), _md5()
        for _, part in sorted(parts.items()):
            digest.update(bytes.fromhex(part.digest))
            with part.path.open("rb") as file:
                while data := file.read(_PART):
                    writer.write(data)
        del self._uploads[call.query["uploadId"]]
        tag = f"{digest.hexdigest()}-{len(parts)}"
        self._buckets.put(self._stored(bucket, key, writer.close(), tag, "binary/octet-stream"))
        return _xml(
            f"<CompleteMultipartUploadResult {_SPACE}><Bucket>{escape(bucket)}</Bucket>"
            f"<Key>{escape(key)}</Key><ETag>&quot;{tag}&quot;</ETag>"
            "</CompleteMultipartUploadResult>"
        )


async def _plain(request: web.Request, signed: str) -> AsyncIterator[bytes]:
    """The bytes of a body; those of AWS's own chunks without their frames."""
    if not signed.startswith("STREAMING-"):
        async for data in request.content.iter_chunked(_PART):
            yield data
        return
    waiting = b""
    async for data in request.content.iter_chunked(_PART):
        waiting += data
        while head := _CHUNK.match(waiting):
            size = int(head[1], 16)
            if size == 0:
                waiting = b""
                break
            if len(waiting) < head.end() + size + 2:
                break
            yield waiting[head.end() : head.end() + size]
            waiting = waiting[head.end() + size + 2 :]


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _xml(body: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=_XML + body, content_type="application/xml")


def _failed(request: web.Request, refusal: Refusal) -> web.Response:
    code = refusal.code or refusal.type or _CODES.get(refusal.status, "InternalError")
    if code == "InvalidSignatureException":
        code = "SignatureDoesNotMatch"
    if request.method == "HEAD":
        return web.Response(status=refusal.status)
    text = f"<Error><Code>{code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    return _xml(text, refusal.status)
