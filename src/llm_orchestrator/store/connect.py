"""From an address to a backend, and the schema as text."""

from llm_orchestrator.store.backend import Backend
from llm_orchestrator.store.budget_control import BudgetControl
from llm_orchestrator.store.executor import is_alive
from llm_orchestrator.store.rows import Group
from llm_orchestrator.store.urls import Target, parse_url


def connect(target: Target, timeout_s: float = 5.0) -> Backend:
    """A backend for the target, not yet open."""
    if target.kind == "sqlite":
        from llm_orchestrator.store.sqlite import SQLiteBackend

        return SQLiteBackend(target.place, timeout_s=timeout_s)
    from llm_orchestrator.store.postgres import PostgresBackend

    return PostgresBackend(target.place, timeout_s=timeout_s)


def retire_dead(backend: Backend, now_us: int, control: BudgetControl | None = None) -> None:
    """Note the end of processes that died: what they left unsettled is then unknown.

    Budgets count it as spent from then on.
    """
    dead = [other.executor_id for other in backend.living() if not is_alive(other, now_us)]
    if dead:
        backend.retire(dead, now_us)
    if next(backend.query("SELECT 1 FROM budget_holds WHERE NOT unknown LIMIT 1"), None):
        control = control or BudgetControl()
        entry = backend.write(Group(), control.lose)
        if entry is not None:
            control.note(entry)


def ddl(url_or_dialect: str | None = None) -> str:
    """The statements that make the schema, for ``sqlite``, ``postgres`` or a store's address."""
    name = url_or_dialect
    if name in {"postgres", "postgresql", "supabase"}:
        name = "postgres"
    elif name != "sqlite":
        name = parse_url(name).kind
    from llm_orchestrator.store.ddl import ddl as statements_of
    from llm_orchestrator.store.sql_sqlite import HEAD

    statements = statements_of(name)
    if name == "sqlite":
        statements.append(f"PRAGMA user_version={int(HEAD)}")
    return "".join(f"{statement};\n" for statement in statements)
