"""Takes a newer price file: checked as a whole, then put in place in one step."""

import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from llm_orchestrator.catalog import entries
from llm_orchestrator.catalog.catalog import DATA_FILE
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.model import Model, Rates

FILE_NAME = "models.json"
"""Name of a refreshed file in the user's data directory."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_LARGEST = 32 * 1024 * 1024


class Summary(msgspec.Struct, frozen=True):
    """What a price file holds, and whether it was put in place."""

    version: str
    providers: int
    models: int
    priced: int
    installed: bool = False


async def refresh(url: str, fetch: Callable[[str], Awaitable[bytes]], path: Path) -> Summary:
    """Fetches the file at ``url`` and puts it at ``path`` if it is sound and newer.

    ``fetch`` downloads; this room does no network I/O of its own. Raises `ConfigError` for a file
    that is not sound, and leaves what was there.
    """
    data = await fetch(url)
    try:
        return install(data, path)
    except ConfigError as error:
        raise ConfigError(f"the price file at {url} was not taken: {error.message}") from error


def install(data: bytes, path: Path) -> Summary:
    """Puts a sound file that is newer than the one in use at ``path``, atomically."""
    summary = validate(data)
    if summary.version <= max(_version(DATA_FILE), _version(path)):
        return summary
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return msgspec.structs.replace(summary, installed=True)


def validate(data: bytes) -> Summary:
    """Checks every line of a price file; raises `ConfigError` that says what is wrong."""
    if len(data) > _LARGEST:
        raise ConfigError(f"{len(data):,} bytes are too many for a price file")
    try:
        file = entries.file(data)
        models = {name: _models(name, raw) for name, raw in file.providers.items()}
    except ValueError as error:  # msgspec's errors are ValueErrors
        raise ConfigError(f"it is no price file: {error}") from error
    if not _DAY.fullmatch(file.version):
        raise ConfigError(f"its version {file.version!r} is no day")
    lines = [model for each in models.values() for model in each.values()]
    if not lines:
        raise ConfigError("it holds no model")
    for model in lines:
        _check(model)
    for alias, target in file.aliases.items():
        provider, _, model_id = target.partition("/")
        if model_id not in models.get(provider, ()):
            raise ConfigError(f"its alias {alias!r} points to {target!r}, which it does not hold")
    priced = sum(bool(model.prices) for model in lines)
    return Summary(file.version, len(models), len(lines), priced)


def _version(path: Path) -> str:
    try:
        return entries.file(path.read_bytes()).version
    except (OSError, ValueError):
        return ""


def _models(name: str, raw: msgspec.Raw) -> dict[str, Model]:
    part = entries.provider(raw)
    return {
        model_id: entries.model(name, model_id, line, part.batch_discount)
        for model_id, line in part.models.items()
    }


def _check(model: Model) -> None:
    where = f"{model.provider}/{model.id}"
    starts = [price.from_ or "" for price in model.prices]
    if starts != sorted(set(starts)) or not all(_DAY.fullmatch(day) for day in starts if day):
        raise ConfigError(f"the price dates of {where} are not days in order")
    for price in model.prices:
        steps = [step.tokens for step in price.above]
        if steps != sorted(set(steps)):
            raise ConfigError(f"the long-context steps of {where} are not in order")
        blocks: list[Rates | None] = [price, *price.above, price.batch, price.flex, price.priority]
        for block in blocks:
            if block is not None and any((rate or 0) < 0 for rate in _rates(block)):
                raise ConfigError(f"{where} has a negative price")


def _rates(block: Rates) -> list[int | None]:
    return [getattr(block, field.name) for field in msgspec.structs.fields(Rates)]
