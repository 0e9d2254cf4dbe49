"""The head of a request, as bytes that nobody can smuggle a line into."""

import re
from collections.abc import Mapping
from functools import lru_cache

from llm_orchestrator import __version__
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.transport.base import check
from llm_orchestrator.transport.direct.address import Address, address
from llm_orchestrator.types.http import HTTPCall

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = frozenset(
    "connection content-length expect keep-alive proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
"""Headers about the connection and the framing: ours to set, whatever the caller says."""
_BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS"))
_USER_AGENT = f"llm_orchestrator/{__version__}"


def head(call: HTTPCall, headers: Mapping[str, str]) -> tuple[Address, bytes]:
    """Where the call goes and its head; raises `ConfigError`, which never shows a value."""
    where, form = _form(call.method, call.url, tuple(headers))
    values = tuple(headers.values())
    joined = "".join(values)
    if not joined.isascii() or not joined.isprintable():
        check(headers)
    text = form % values
    if call.body or call.parts or call.method not in _BODILESS:
        text += f"Content-Length: {call.size if call.parts else len(call.body)}\r\n"
    return where, f"{text}\r\n".encode()


@lru_cache(maxsize=256)
def _form(method: str, url: str, names: tuple[str, ...]) -> tuple[Address, str]:
    """The head with a ``%s`` for the value of each of the named headers."""
    where = address(url)
    given = {name.lower() for name in names}
    lines = [f"{method} {where.target} HTTP/1.1", f"Host: {where.host_header}"]
    if "host" in given:
        lines.pop()
    if "accept" not in given:
        lines.append("Accept: */*")
    if "accept-encoding" not in given:
        # A reply to a POST is small or a stream: compressing costs it more time than it saves.
        lines.append(f"Accept-Encoding: {'gzip' if method == 'GET' else 'identity'}")
    if "user-agent" not in given:
        lines.append(f"User-Agent: {_USER_AGENT}")
    form = "".join(f"{line}\r\n" for line in lines).replace("%", "%%")
    for name in (method, *names):
        if not _TOKEN.fullmatch(name):
            raise ConfigError(f"{name[:50]!r} is no name that HTTP allows for a header or method")
    for name in names:
        # %.0s takes the value and prints nothing of it.
        form += "%.0s" if name.lower() in _OURS else f"{name.replace('%', '%%')}: %s\r\n"
    return where, form
