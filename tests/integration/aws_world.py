"""Amazon on loopback: a token service, a container's and an instance's metadata, and Bedrock.

Written from Amazon's descriptions, for tests. `Amazon.seen` holds every request; Bedrock checks
signatures with botocore's own signer and answers 403 to a wrong one.
"""

import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.unit.dialects.bedrock_samples import event

REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/caller"
CONTAINER_TOKEN = "container-token-0123456789"


class Amazon:
    """The servers behind one address, and what they have seen."""

    def __init__(self) -> None:
        self.url = ""
        self.lifetime = 3600
        """Seconds that new credentials last."""
        self.issued: dict[str, tuple[str, str]] = {}
        """Access key to secret and session token of the credentials that Bedrock knows."""
        self.seen: list[str] = []
        """What was asked for: the path, or the action of the token service."""
        self.refuse: list[tuple[int, str, str]] = []
        """Status, exception and words with which Bedrock answers next."""
        self.broken = False
        """The sources of credentials fail."""

    def count(self, name: str) -> int:
        """How often that was asked for."""
        return sum(name in one for one in self.seen)

    def issue(self) -> dict[str, str]:
        """New credentials, as metadata servers hand them out."""
        number = len(self.issued) + 1
        access, secret = f"AKID{number}", f"sk-canary-{number}-0123456789"
        self.issued[access] = (secret, f"token-canary-{number}-0123456789")
        ends = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        return {
            "AccessKeyId": access,
            "SecretAccessKey": secret,
            "Token": self.issued[access][1],
            "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }

    async def sts(self, request: web.Request) -> web.Response:
        """AssumeRole and AssumeRoleWithWebIdentity."""
        asked = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        action = asked["Action"]
        self.seen.append(action)
        if self.broken:
            error = "<Code>AccessDenied</Code><Message>Not for you.</Message>"
            text = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
            return web.Response(status=403, text=text, content_type="text/xml")
        assert asked["RoleArn"] == ROLE
        if action == "AssumeRole":
            assert f"/{REGION}/sts/aws4_request" in request.headers["Authorization"]
        else:
            assert asked["WebIdentityToken"] == "identity-0123456789"
        found = self.issue()
        found["SessionToken"] = found.pop("Token")
        fields = "".join(f"<{name}>{value}</{name}>" for name, value in found.items())
        text = (
            f"<{action}Response><{action}Result><Credentials>{fields}</Credentials>"
            f"<AssumedRoleUser><Arn>{ROLE}</Arn><AssumedRoleId>a:b</AssumedRoleId>"
            f"</AssumedRoleUser></{action}Result></{action}Response>"
        )
        return web.Response(text=text, content_type="text/xml")

    async def container(self, request: web.Request) -> web.Response:
        """The credentials of a container."""
        self.seen.append(request.path)
        if self.broken or request.headers.get("Authorization") != CONTAINER_TOKEN:
            return web.json_response({"code": "x", "message": "no"}, status=403)
        return web.json_response(self.issue())

    async def instance(self, request: web.Request) -> web.Response:
        """The metadata of an instance, second version."""
        self.seen.append(request.path)
        if self.broken:
            return web.Response(status=404)
        if request.method == "PUT":
            return web.Response(text="metadata-token")
        assert request.headers["x-aws-ec2-metadata-token"] == "metadata-token"
        if request.path.endswith("/"):
            return web.Response(text="a-role")
        extra = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z"}
        return web.json_response(self.issue() | extra)

    async def bedrock(self, request: web.Request) -> web.StreamResponse:
        """Any operation, when the signature is right."""
        self.seen.append(request.raw_path)
        body = await request.read()
        if self.refuse:
            status, name, words = self.refuse.pop(0)
            headers = {"x-amzn-ErrorType": f"{name}:http://internal.amazon.com/coral/"}
            return web.json_response({"message": words}, status=status, headers=headers)
        if not self._signed(request, body):
            headers = {"x-amzn-ErrorType": "InvalidSignatureException"}
            words = f"The signature does not match {request.headers.get('X-Amz-Security-Token')}"
            return web.json_response({"message": words}, status=403, headers=headers)
        headers = {"x-amzn-RequestId": "r-1"}
        path = request.raw_path
        if path.endswith("/converse-stream"):
            return await _streamed(request, headers)
        if path.endswith("/converse"):
            return web.json_response(_ANSWER, headers=headers)
        if path.endswith("/count-tokens"):
            return web.json_response({"inputTokens": 12}, headers=headers)
        if path.endswith("/invoke"):
            vector = {"embedding": [0.5, 1.0], "inputTextTokenCount": 3}
            return web.json_response(vector, headers=headers)
        if path == "/foundation-models":
            listed = {"modelId": "amazon.nova-lite-v1:0", "outputModalities": ["TEXT"]}
            return web.json_response({"modelSummaries": [listed]}, headers=headers)
        profile = {"inferenceProfileId": "eu.amazon.nova-lite-v1:0", "status": "ACTIVE"}
        return web.json_response({"inferenceProfileSummaries": [profile]}, headers=headers)

    def _signed(self, request: web.Request, body: bytes) -> bool:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        sent = request.headers.get("Authorization", "")
        access = sent.partition("Credential=")[2].partition("/")[0]
        if access not in self.issued:
            return False
        secret, token = self.issued[access]
        names = sent.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        headers = {name: request.headers[name] for name in names}
        if headers.get("x-amz-security-token", "") != token:
            return False
        again = AWSRequest(request.method, self.url + request.raw_path, headers, body)
        again.context["timestamp"] = request.headers["X-Amz-Date"]
        signer = SigV4Auth(Credentials(access, secret, token), "bedrock", REGION)
        text = signer.string_to_sign(again, signer.canonical_request(again))
        return hmac.compare_digest(sent.partition("Signature=")[2], signer.signature(text, again))


_ANSWER: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11},
    "metrics": {"latencyMs": 1},
}


async def _streamed(request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_type = "application/vnd.amazon.eventstream"
    await response.prepare(request)
    for frame in (
        event("messageStart", role="assistant"),
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hel"}),
        event("contentBlockDelta", contentBlockIndex=0, delta={"text": "lo."}),
        event("messageStop", stopReason="end_turn"),
        event("metadata", usage=_ANSWER["usage"], metrics={"latencyMs": 1}),
    ):
        await response.write(frame)
    return response


@asynccontextmanager
async def amazon() -> AsyncGenerator[Amazon, None]:
    """The servers, running on a free port."""
    world = Amazon()
    app = web.Application()
    app.router.add_post("/", world.sts)
    app.router.add_get("/container", world.container)
    app.router.add_route("*", "/latest/{rest:.*}", world.instance)
    app.router.add_route("*", "/{rest:.*}", world.bedrock)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield world
    finally:
        await runner.cleanup()
