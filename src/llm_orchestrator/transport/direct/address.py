"""From a URL to where to connect and what to ask for."""

import re
from urllib.parse import quote, urlsplit

import msgspec

from llm_orchestrator.transport import faults

_UNSAFE = re.compile(r"[\x00-\x20\x7f]")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_PORTS = {"http": 80, "https": 443}


class Address(msgspec.Struct, frozen=True, gc=False):
    """Where a URL leads. ``origin`` names the pool's shelf; ``host`` is without brackets."""

    origin: str
    host: str
    port: int
    secure: bool
    host_header: str
    target: str
    """Path and query exactly as in the URL: signed and percent-encoded ones must arrive so."""


def address(url: str) -> Address:
    """The address of an absolute URL; raises `ConfigError`. User and password in it are ignored."""
    if _UNSAFE.search(url):
        raise faults.no_address(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise faults.no_address(url) from None
    scheme = parts.scheme.lower()
    if not host or scheme not in _PORTS:
        raise faults.no_address(url)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    if not url.isascii():
        try:
            host = host.encode("idna").decode()
            target = quote(target, safe=_VISIBLE)
        except UnicodeError:
            raise faults.no_address(url) from None
    port = port or _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    named = shown if port == _PORTS[scheme] else f"{shown}:{port}"
    return Address(f"{scheme}://{shown}:{port}", host, port, scheme == "https", named, target)
