"""What an answer depends on, as one short text."""

from collections.abc import Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import msgspec

from llm_orchestrator.pipeline.cache_policy import CachePolicy
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.provider import Candidate, Provider
from llm_orchestrator.types.request import Request

ENCODING = 1
"""To be raised when the same request is asked in another way, so that old answers count no more."""

_DIGEST = 24
_MOST_KNOWN = 1024
_encode = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="deterministic").encode
_NUMBERS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_numbers = attrgetter(*_NUMBERS)
_HERE = "http://127.0.0.1:"


class Keys:
    """Makes keys; remembers what candidates come down to."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[Provider, str]] = {}
        self._names: dict[int, tuple[Candidate, str]] = {}
        self._lists: dict[int, tuple[tuple[Candidate, ...], list[str]]] = {}

    def of(self, policy: CachePolicy) -> str:
        """The key of what is asked, of whom, how and for whom.

        Not in it: whether the answer is streamed, and the ``user`` that providers are told, who
        counts as a tenant or not at all. Raises what encoding JSON raises.
        """
        known = self._lists.get(id(policy.candidates))
        names = self._list(policy.candidates) if known is None else known[1]
        what = (ENCODING, policy.tenant, policy.options, names, plain(policy.request))
        return blake2b(_encode(what), digest_size=_DIGEST).hexdigest()

    def of_text(self, text: str, target: Candidate, dimensions: int | None, tenant: str) -> str:
        """The key of a text's vector."""
        what = (ENCODING, "vector", tenant, self._name(target), dimensions, text)
        return blake2b(_encode(what), digest_size=_DIGEST).hexdigest()

    def _list(self, candidates: tuple[Candidate, ...]) -> list[str]:
        if len(self._lists) >= _MOST_KNOWN:
            self._lists.clear()
        names = [self._name(one) for one in candidates]
        # With the list itself: as long as that lives, its id is nobody else's. The same below.
        self._lists[id(candidates)] = candidates, names
        return names

    def _name(self, candidate: Candidate) -> str:
        known = self._names.get(id(candidate))
        if known is not None:
            return known[1]
        if len(self._names) >= _MOST_KNOWN:
            self._names.clear()
        model = candidate.model
        abilities = None if model.abilities is None else sorted(model.abilities)
        parts = (self._row(candidate.provider), model.id, abilities, model.max_output)
        name = _digest(_encode(parts))
        self._names[id(candidate)] = candidate, name
        return name

    def _row(self, row: Provider) -> str:
        """What of a row reaches the answer: not the key, so that another account's is as good."""
        known = self._rows.get(id(row))
        if known is not None:
            return known[1]
        if len(self._rows) >= _MOST_KNOWN:
            self._rows.clear()
        base = row.base_url
        own = TABLE.get(row.name)
        if row.local and own is not None and not own.base_url and base.startswith(_HERE):
            base = ""  # a server that we start has another port each time
        headers = {name: secret.reveal() for name, secret in row.headers.items()}
        parts: Sequence[Any] = (row.name, row.dialect, base, row.quirks, row.lacks, headers)
        name = _digest(_sorted(parts))
        self._rows[id(row)] = row, name
        return name


def plain(request: Request) -> Request:
    """The request as it is written in one way only, without what does not change the answer.

    The order of tools and of the properties of a schema stays: models read it.
    """
    if len(request.extra) <= 1 and int not in map(type, _numbers(request)):
        return msgspec.structs.replace(request, stream=False, user=None)
    changes: dict[str, Any] = {"extra": dict(sorted(request.extra.items()))}
    for name in _NUMBERS:
        value = getattr(request, name)
        if type(value) is int:
            changes[name] = float(value)
    return msgspec.structs.replace(request, stream=False, user=None, **changes)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST).hexdigest()
