"""How long an answer may be where a budget is nearly spent, and its length was left to us."""

from typing import TYPE_CHECKING

import msgspec

from llm_orchestrator.catalog.tokens import upper_bound_input
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.hold import bound
from llm_orchestrator.providers.keys import KeyIds
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request

if TYPE_CHECKING:
    from llm_orchestrator.store.ledger import Ledger

LEAST_OUTPUT = 256
"""An answer is not cut shorter than this to fit a budget."""


class Allowance:
    """Limits answers to what the tightest budget leaves, as it was last seen."""

    def __init__(self, ledger: "Ledger") -> None:
        self._ledger = ledger
        self._key_ids = KeyIds()

    def fitted(self, call: Call, request: Request, target: Candidate) -> Request:
        """The request with a limit, where it has none and could cost more than is left.

        What others hold is left to them as long as the rest pays for a short answer; else it is
        counted on, and waited for. Whether the attempt is allowed, its hold decides.
        """
        if request.max_tokens is not None or target.provider.local:
            return request
        room = self._ledger.room(
            call.session_id,
            call.user_id,
            self._key_ids.of(target.provider),
            call.tags,
            call.started_at,
        )
        if room is None:
            return request
        now, without_others = room
        size = upper_bound_input(request, target.model)
        whole = bound(request, size, target)
        if whole is None or whole <= without_others:
            return request
        one, two = (_bound_with(request, size, target, tokens) for tokens in (1, 2))
        if one is None or two is None or two <= one:
            return request
        token, empty = two - one, 2 * one - two
        most = (now - empty) // token
        if most < LEAST_OUTPUT:
            most = (without_others - empty) // token
        return msgspec.structs.replace(request, max_tokens=max(LEAST_OUTPUT, most))


def _bound_with(request: Request, size: int, target: Candidate, tokens: int) -> int | None:
    return bound(msgspec.structs.replace(request, max_tokens=tokens), size, target)
