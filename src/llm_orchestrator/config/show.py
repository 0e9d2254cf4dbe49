"""The settings that hold, as plain data and as YAML, with every secret blanked."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from llm_orchestrator.config.read import keys
from llm_orchestrator.config.schema import Config
from llm_orchestrator.types.secret import Secret

_BLANK = "***"


def plain(config: Config) -> dict[str, Any]:
    """All keys and their values, defaults included; amounts are `Decimal`, secrets are blanked."""
    shown: dict[str, Any] = _plain(config)
    for name, settings in config.providers.items():
        section = shown["providers"][name]
        for path, variable in settings.unset.items():
            top, *rest = path.removeprefix(f"providers.{name}.").split(".")
            if not rest:
                section[top] = f"${{{variable}}}"
    return shown


def render(config: Config) -> str:
    """The settings as YAML; of the providers only what was set."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """YAML with exact amounts."""

    def amount(dumper: yaml.SafeDumper, value: Decimal) -> yaml.Node:
        whole = value == value.to_integral_value()
        kind = "tag:yaml.org,2002:int" if whole else "tag:yaml.org,2002:float"
        return dumper.represent_scalar(kind, format(value, "f"))

    Dumper.add_representer(Decimal, amount)
    shown = plain(config)
    shown["providers"] = {name: _said(section) for name, section in shown["providers"].items()}
    text: str = yaml.dump(
        shown, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    return text


def _said(section: Any) -> Any:
    if isinstance(section, dict):
        kept = {key: _said(value) for key, value in section.items()}
        return {key: value for key, value in kept.items() if value not in (None, [], {})}
    return [_said(item) for item in section] if isinstance(section, list) else section


def _plain(value: object) -> Any:
    if isinstance(value, Secret):
        return _BLANK
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in keys(type(value))}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
