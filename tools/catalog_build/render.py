"""Writes the data file: one model a line, sorted, without keys that say nothing."""

from __future__ import annotations

import json
from typing import Any

_ORDER = (
    "prices",
    "context",
    "max_output",
    "abilities",
    "mode",
    "aliases",
    "family",
    "released",
    "deprecated",
    "retired",
    "successor",
    "dimensions",
)


def render(catalog: dict[str, Any]) -> str:
    """The text of the file; the same catalogue always gives the same text."""
    lines = ["{", f' "format": {catalog["format"]},', f' "version": {_json(catalog["version"])},']
    lines.append(f' "sources": {_json(catalog["sources"])},')
    lines.append(' "providers": {')
    providers = sorted(catalog["providers"].items())
    for position, (name, provider) in enumerate(providers):
        lines.append(f"  {_json(name)}: {{")
        if "batch_discount" in provider:
            lines.append(f'   "batch_discount": {_json(provider["batch_discount"])},')
        lines.append('   "models": {')
        lines += _entries(sorted(provider["models"].items()), 4, _model)
        lines.append("  }}" + ("," if position + 1 < len(providers) else ""))
    lines.append(" },")
    lines.append(' "aliases": {')
    lines += _entries(sorted(catalog["aliases"].items()), 2, _json)
    lines += [" }", "}", ""]
    return "\n".join(lines)


def _entries(items: list[tuple[str, Any]], indent: int, write: Any) -> list[str]:
    last = len(items) - 1
    return [
        f"{' ' * indent}{_json(name)}: {write(value)}{',' if position < last else ''}"
        for position, (name, value) in enumerate(items)
    ]


def _model(row: dict[str, Any]) -> str:
    unknown = row.keys() - set(_ORDER)
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    kept = {key: row[key] for key in _ORDER if key in row and row[key] not in (None, [], "")}
    if kept.get("mode") == "chat":
        del kept["mode"]
    return _json(kept)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
