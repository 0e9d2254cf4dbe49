"""Fills the braces of a row's addresses: region, project, resource."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from llm_orchestrator.config.env import Environment
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.batch import BatchWire
from llm_orchestrator.types.provider import Provider, Quirks
from llm_orchestrator.types.secret import Secret

T = TypeVar("T", Quirks, BatchWire)


def filled(row: Provider, given: Mapping[str, str], env: Environment, source: str) -> Provider:
    """The row with the values of its variables: from the configuration, the environment, defaults.

    ``given`` is ``providers.<name>.variables``. Raises `ConfigError` for one that the row lacks.
    """
    open_ones = [name for name, variable in row.variables.items() if not variable.secret]
    if strange := given.keys() - set(open_ones):
        known = ", ".join(open_ones) or "none"
        raise ConfigError(
            f"{source}: providers.{row.name}.variables has {min(strange)}; there are: {known}"
        )
    if not row.variables:
        return row
    values, secrets = {}, {}
    for name, variable in row.variables.items():
        held = next((text for word in variable.env if (text := env.value(word))), None)
        if variable.secret:
            if held is not None:
                secrets[name] = Secret(held)
        elif text := given.get(name) or held or variable.default:
            values[name] = text.rstrip("/")  # an address is continued with a slash
    return _addressed(row, values, secrets)


def missing(row: Provider) -> str | None:
    """Which variable the row needs and has no value for, and where to set it; ``None``: none."""
    for name, variable in row.variables.items():
        needed = variable.needed or f"{{{name}}}" in row.base_url
        if needed and name not in row.values and name not in row.secrets:
            words = " or ".join(variable.env)
            place = "" if variable.secret else f"providers.{row.name}.variables.{name}"
            return f"no {name}: set {', or '.join(filter(None, (words, place)))}"
    return None


def _addressed(row: Provider, values: dict[str, str], secrets: dict[str, Secret]) -> Provider:
    base_url = row.base_url
    for name, value in values.items():
        if f"{{{name}}}" in base_url:
            base_url = row.variables[name].addresses.get(value, base_url)

    def put(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def put_all(part: T) -> T:
        found = {
            field: put(text)
            for field in part.__struct_fields__
            if isinstance(text := getattr(part, field), str) and "{" in text
        }
        return msgspec.structs.replace(part, **found) if found else part

    wires = [msgspec.structs.replace(wire, quirks=put_all(wire.quirks)) for wire in row.wires]
    return msgspec.structs.replace(
        row,
        base_url=put(base_url),
        quirks=put_all(row.quirks),
        wires=tuple(wires),
        batch=None if row.batch is None else put_all(row.batch),
        values=values,
        secrets=secrets,
    )
