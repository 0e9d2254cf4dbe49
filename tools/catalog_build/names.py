"""Families, family aliases and successors, worked out from the ids and the lifecycle dates."""

from __future__ import annotations

import re
from typing import Any

Row = dict[str, Any]
Models = dict[str, dict[str, Row]]

_DATE = re.compile(r"[-@](20\d{6}|20\d{2}-\d{2}-\d{2}|\d{4})(?=$|[-:@])")
_UNFINISHED = re.compile(
    r"preview|-exp|latest|beta|:|thinking|search|fast|customtools|cyber|@default"
)


def add_families(models: Models, patterns: list[dict[str, str]]) -> None:
    """Writes the family of every model whose id fits one of the patterns; the first one wins."""
    compiled = [(re.compile(item["pattern"]), item["name"]) for item in patterns]
    for rows in models.values():
        for model_id, row in rows.items():
            for pattern, name in compiled:
                if match := pattern.search(model_id.lower()):
                    row["family"] = match.expand(name).strip("-")
                    break


def is_live(row: Row, day: str) -> bool:
    """Whether a model is neither deprecated nor retired on a day."""
    return all(row.get(key) is None or row[key] > day for key in ("deprecated", "retired"))


def newest(rows: dict[str, Row], family: str, day: str) -> str | None:
    """The id of the newest live model of a family; a finished one wins over a preview."""
    found = [
        model_id
        for model_id, row in rows.items()
        if row.get("family") == family and is_live(row, day) and row.get("prices")
    ]
    return max(found, key=_rank, default=None)


def _rank(model_id: str) -> tuple[bool, tuple[int, ...], int, str]:
    plain = _DATE.sub("", model_id)
    version = tuple(int(number) for number in re.findall(r"\d+", plain.rsplit("/", 1)[-1]))
    return (not _UNFINISHED.search(model_id), version, -len(model_id), model_id)


def aliases(models: Models, curated: dict[str, Any]) -> dict[str, str]:
    """All aliases that are ours, name -> ``provider/id``."""
    day = curated["version"]
    found: dict[str, str] = {}
    for name, provider in curated["family_aliases"].items():
        target = newest(models[provider], name, day)
        if target is None:
            raise ValueError(f"no live model of family {name} at {provider}")
        if target != name:
            found[name] = f"{provider}/{target}"
    found |= curated["aliases"]
    for name, target in found.items():
        provider, _, model_id = target.partition("/")
        if model_id not in models[provider]:
            raise ValueError(f"alias {name} points to {target}, which is not in the catalogue")
    return dict(sorted(found.items()))


def add_successors(models: Models, day: str) -> None:
    """Gives every model that is going away the newest of its family, where none was curated."""
    for rows in models.values():
        for model_id, row in rows.items():
            if "successor" in row or is_live(row, day) or "family" not in row:
                continue
            target = newest(rows, row["family"], day)
            if target and target != model_id:
                row["successor"] = target
