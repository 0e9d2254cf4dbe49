"""Hard filters: who can take a request at all, whatever a strategy would like."""

from collections.abc import Iterable, Sequence

import msgspec

from llm_orchestrator.catalog.tokens import guess_input, upper_bound_input
from llm_orchestrator.config.rows import abilities
from llm_orchestrator.config.schema import ABILITIES
from llm_orchestrator.engine.pool import Pool, Skipped
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import BudgetError, InvalidRequestError, UnsupportedError
from llm_orchestrator.pipeline.hold import bound
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.routing.complexity import LEVELS
from llm_orchestrator.routing.levels import level_of
from llm_orchestrator.types.model import Ability
from llm_orchestrator.types.money import Pico, usd_text
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Image, Media, Request, ToolResult

_ALWAYS = frozenset(("text", "text-generation", "streaming", "system", "sampling"))
"""Words for what every model here can do."""
_LONG = {"long-context": 100_000, "ultra-long-context": 500_000}
"""The least context in tokens that a word asks for."""


class Capabilities(msgspec.Struct, frozen=True):
    """What a call needs of its model beside what its request shows."""

    words: tuple[str, ...] = ()

    @classmethod
    def read(cls, capability: str | Sequence[str] | None) -> "Capabilities":
        """From the option; raises `InvalidRequestError` for a word that nobody knows."""
        if capability is None:
            return cls()
        words = (capability,) if isinstance(capability, str) else tuple(capability)
        known = {*ABILITIES, *_ALWAYS, *_LONG, *LEVELS, "functions"}
        known.update(word for row in TABLE.values() for word in row.capability_words)
        for word in words:
            if word not in known:
                raise InvalidRequestError(
                    f"capability: nobody knows {word!r}; there are {', '.join(sorted(known))}"
                )
        return cls(words)


def needs(request: Request) -> frozenset[Ability]:
    """The abilities without which the request cannot be answered as it is asked."""
    found: set[Ability] = set()
    if request.tools:
        found.add("tools")
    if request.schema is not None:
        found.add("schema")
    for message in request.messages:
        if isinstance(message.content, str):
            continue
        for part in message.content:
            if isinstance(part, Image | Media) or (isinstance(part, ToolResult) and part.images):
                found.add("vision")
    return frozenset(found)


def fitting(
    runtime: Runtime,
    request: Request,
    pool: Pool,
    capabilities: Capabilities,
    *,
    cap: Pico | None,
    keep_dear: bool = False,
) -> Pool:
    """Those of the pool that can take the request, and why the others cannot.

    ``keep_dear`` keeps those that the cap does not pay for, as long as it pays for one: they are
    refused when their turn comes, and the answer is marked.
    Raises `UnsupportedError`, `BudgetError` or `InvalidRequestError` when nobody can.
    """
    required = needs(request)
    kept, skipped = [], list(pool.skipped)
    dear: list[tuple[Pico, Candidate]] = []
    for candidate in pool.candidates:
        why = _why_not(runtime, request, candidate, required, capabilities)
        if why is None:
            why, least = _too_dear(request, candidate, cap)
            if least is not None:
                dear.append((least, candidate))
        if why is None:
            kept.append(candidate)
        else:
            skipped.append(Skipped(candidate.name, why))
    if not kept:
        raise _nobody(skipped, dear, cap)
    if keep_dear and dear:
        names = {candidate.name for _, candidate in dear}
        kept = [one for one in pool.candidates if one in kept or one.name in names]
        skipped = [one for one in skipped if one.name not in names]
    return Pool(tuple(kept), tuple(skipped))


def _why_not(
    runtime: Runtime,
    request: Request,
    candidate: Candidate,
    required: Iterable[Ability],
    capabilities: Capabilities,
) -> str | None:
    model = candidate.model
    if unable := sorted(word for word in required if not candidate.can(word)):
        return f"it cannot do {', '.join(unable)}"
    if lacking := [word for word in capabilities.words if not _grants(candidate, word)]:
        return f"it does not offer {', '.join(lacking)}"
    if model.context is not None:
        size = guess_input(request, model)
        if size + (request.max_tokens or 0) > model.context:
            return f"about {size:,} tokens of input do not fit its context of {model.context:,}"
    if regions := runtime.config.routing.regions:
        place = _region(candidate)
        if place is None:
            return "nothing says in which region it runs"
        if not any(place.startswith(region.lower()) for region in regions):
            return f"it runs in {place}"
    return None


def _grants(candidate: Candidate, word: str) -> bool:
    if word in _ALWAYS:
        return True
    if word in LEVELS:
        return level_of(candidate.model) > LEVELS.index(word)
    if word in _LONG:
        return (candidate.model.context or 0) >= _LONG[word]
    if word in candidate.provider.capability_words and word not in ABILITIES | {"functions"}:
        return True
    wanted = abilities((word,)) - {"system", "sampling"}
    # Asked for by name, an ability must be known: "perhaps" is no answer.
    known = candidate.model.abilities
    return bool(wanted) and known is not None and all(candidate.can(one) for one in wanted)


def _region(candidate: Candidate) -> str | None:
    values = candidate.provider.values
    place = values.get("region") or values.get("location")
    return place.lower() if place else None


def _too_dear(
    request: Request, candidate: Candidate, cap: Pico | None
) -> tuple[str | None, Pico | None]:
    """Why the cap excludes it, and the least that it could be held to."""
    if cap is None:
        return None, None
    size = upper_bound_input(request, candidate.model)
    shortest = msgspec.structs.replace(request, max_tokens=min(request.max_tokens or 256, 256))
    least = bound(shortest if request.max_tokens is None else request, size, candidate)
    if least is None:
        return "nothing bounds what it could cost, and there is a cap: set its prices", None
    if least > cap:
        return f"it could cost {usd_text(least)} USD, the cap is {usd_text(cap)}", least
    return None, None


def _nobody(
    skipped: Sequence[Skipped], dear: Sequence[tuple[Pico, Candidate]], cap: Pico | None
) -> InvalidRequestError | BudgetError | UnsupportedError:
    if dear and cap is not None:
        least, candidate = min(dear, key=lambda one: one[0])
        return BudgetError(
            f"the cap of {usd_text(cap)} USD is below the cheapest candidate: {candidate.name} "
            f"could cost {usd_text(least)} USD. Raise the cap or lower max_tokens",
            code="max_cost",
        )
    whys = "; ".join(f"{one.name}: {one.why}" for one in skipped)
    return UnsupportedError(f"no model can take this request ({whys})")
