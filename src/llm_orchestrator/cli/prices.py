"""Takes a newer price file into use, from an address or a file."""

from pathlib import Path

from llm_orchestrator.catalog.refresh import FILE_NAME, Summary, install
from llm_orchestrator.config import Config
from llm_orchestrator.errors import APIConnectionError, ConfigError
from llm_orchestrator.store.urls import data_dir

VARIABLE = "LLMO_PRICES_URL"
_SECONDS = 30
_LARGEST = 64 * 1024 * 1024


def refresh(config: Config, source: str | None) -> Summary:
    """Installs the price file of the source, if it is sound and newer than ours."""
    source = source or config.env.value(VARIABLE)
    if not source:
        raise ConfigError(f"say where newer prices are: --prices-from FILE or URL, or {VARIABLE}")
    try:
        return install(_read(source), _folder(config) / FILE_NAME)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error.message}") from None


def _folder(config: Config) -> Path:
    named = config.env.value("LLMO_HOME")
    return Path(named).expanduser() if named else data_dir()


def _read(source: str) -> bytes:
    if not source.startswith(("https://", "http://")):
        try:
            return Path(source).expanduser().read_bytes()
        except OSError as error:
            raise ConfigError(f"the prices cannot be read: {error.strerror}") from None
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(source, timeout=_SECONDS) as reply:  # noqa: S310 - the scheme is checked above
            data: bytes = reply.read(_LARGEST)
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise APIConnectionError(f"cannot fetch the prices at {source}: {reason}") from None
    return data
