"""Write the constant SQL of the store from its Core tables: `python tools/build_sql.py`.

At run time the store uses these constants, so that no call and no start pays for SQLAlchemy.
`tests/unit/store/test_sql.py` fails when they are out of date.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, DefaultClause, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from llm_orchestrator.store.tables import HEAD, LEDGER
from llm_orchestrator.store.tables_bulk import metadata  # of both files
from llm_orchestrator.store.views import VIEWS

_WIDTH = 100
STORE = Path(__file__).parents[1] / "src/llm_orchestrator/store"
DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgres": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
VERSION = (  # as Alembic keeps it
    """\
CREATE TABLE llmo_schema (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT llmo_schema_pkc PRIMARY KEY (version_num)
)""",
    "INSERT INTO llmo_schema (version_num) VALUES ('{head}')",
)
CONFLICT = " ON CONFLICT DO NOTHING"


def ddl(name: str) -> list[str]:
    """All statements that make the schema."""
    dialect = DIALECTS[name]
    statements = []
    for table in metadata.tables.values():
        statements.append(str(CreateTable(table).compile(dialect=dialect)))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    clean = ["\n".join(line.rstrip() for line in s.strip().splitlines()) for s in statements]
    return [
        *(statement.replace("\t", "  ") for statement in clean),
        *VIEWS[name],
        *(statement.format(head=HEAD) for statement in VERSION),
    ]


def insert(name: str, table: Table, columns: Sequence[str]) -> str:
    """The insert of one row that gives these columns."""
    statement = table.insert().values(dict.fromkeys(columns))
    return str(statement.compile(dialect=DIALECTS[name])) + CONFLICT


def recordset(table: Table) -> str:
    """A PostgreSQL insert of the rows in the JSON list ``d -> '<table>'``."""
    types = DIALECTS["postgres"].type_compiler_instance
    names = ", ".join(column.name for column in table.columns)
    values = ", ".join(_value(column) for column in table.columns)
    typed = ", ".join(f"{c.name} {types.process(c.type)}" for c in table.columns)
    return (
        f"INSERT INTO {table.name} ({names})\nSELECT {values}\n"
        f"FROM input, json_to_recordset(d -> '{table.name}') AS r({typed}){CONFLICT}"
    )


def _value(column: Column[Any]) -> str:
    """A column of the JSON, where fields at their default are left out."""
    if not isinstance(column.server_default, DefaultClause):
        return column.name
    default = column.server_default.arg
    literal = f"'{default}'" if isinstance(default, str) else str(default)
    return f"COALESCE({column.name}, {literal})"


def module(name: str) -> str:
    """The text of `store/sql_<name>.py`."""
    lines = [
        '"""Constant SQL. Made by tools/build_sql.py from tables.py and views.py: do not edit."""',
        "",
        f'HEAD = "{HEAD}"',
    ]
    if name == "postgres":
        first, second, last = (recordset(table) for table in LEDGER)
        statement = (
            "WITH input AS (SELECT CAST(%s AS json) AS d),\n"
            f"first AS (\n{first}),\nsecond AS (\n{second})\n{last}"
        )
        lines += ["", f'INSERT = """\\\n{statement}"""']
        lines += ['"""All rows of a group, from one JSON object, in one round trip."""']
    text = "\n".join(lines) + "\n"
    if any(len(line) > _WIDTH for line in text.splitlines()):
        text = text.replace("\n", "\n# ruff: noqa: E501\n", 1)
    return text


def script(name: str) -> str:
    """The text of `store/ddl_<name>.sql`."""
    head = "-- Made by tools/build_sql.py from the tables and views: do not edit.\n"
    return head + "".join(f"\n{statement};\n" for statement in ddl(name))


def main() -> None:
    """Write the modules and the scripts."""
    for name in DIALECTS:
        for path, text in (
            (STORE / f"sql_{name}.py", module(name)),
            (STORE / f"ddl_{name}.sql", script(name)),
        ):
            path.write_text(text)
            print(path)


if __name__ == "__main__":
    main()
