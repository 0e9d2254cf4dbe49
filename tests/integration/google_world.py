"""Google Cloud on loopback: token endpoints, a metadata server, and Vertex AI behind them.

Written from Google's descriptions, for tests. `Google.seen` holds every request; Vertex answers
only to the newest tokens, and 401 to all else.
"""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from time import time
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

EMAIL = "caller@proj.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SUBJECT = "subject-canary-0123456789"
REFRESH = "refresh-canary-0123456789"
VERTEX = "/v1beta1/projects/proj/locations/us-central1/publishers/google/models"
BORROW = f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
METADATA = "/computeMetadata/v1"
ANSWER = {
    "candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}


@cache
def private_key() -> rsa.RSAPrivateKey:
    """A key of this run; it takes 0.1 s to make."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Google:
    """The servers behind one address, and what they have seen."""

    def __init__(self) -> None:
        self.url = ""
        self.lifetime = 3600
        """Seconds that new tokens last."""
        self.tokens: list[str] = []
        """Every token that was issued."""
        self.revoked: set[str] = set()
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        """Of the requests to Vertex."""
        self.error: tuple[int, dict[str, Any]] | None = None
        """What the token endpoint answers instead of a token."""
        self.echo = False
        """Vertex repeats the token in its error."""

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.seen.count(path)

    def issue(self, kind: str) -> str:
        """A new token."""
        self.tokens.append(f"ya29.{kind}-canary-{len(self.tokens) + 1:04}")
        return self.tokens[-1]

    # ------------------------------------------------------------------ tokens

    async def token(self, request: web.Request) -> web.Response:
        """Signed claims of a service account, or a user's refresh token, for a token."""
        form = await request.post()
        if self.error is not None:
            status, body = self.error
            return web.json_response(body, status=status)
        if form["grant_type"] == "refresh_token":
            basic = base64.b64encode(b"client:secret-canary").decode()
            assert request.headers["Authorization"] == f"Basic {basic}"
            assert form["refresh_token"] == REFRESH
            return self._granted(self.issue("user"))
        assert form["grant_type"] == GRANT
        head, claims, signature = str(form["assertion"]).split(".")
        private_key().public_key().verify(
            _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        said = json.loads(_decoded(claims))
        assert (said["iss"], said["scope"], said["aud"]) == (EMAIL, SCOPE, AUDIENCE)
        assert said["iat"] <= time() + 10 < said["exp"]
        return self._granted(self.issue("robot"))

    async def sts(self, request: web.Request) -> web.Response:
        """A token of another house for a federated one."""
        form = await request.post()
        assert form["subject_token"] == SUBJECT
        assert form["audience"] == "//iam.googleapis.com/pool"
        return web.json_response(
            {
                "access_token": "federated-canary",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer",
                "expires_in": self.lifetime,
            }
        )

    async def impersonate(self, request: web.Request) -> web.Response:
        """The federated token for one of a service account."""
        assert request.headers["Authorization"] == "Bearer federated-canary"
        expiry = "2099-01-01T00:00:00Z"
        return web.json_response({"accessToken": self.issue("borrowed"), "expireTime": expiry})

    async def metadata(self, request: web.Request) -> web.Response:
        """The metadata server of a virtual machine."""
        assert request.headers["Metadata-Flavor"] == "Google"
        headers = {"Metadata-Flavor": "Google"}
        name = request.path.removeprefix(f"{METADATA}/")
        if name == "project/project-id":
            return web.Response(text="proj", headers=headers)
        if name.endswith("/token"):
            return self._granted(self.issue("machine"), headers)
        account = {"email": EMAIL, "scopes": [SCOPE], "aliases": ["default"]}
        return web.json_response(account, headers=headers)

    def _granted(self, token: str, headers: dict[str, str] | None = None) -> web.Response:
        body = {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}
        return web.json_response(body, headers=headers)

    # ------------------------------------------------------------------ Vertex

    async def generate(self, request: web.Request) -> web.Response:
        """generateContent, for those with a good token."""
        self.headers.append(dict(request.headers))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.tokens and token not in self.revoked:
            return web.json_response(ANSWER)
        words = f"The token {token} is bad" if self.echo else "Bad credentials"
        error = {"code": 401, "message": words, "status": "UNAUTHENTICATED"}
        return web.json_response({"error": error}, status=401)

    # ------------------------------------------------------------------ files

    def write(self, path: Path, **content: Any) -> str:
        """A credentials file; its path."""
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def service_account(self, path: Path) -> str:
        """The key file of a service account."""
        pem = private_key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return self.write(
            path,
            type="service_account",
            project_id="proj",
            private_key_id="k1",
            private_key=pem.decode(),
            client_email=EMAIL,
            token_uri=f"{self.url}/token",
        )

    def user(self, path: Path, kind: str = "external_account_authorized_user") -> str:
        """What `gcloud auth application-default login` writes, for people of another house.

        Those with Google accounts are of kind `authorized_user`, whose endpoint is fixed.
        """
        return self.write(
            path,
            type=kind,
            audience="//iam.googleapis.com/pool",
            client_id="client",
            client_secret="secret-canary",
            refresh_token=REFRESH,
            quota_project_id="payer",
            token_url=f"{self.url}/token",
        )

    def workload(self, path: Path) -> str:
        """Workload identity: a token in a file, exchanged for one of a service account."""
        subject = path.with_suffix(".token")
        subject.write_text(SUBJECT, encoding="utf-8")
        return self.write(
            path,
            type="external_account",
            audience="//iam.googleapis.com/pool",
            subject_token_type="urn:ietf:params:oauth:token-type:jwt",
            token_url=f"{self.url}/sts",
            credential_source={"file": str(subject)},
            service_account_impersonation_url=f"{self.url}{BORROW}",
        )


@asynccontextmanager
async def google_cloud() -> AsyncGenerator[Google, None]:
    """A running `Google` on a free port."""
    google = Google()

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:
        google.seen.append(request.path)
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[note])
    app.router.add_post("/token", google.token)
    app.router.add_post("/sts", google.sts)
    app.router.add_post(BORROW, google.impersonate)
    app.router.add_get("/", google.metadata)
    app.router.add_get(METADATA + "/{name:.*}", google.metadata)
    app.router.add_post(VERTEX + "/{model:.*}", google.generate)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    google.url = f"http://{host}:{port}"
    try:
        yield google
    finally:
        await runner.cleanup()
