"""Rows that the store refuses because of what is in them: set aside, and the rest is written."""

import logging

import msgspec

from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.budget_control import BudgetControl
from llm_orchestrator.store.rows import AttemptRow, CallRow, Group, Row, SettlementRow
from llm_orchestrator.store.spill import make_folder, places
from llm_orchestrator.store.urls import Target

log = logging.getLogger("llm_orchestrator")


def write(
    backend: Backend,
    target: Target,
    group: Group,
    control: BudgetControl | None = None,
    *,
    admit: bool = False,
) -> list[Row]:
    """Write a group; returns the rows that can never be written, which are set aside.

    ``control`` has the budgets, to which attempts of a new group are ``admit``-ted. Raises what
    `Backend.write` raises when the store itself fails.
    """
    control = control or BudgetControl()
    try:
        _write(backend, group, control, admit=admit)
    except backend.data_errors:
        return _one_by_one(backend, target, group, control, admit=admit)
    return []


def _write(backend: Backend, group: Group, control: BudgetControl, *, admit: bool) -> None:
    entry = backend.write(group, control.plan(group, admit=admit))
    if entry is not None:
        control.note(entry)


def _one_by_one(
    backend: Backend, target: Target, group: Group, control: BudgetControl, *, admit: bool
) -> list[Row]:
    """Find the rows at fault; what is no text is cleaned."""
    refused: list[Row] = []
    rows: list[Row] = [*group.attempts, *group.settlements, *group.calls]
    for row in rows:
        clean = _clean(row)
        try:
            _write(backend, clean, control, admit=admit)
        except backend.data_errors as error:
            refused.append(row)
            _set_aside(target, clean, error)
    return refused


def _clean(row: Row) -> Group:
    """The row without what is no text: lone surrogates and NUL."""
    changes = {
        name: value.encode("utf-8", "replace").decode().replace("\0", "")
        for name, value in msgspec.structs.asdict(row).items()
        if isinstance(value, str)
    }
    clean = msgspec.structs.replace(row, **changes)
    group = Group()
    if isinstance(clean, AttemptRow):
        group.attempts = [clean]
    elif isinstance(clean, SettlementRow):
        group.settlements = [clean]
    elif isinstance(clean, CallRow):
        group.calls = [clean]
    return group


def _set_aside(target: Target, group: Group, error: Exception) -> None:
    line = msgspec.json.encode(group) + b"\n"
    for place in places(target):
        path = place.with_name(f"{place.name}.refused.jsonl")
        try:
            make_folder(path.parent)
            with path.open("ab") as file:
                file.write(line)
        except OSError:
            continue
        log.error("the ledger refuses a row (%s); it was set aside in %s", error, path)
        return
    log.error("the ledger refuses a row (%s) and no file takes it: %s", error, line.decode())
