"""The headers of a reply."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TIMEOUT = re.compile(rb"\btimeout\s*=\s*\"?(\d{1,9})")


class Headers(Mapping[str, str]):
    """Names in lower case; looked up without case and decoded only when asked for.

    Of a header that came twice the first counts.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._values = {name.lower(): value for name, value in raw.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower().encode()].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default."""
        value = self._values.get(name.lower().encode())
        return default if value is None else value.decode("latin-1")

    def plain(self) -> bool:
        """Whether the body is what it seems: not compressed, chunked at most."""
        values = self._values
        return b"content-encoding" not in values and (
            b"transfer-encoding" not in values or values[b"transfer-encoding"].lower() == b"chunked"
        )

    def patience(self) -> float | None:
        """Seconds for which the server keeps an idle connection open, where it says so."""
        value = self._values.get(b"keep-alive")
        found = value and _TIMEOUT.search(value)
        return float(found[1]) if found else None

    def until_close(self) -> bool:
        """Whether only the end of the connection ends the body."""
        return b"content-length" not in self._values and b"transfer-encoding" not in self._values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self)})"
