"""Provider rows that other packages bring, found when a name is asked for that is not in the table.

An entry point of the group `GROUP` names a `Provider`, or a function without arguments that gives
one. Nothing is looked for at the start: reading what is installed takes time.
"""

from llm_orchestrator.errors import ConfigError
from llm_orchestrator.types.provider import Provider

GROUP = "llm_orchestrator.providers"


def plugin(name: str) -> Provider | None:
    """The row that a package brings under this name; ``None`` when none does."""
    from importlib.metadata import entry_points

    for found in entry_points(group=GROUP, name=name):
        made = found.load()
        row = made() if callable(made) else made
        if not isinstance(row, Provider) or row.name != name:
            raise ConfigError(
                f"the plug-in {found.value} gives no provider called {name}: ask its maker"
            )
        return row
    return None
