"""Strategies by name: ours, and those that plug-ins bring."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator.engine import scorers
from llm_orchestrator.engine.options import RouteOptions
from llm_orchestrator.engine.pool import check_size
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.routing import cascade, ensemble, order
from llm_orchestrator.routing.base import Offer, Strategy
from llm_orchestrator.routing.confidence import SIGNALS, unknown_signal
from llm_orchestrator.routing.makers import maker_of
from llm_orchestrator.routing.scored import scored

if TYPE_CHECKING:
    from llm_orchestrator.engine.learning import Learned, Lesson

GROUP = "llm_orchestrator.strategies"
"""Entry points: a name to a function of the call's options that gives a `Strategy`."""
CONFIDENCE_GROUP = "llm_orchestrator.confidence"
"""Entry points: a name to a function without arguments that gives a `signals.Signal`."""

ORDERS: dict[str, order.Order] = {
    "cheapest": order.cheapest,
    "fastest": order.fastest,
    "weighted": order.weighted(),
    "capability": order.cheapest,
}
_ENSEMBLES = ("ensemble", "vote", "judge", "classic")
STRATEGIES = ("specified", *ORDERS, "fallback", "scored", *_ENSEMBLES)
"""The names of our own strategies."""


_SAMPLES = 3
_ASKS = {"agreement": 1, "logprobs": 1, "phrases": 1, "learned": 1, "self_consistency": _SAMPLES}
"""How often a member of a cascade is asked, by the signal; 2 for those that have a judge."""


class Seeker(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy that asks several models, and how it takes its members."""

    name: str
    build: Callable[[int], Strategy]
    """The strategy over so many members."""
    size: int | None = None
    """How many members it wants; ``None`` is all."""
    strict: bool = False
    """The size was asked for: fewer members are an error."""
    spares: bool = False
    """Others than its members may be asked for a second opinion, or as judges."""
    each: int = 1
    """How often a member, or a judge of its answer, is asked at most."""

    def most_asks(self, members: Sequence[Offer], spares: Sequence[Offer]) -> int:
        """How often models are asked at most, retries apart."""
        alone = len({maker_of(one.candidate) for one in (*members, *spares)}) == 1
        # Where there is no other maker to ask, a member may be asked again instead.
        each = _SAMPLES if alone and self.each == 1 and self.spares else self.each
        return len(members) * each + len(spares) + 1

    def members(
        self, offered: Sequence[Offer], *, explicit: bool
    ) -> tuple[tuple[Offer, ...], tuple[Offer, ...]]:
        """Who takes part, and who is left. The members of an explicit chain keep their order."""
        if self.size is None:
            return tuple(offered), ()
        if self.strict:
            check_size(self.size, len(offered))
        ranked = list(offered) if explicit else _varied(offered)
        return tuple(ranked[: self.size]), tuple(ranked[self.size :])


def find(
    runtime: Runtime, name: str, options: RouteOptions, lesson: "Lesson | None" = None
) -> "order.Order | Seeker":
    """The strategy of that name; raises `InvalidRequestError` with near names otherwise."""
    if not isinstance(name, str):
        raise InvalidRequestError(f"strategy: expected a name, got {type(name).__name__}")
    settings = runtime.config.routing
    judge = options.get("judge", settings.judge)
    if (found := ORDERS.get(name)) is not None:
        return found
    if name in ("fallback", "scored"):
        signal = options.get("confidence", settings.confidence)
        made = cascade.fallback(
            confidence=_signal(signal),
            threshold=options.get("threshold", settings.threshold),
            judge=judge,
            scorer=_learned(runtime, lesson),
        )
        if name == "scored":
            foresee = scorers.foresight(settings.scorer, runtime.skills, lesson)
            made = scored(foresee, gain=settings.gain, otherwise=made)
        each = _ASKS.get(signal, 2)
        return Seeker(name=name, build=lambda _: made, spares=True, each=each)
    if name in _ENSEMBLES:
        asked = options.get("ensemble_size")
        size = settings.ensemble_size if asked is None else check_size(asked, 10**6)
        build = _ensemble(name, judge)
        spares = name in ("ensemble", "judge")
        return Seeker(name=name, build=build, size=size, strict=asked is not None, spares=spares)
    if (factory := _plugins(GROUP).get(name)) is not None:
        strategy = factory.load()(dict(options))
        return Seeker(name=name, build=lambda _: strategy)
    known = (*STRATEGIES, *_plugins(GROUP))
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise InvalidRequestError(f"strategy: there is no {name!r}; {hint}")


def _learned(runtime: Runtime, lesson: "Lesson | None") -> "Learned | None":
    """How likely an answer is right, by what was learned."""
    if runtime.skills is None or lesson is None:
        return None
    from llm_orchestrator.engine.learning import Learned

    return Learned(runtime.skills, lesson)


def _ensemble(name: str, judge: str | None) -> Callable[[int], Strategy]:
    match name:
        case "vote":
            return lambda size: ensemble.vote(size=size)
        case "judge":
            return lambda size: ensemble.judge(size=size, by=judge)
        case "classic":
            return lambda size: ensemble.classic(size=size)
    return lambda size: ensemble.auto(size=size, judge=judge)


def check_signal(name: Any) -> None:
    """Raises `InvalidRequestError`, with near names, for a signal that nobody has."""
    if not isinstance(name, str) or name in SIGNALS:
        return
    if name not in (plugins := _plugins(CONFIDENCE_GROUP)):
        raise unknown_signal(name, (*SIGNALS, *plugins))


def _signal(name: Any) -> Any:
    """A confidence signal of a plug-in by its name; ours are known to the strategy itself."""
    if isinstance(name, str) and (plugin := _plugins(CONFIDENCE_GROUP).get(name)) is not None:
        return plugin.load()()
    return name


def _plugins(group: str) -> Mapping[str, Any]:
    from importlib.metadata import entry_points  # slow to load, and few ask for it

    return {one.name: one for one in entry_points(group=group)}


def _varied(offered: Sequence[Offer]) -> list[Offer]:
    """The cheapest first, and no maker a second time before all others had their turn."""
    waiting = list(order.cheapest(offered).offers)
    out: list[Offer] = []
    while waiting:
        turn: dict[str, Offer] = {}
        for one in waiting:
            turn.setdefault(maker_of(one.candidate), one)
        out += turn.values()
        waiting = [one for one in waiting if one not in out]
    return out
