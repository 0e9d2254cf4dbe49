"""What goes over the wire and comes back, as data."""

from collections.abc import Mapping
from typing import Literal

import msgspec


class FilePart(msgspec.Struct, frozen=True, gc=False):
    """A piece of a file, read only while it is sent."""

    path: str
    size: int
    """Bytes to send, from the beginning."""
    joined: bool = False
    """Line feeds become commas: lines of JSON become the inside of an array."""


class HTTPCall(msgspec.Struct, frozen=True, gc=False):
    """One request to a provider, not yet authorised. ``url`` is absolute and already encoded."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"
    notices: tuple[str, ...] = ()
    """What the dialect dropped or translated to fit the target."""
    parts: tuple[bytes | FilePart, ...] = ()
    """Sent one after the other in place of ``body``: for what is too large to be held."""
    save: bool = False
    """The reply is large: into a file with it, where there is a folder for that."""
    once: bool = False
    """Never to be sent again by itself: a second one might be paid for."""
    wait: float = 0.0
    """Seconds to let pass before it is sent."""
    also: tuple[int, ...] = ()
    """Statuses that are answers too, beside the successes."""
    sign: Literal["", "none", "s3"] = ""
    """How it proves who sends it, where that is not the provider's way: ``none`` is an address
    that has the permission in it."""

    @property
    def size(self) -> int:
        """Bytes of the body."""
        if not self.parts:
            return len(self.body)
        return sum(part.size if isinstance(part, FilePart) else len(part) for part in self.parts)

    def __repr__(self) -> str:
        return f"HTTPCall({self.method} {self.url}, {self.size} bytes)"


class HTTPReply(msgspec.Struct, frozen=True, gc=False):
    """A whole reply; header names are matched without case by `header`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    file: str = ""
    """Where the body lies instead, when it was saved."""

    def header(self, name: str) -> str | None:
        """The header's value, whatever the case of its name."""
        value = self.headers.get(name)
        if value is None and type(self.headers) is dict:  # others look without case themselves
            name = name.lower()
            value = next((v for k, v in self.headers.items() if k.lower() == name), None)
        return value

    def __repr__(self) -> str:
        return f"HTTPReply({self.status}, {len(self.body)} bytes)"
