"""A connection to Redis that runs our script; the only place that knows its library."""

from hashlib import sha1
from importlib.util import find_spec
from typing import Any

from llm_orchestrator.pipeline.limits.script import SCRIPT

INSTALL = "pip install 'llm-orchestrator[redis]'"
_SHA = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


def available() -> bool:
    """Whether the library is installed."""
    return find_spec("redis") is not None


class Connection:
    """Opened by the first call; bound to the event loop of that."""

    def __init__(self, url: str, timeout: float) -> None:
        from redis.asyncio import Redis  # heavy, and only its users need it
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=None,  # one limit for the whole exchange is kept outside
            socket_connect_timeout=max(1.0, timeout),
            retry=Retry(NoBackoff(), 0),
        )

    async def run(self, keys: int, *arguments: Any) -> Any:
        """What the script answers; raises what the library raises."""
        from redis.exceptions import NoScriptError

        try:
            return await self._redis.execute_command("EVALSHA", _SHA, keys, *arguments)
        except NoScriptError:
            return await self._redis.execute_command("EVAL", SCRIPT, keys, *arguments)

    async def ping(self) -> None:
        """Ask whether it is there; raises what the library raises."""
        await self._redis.ping()

    async def close(self) -> None:
        """Hang up."""
        await self._redis.aclose()
