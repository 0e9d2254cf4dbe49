"""What every endpoint of a provider needs: keys, ids and errors in its own words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.refusal import Refusal

if TYPE_CHECKING:
    from llm_orchestrator.simulator.world import World


class Front(Protocol):
    """A provider as its callers meet it, whether a reply costs something or not."""

    provider: str
    id_header: str

    def request_id(self, world: World, number: int) -> str:
        """The id that goes back in `id_header`."""
        ...

    def key(self, request: web.Request) -> str:
        """The API key, or what stands for it, or a Refusal."""
        ...

    def bad_key(self) -> Refusal:
        """The words for a key that is not valid."""
        ...

    def error(self, refusal: Refusal, request_id: str) -> Any:
        """The body of an error reply."""
        ...

    async def admit(self, world: World, request: web.Request) -> None:
        """Let the caller in, or raise a Refusal."""
        if not world.takes(self.key(request)):
            raise self.bad_key()

    def refused(self, refusal: Refusal, request_id: str) -> tuple[bytes, dict[str, str]]:
        """The bytes of an error reply and its headers."""
        headers = {"Content-Type": "application/json"}
        if refusal.retry_after is not None:
            headers["Retry-After"] = str(math.ceil(refusal.retry_after))
        return encode(self.error(refusal, request_id)), headers


def nowhere(front: Front, refusal: Refusal | None = None) -> web.Response:
    """The reply to a path or a method that the provider does not have."""
    refusal = refusal or Refusal(404, "Not Found")
    body, headers = front.refused(refusal, "req_none")
    return web.Response(status=refusal.status, body=body, headers=headers)
