"""What goes over the wire and comes back, as data."""

from collections.abc import Mapping

import msgspec


class HTTPCall(msgspec.Struct, frozen=True, gc=False):
    """One request to a provider, not yet authorised. ``url`` is absolute and already encoded."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"
    notices: tuple[str, ...] = ()
    """What the dialect dropped or translated to fit the target."""

    def __repr__(self) -> str:
        return f"HTTPCall({self.method} {self.url}, {len(self.body)} bytes)"


class HTTPReply(msgspec.Struct, frozen=True, gc=False):
    """A whole reply; header names are matched without case by `header`."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value, whatever the case of its name."""
        value = self.headers.get(name)
        if value is None and type(self.headers) is dict:  # others look without case themselves
            name = name.lower()
            value = next((v for k, v in self.headers.items() if k.lower() == name), None)
        return value

    def __repr__(self) -> str:
        return f"HTTPReply({self.status}, {len(self.body)} bytes)"
