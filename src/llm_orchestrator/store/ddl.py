"""The statements that make the schema, read when a store is made."""

from pathlib import Path


def ddl(kind: str) -> list[str]:
    """All statements for a database, in order; ``kind`` is sqlite or postgres."""
    text = Path(__file__).with_name(f"ddl_{kind}.sql").read_text(encoding="utf-8")
    _, *statements = text.split("\n\n")
    return [statement.rstrip().removesuffix(";") for statement in statements]
