"""The whole contract of a transport: one method. Anything that has it can be one."""

import os
import re
from collections.abc import Mapping
from typing import Protocol

import msgspec

from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.http import HTTPCall

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
LINGER_S = 0.05
"""How long the end of a body may take to come once everything in it has come."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Limits(msgspec.Struct, frozen=True, gc=False):
    """Time limits of one attempt, in seconds."""

    connect: float = 5.0
    first: float = 600.0
    """From the start until the answer has begun (a plain reply: until it is there)."""
    idle: float = 20.0
    """Between two pieces of the body."""
    total: float = 600.0
    line: float = 90.0
    """In line before it goes out; the limiter keeps it, not the transport."""


class Wire(Protocol):
    """An open reply: status and headers are there, the body is still to be read."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The whole body."""
        ...

    async def piece(self) -> bytes:
        """The next piece of the body as it arrives; empty at its proper end."""
        ...

    def flowing(self) -> None:
        """The answer has begun: from now on the idle limit holds."""
        ...

    def close(self) -> None:
        """Give the connection back when the body was read to its end, else cut it."""
        ...

    def finish(self) -> None:
        """Like `close`, when nothing more is wanted of the body.

        Its end may follow for `LINGER_S` seconds, in the background, before the connection is cut.
        """
        ...


class Transport(Protocol):
    """Opens connections and keeps them."""

    async def open(self, call: HTTPCall, headers: Mapping[str, str], limits: Limits) -> Wire:
        """Send the call; returns when the reply's headers are there.

        Raises `APIConnectionError`, `APITimeoutError` or `ConfigError` (an address that is none).
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def check(headers: Mapping[str, str]) -> None:
    """Raises `ConfigError`, without the value, for a header that could smuggle a line in."""
    for name, value in headers.items():
        if _CONTROL.search(name) or _CONTROL.search(value):
            raise ConfigError(
                f"the header {name!r} holds a line break or another control character; look for "
                "one at the end of a key or in `headers`"
            )
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"the value of the header {name!r} is not valid Unicode") from None


def proxied() -> bool:
    """Whether the environment names a proxy."""
    return any(os.environ.get(name) for name in _PROXIES)
