"""Which account a row's calls belong to, as a name that gives nothing away."""

from collections.abc import ItemsView
from hashlib import blake2b

import msgspec

from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret


def account(row: Provider) -> str | None:
    """A digest of where the row's calls go and what they are signed with.

    ``None`` for a server that has no lasting address, such as one that is started when needed.
    """
    if not row.base_url:
        return None
    parts = (
        row.base_url,
        row.key.reveal() if row.key else (row.key_file, row.key_cmd),
        sorted(row.values.items()),
        _revealed(row.secrets.items()),
        _revealed(row.headers.items()),
    )
    return blake2b(msgspec.json.encode(parts), digest_size=16, person=b"llmo-account").hexdigest()


def _revealed(items: ItemsView[str, Secret]) -> list[tuple[str, str]]:
    return sorted((name, secret.reveal()) for name, secret in items)
