"""Where the user asked to keep records."""

from pathlib import Path

from llm_orchestrator.config.checks import STORE_ENDINGS
from llm_orchestrator.config.schema import Config


def store_url(config: Config) -> str | None:
    """The ledger's address, which may hold a password; ``None`` is the store's own default.

    It is ``store.url``, a classic ``log_path`` that names a database, or a file in ``LLMO_HOME``.
    """
    if config.store.url:
        return config.store.url.reveal()
    named = config.cost_tracking.log_path
    if named and named.endswith(STORE_ENDINGS):
        return str(Path(named).expanduser())
    home = config.env.value("LLMO_HOME")
    return str(Path(home).expanduser() / "ledger.db") if home else None


def cost_log(config: Config) -> Path | None:
    """The cost log in JSON lines that was asked for, if one was."""
    named = config.cost_tracking.log_path
    if not config.cost_tracking.enabled or not named or named.endswith(STORE_ENDINGS):
        return None
    return Path(named).expanduser()
