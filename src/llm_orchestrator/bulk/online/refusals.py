"""Targets that refuse whatever they are asked: a million rows are not sent there in vain."""

import logging

import msgspec

from llm_orchestrator.bulk.error_text import error_text, without_details
from llm_orchestrator.errors import (
    AuthenticationError,
    ModelNotFoundError,
    OrchestratorError,
    PermissionDeniedError,
    QuotaExhaustedError,
)
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_rows import Unit

log = logging.getLogger("llm_orchestrator")

_REFUSING = (
    AuthenticationError,
    PermissionDeniedError,
    ModelNotFoundError,
    QuotaExhaustedError,
)
_MANY = 8
"""After so many refusals in a row the target is taken to refuse everything."""
_SHOWN = 3


class _Place(msgspec.Struct):
    """A model, or all models of a provider."""

    answered: bool = False
    in_row: int = 0
    """Refusals since its last answer."""
    why: str | None = None
    round: int = 0
    """In which it was refused."""


class Refusals:
    """Sees what becomes of calls while one process drives a run.

    A target that has answered before is tried anew in the next round: its key may have been
    exchanged meanwhile. One that never did is not.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Place] = {}

    def begin(self, unit: Unit) -> None:
        """A chunk begins."""
        for place in self._of(unit.provider, unit.model):
            if place.answered and unit.round > place.round:
                place.why, place.in_row = None, 0

    def why(self, unit: Unit) -> str | None:
        """Why the target of the unit is asked in vain; ``None``: it is not."""
        whys = (place.why for place in self._of(unit.provider, unit.model))
        return next((why for why in whys if why is not None), None)

    def shut(self, provider: str, model: str) -> bool:
        """Whether a target refuses everybody and has never answered."""
        places = self._of(provider, model)
        return any(place.why is not None and not place.answered for place in places)

    def answered(self, unit: Unit) -> None:
        """Note that the target of the unit has answered."""
        for place in self._of(unit.provider, unit.model):
            place.answered, place.in_row, place.why = True, 0, None

    def failed(self, unit: Unit, error: OrchestratorError) -> None:
        """Note an error of the target; enough refusals in a row shut it."""
        if not isinstance(error, _REFUSING):
            return
        whole, own = self._of(unit.provider, unit.model)
        place = whole if isinstance(error, AuthenticationError) else own
        place.in_row += 1
        enough = _MANY if place.answered else min(_MANY, unit.count)
        if place.why is None and place.in_row >= enough:
            place.why, place.round = without_details(error_text(error)), unit.round
            log.warning("%s: %s; its other rows are not asked", unit.work_id, error)

    def _of(self, provider: str, model: str) -> tuple[_Place, _Place]:
        places = self._places
        return (
            places.setdefault((provider, ""), _Place()),
            places.setdefault((provider, model), _Place()),
        )


async def told(store: BulkStore, run_id: str) -> str | None:
    """What to do about refusals for which items of a run have no answer; ``None`` without any."""
    names = tuple(kind.__name__ for kind in _REFUSING)
    found = await store.do(store.units.refusals, run_id, names)
    if not found:
        return None
    return "; ".join((*found[:_SHOWN], f"when that is put right, `llmo bulk retry {run_id}`"))
