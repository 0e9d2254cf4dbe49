"""The constants that run are what SQLAlchemy would have made of the tables."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from sqlalchemy import Column, DefaultClause, Table

from llm_orchestrator.store.ddl import ddl
from llm_orchestrator.store.rows import AttemptRow, CallRow, Group, SettlementRow
from llm_orchestrator.store.sqlite import insert
from llm_orchestrator.store.tables import LEDGER, attempts, calls, settlements
from llm_orchestrator.store.tables_bulk import metadata

ROOT = Path(__file__).parents[3]
PAIRS = [(AttemptRow, attempts), (SettlementRow, settlements), (CallRow, calls)]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_sql", ROOT / "tools" / "build_sql.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_constants_are_up_to_date(tool: ModuleType, name: str) -> None:
    path = ROOT / "src" / "llm_orchestrator" / "store" / f"sql_{name}.py"
    assert path.read_text(encoding="utf-8") == tool.module(name), "run: python tools/build_sql.py"
    script = path.with_name(f"ddl_{name}.sql").read_text(encoding="utf-8")
    assert script == tool.script(name), "run: python tools/build_sql.py"
    assert ddl(name) == tool.ddl(name), "what is read is what was written"


@pytest.mark.parametrize("table", LEDGER, ids=lambda table: table.name)
def test_inserts_are_those_of_the_tables(tool: ModuleType, table: Table) -> None:
    names = tuple(table.columns.keys())
    for columns in (names, names[:3], names[::2]):
        assert insert(table.name, columns) == tool.insert("sqlite", table, columns)


@pytest.mark.parametrize(("row", "table"), PAIRS)
def test_rows_have_the_columns_of_their_table(row: type[msgspec.Struct], table: Table) -> None:
    assert row.__struct_fields__ == tuple(table.columns.keys())


@pytest.mark.parametrize(("row", "table"), PAIRS)
def test_rows_and_tables_have_the_same_defaults(row: type[msgspec.Struct], table: Table) -> None:
    for field in msgspec.structs.fields(row):
        column = table.columns[field.name]
        if field.required:
            assert not column.nullable
            assert column.server_default is None
        else:
            assert default_of(column) == field.default, field.name
            assert column.nullable == (field.default is None)


def default_of(column: Column[Any]) -> object:
    if not isinstance(column.server_default, DefaultClause):
        return None
    value = column.server_default.arg
    return (
        value
        if isinstance(value, str)
        else {"false": False}.get(str(value), int(str(value) == "1"))
    )


def test_a_group_has_the_tables_of_the_ledger() -> None:
    assert Group.__struct_fields__ == tuple(table.name for table in LEDGER)
    assert {table.name for table in LEDGER} < set(metadata.tables)
