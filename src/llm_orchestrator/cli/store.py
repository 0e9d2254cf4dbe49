"""``llmo store``: the ledger's tables."""

from enum import StrEnum
from typing import Annotated

import typer

from llm_orchestrator.cli import options, output

group = typer.Typer(help="The tables of the ledger.", no_args_is_help=True)


class Database(StrEnum):
    """Databases that the ledger can live in."""

    postgres = "postgres"
    sqlite = "sqlite"


@group.callback()
def _group() -> None:
    """The tables of the ledger."""


@group.command("ddl")
def ddl(
    database: Annotated[
        Database, typer.Argument(metavar="[postgres|sqlite]", help="Whose SQL.")
    ] = Database.postgres,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Print the SQL that creates the tables, for Supabase or a database of your own."""
    from llm_orchestrator.store.connect import ddl as statements

    text = statements(database.value)
    if as_json:
        output.json({"database": database, "sql": text})
        return
    output.write(text)
