"""A name for a provider's key that gives nothing of it away."""

from hashlib import blake2b

import msgspec

from llm_orchestrator.types.provider import Provider


class KeyIds:
    """The names of the keys of one configuration's rows, each made once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def of(self, row: Provider) -> str | None:
        """The name of the row's key."""
        try:
            return self._known[row.name]
        except KeyError:
            found = self._known[row.name] = key_id(row)
            return found


def key_id(row: Provider) -> str | None:
    """A digest of the key that the row's calls go out with; the same for rows that share a key.

    Credentials that expire are told apart by what they are made from. ``None`` without any.
    """
    if row.key is not None:
        parts: object = row.key.reveal()
    elif row.auth == "none" or row.local:
        return None
    else:
        secrets = sorted((name, secret.reveal()) for name, secret in row.secrets.items())
        parts = (row.auth, sorted(row.values.items()), secrets, row.key_file, row.key_cmd)
    digest = blake2b(msgspec.json.encode(parts), digest_size=8, person=b"llmo-key").hexdigest()
    return f"key_{digest}"
