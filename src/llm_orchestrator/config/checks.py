"""Checks of single values; their errors never hold the value, which may be a secret."""

import re
import shlex
from urllib.parse import urlsplit

STORE_ENDINGS = (".db", ".sqlite", ".sqlite3")
"""What the name of a file ends in that is a store."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def clean_secret(text: str) -> None:
    """Raises `ValueError` for a text that cannot be sent in a header."""
    fault = _fault(text)
    if fault:
        raise ValueError(f"this cannot be sent: it {fault}")


def clean_key(text: str) -> None:
    """Raises `ValueError` for a text that cannot be an API key, which has no spaces either."""
    fault = _fault(text) or ("holds a space" if " " in text else "")
    if fault:
        raise ValueError(f"this cannot be an API key: it {fault}")


def clean_command(text: str) -> None:
    """Raises `ValueError` for a text that is no command line."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"this is no command line: {error}") from None
    if not words:
        raise ValueError("this is no command line: it is empty")


def clean_header_name(name: str) -> None:
    """Raises `ValueError` for a name that no HTTP header may have."""
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("this is not a header name")


def clean_url(url: str) -> None:
    """Raises `ValueError` for a text that is no address of an API."""
    hint = "expected an address like https://api.example.com/v1"
    if any(char.isspace() or not char.isprintable() for char in url):
        raise ValueError(f"{hint}, without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(hint) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(hint)
    if parts.username or parts.password:
        raise ValueError("a key does not belong in an address; use api_key or headers")
    if parts.query or parts.fragment:
        raise ValueError(f"{hint}, without ? and #")


def clean_store_url(url: str) -> None:
    """Raises `ValueError` for an address that no store has."""
    scheme = url.partition("://")[0].partition("+")[0]
    if scheme in {"http", "https"} and "supabase" in url:
        raise ValueError(
            "the address of a Supabase project does not reach its tables; write the Postgres "
            "connection string of its settings (postgresql://...)"
        )
    is_file = "://" not in url and url.endswith(STORE_ENDINGS)
    if not is_file and ("://" not in url or scheme not in {"sqlite", "postgresql", "postgres"}):
        raise ValueError("expected sqlite:///path/to/file.db or postgresql://user@host/database")


def clean_redis_url(url: str) -> None:
    """Raises `ValueError` for an address that no Redis has."""
    hint = "expected redis://host:6379/0, rediss:// or unix://"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(hint) from None
    place = parts.path if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in {"redis", "rediss", "unix"} or not place:
        raise ValueError(hint)


def _fault(text: str) -> str:
    if not text.strip():
        return "is empty"
    if "\n" in text or "\r" in text:
        return "holds a line break"
    if text != text.strip():
        return "begins or ends with a space"
    if "${" in text:
        return "still holds ${, a reference that was not replaced"
    if not text.isprintable():
        return "holds a character that cannot be printed"
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return "holds characters that no HTTP header can carry"
    return ""
