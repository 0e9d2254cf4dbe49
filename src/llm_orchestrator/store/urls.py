"""Where the ledger lies: the store's address, and how to show it without its password."""

import os
import re
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from llm_orchestrator.config.checks import STORE_ENDINGS
from llm_orchestrator.errors import ConfigError

_ACCEPTED = (
    "a file path that ends in .db or .sqlite, sqlite:///path/to/ledger.db, "
    "or postgresql://user:password@host:5432/database"
)
_PASSWORD = re.compile(r"(?i)(password|passwd|sslpassword)=('[^']*'|[^\s&]+)")


class Target(msgspec.Struct, frozen=True):
    """A parsed address: ``place`` is a file path or a PostgreSQL address with its password."""

    kind: Literal["sqlite", "postgres"]
    place: str

    @property
    def shown(self) -> str:
        """The place, safe to print."""
        return redact_url(self.place)

    def __repr__(self) -> str:
        return f"Target({self.kind}, {self.shown})"


def data_dir() -> Path:
    """The user's data directory: ``LLMO_HOME``, or the platform's own."""
    home = os.environ.get("LLMO_HOME")
    if home:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("llm-orchestrator", appauthor=False))


def default_path() -> Path:
    """The ledger's file when no ``store.url`` is set."""
    return data_dir() / "ledger.db"


def redact_url(url: str) -> str:
    """The address without its password."""
    head, slashes, rest = url.partition("://")
    if slashes:
        authority, slash, path = rest.partition("/")
        user, at, host = authority.rpartition("@")
        if ":" in user:
            user = f"{user.partition(':')[0]}:***"
        url = f"{head}://{user}{at}{host}{slash}{path}"
    return _PASSWORD.sub(r"\1=***", url)


def parse_url(url: str | os.PathLike[str] | None) -> Target:
    """The target of a ``store.url``; raises `ConfigError` for what no store can be."""
    if url is None:
        return _file(default_path())
    text = os.fspath(url).strip()
    scheme = text.partition("://")[0] if "://" in text else ""
    if scheme == "sqlite":
        return _sqlite(text)
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"}:
        _check_postgres(text)
        return Target("postgres", f"postgresql://{text.partition('://')[2]}")
    if not scheme and text.endswith(STORE_ENDINGS):
        return _file(Path(text).expanduser().absolute())
    raise ConfigError(f"store.url: {redact_url(text)!r} is no store; write {_ACCEPTED}")


def _sqlite(text: str) -> Target:
    host, slash, path = text.removeprefix("sqlite://").partition("/")
    if host or not slash or not path or path == ":memory:":
        raise ConfigError(
            f"store.url: {text!r} names no file; write sqlite:///relative.db or "
            "sqlite:////absolute/path.db"
        )
    return _file(Path(unquote(path)).expanduser().absolute())


def _file(path: Path) -> Target:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{str(path)!r} holds bytes that are no UTF-8 text, so it cannot be the ledger's file; "
            "set store.url or LLMO_HOME to another"
        ) from None
    return Target("sqlite", str(path))


def _check_postgres(text: str) -> None:
    try:
        _ = urlsplit(text).port
    except ValueError as error:
        raise ConfigError(
            f"store.url: {redact_url(text)!r} is no address ({error}); write {_ACCEPTED}"
        ) from None
