"""From an estimate to what the planner chooses from."""

from collections.abc import Callable

from llm_orchestrator.bulk.planning.estimate import BulkEstimate, Line
from llm_orchestrator.bulk.planning.plan import Offer
from llm_orchestrator.bulk.planning.targets import Targets
from llm_orchestrator.bulk.planning.turnaround import Turnarounds
from llm_orchestrator.catalog.speeds import TYPICAL_S
from llm_orchestrator.types.provider import Candidate

_ORDINARY_S = 2.0
"""Seconds that an answer takes in real time, where nothing was measured."""
_TOKENS_A_SECOND = 80.0
_ORDINARY_ANSWER = 100
"""Tokens of an answer that takes the typical time."""
_CHUNK_S = 30.0
"""A chunk of the online lane takes about so long: more is lost when a worker dies."""
_LEAST_CHUNK, _MOST_CHUNK = 50, 1000
Pace = Callable[[Candidate, float, float], float | None]
"""Requests a second that a candidate may be sent, where that is known: given the tokens of one of
them, and the seconds that it takes."""


def offers(
    estimate: BulkEstimate,
    targets: Targets,
    turnarounds: Turnarounds | None = None,
    *,
    concurrency: int = 24,
    unit_items: int = 50_000,
    pace: Pace | None = None,
) -> tuple[Offer, ...]:
    """An offer of each line of the estimate.

    ``concurrency`` is how many online calls are in flight, ``unit_items`` how many rows a batch may
    have where its provider takes more.
    """
    known = turnarounds or Turnarounds()
    by = {(name, one.name): one for name, many in targets.items() for one in many}
    made = []
    for line in estimate.lines:
        target = by[line.task, line.target]
        if line.lane == "batch":
            made.append(_batch(line, target, known, unit_items))
        else:
            made.append(_online(line, target, concurrency, pace))
    return tuple(made)


def answer_seconds(target: Candidate, tokens: float) -> float:
    """How long an answer of so many tokens takes in real time, by rule."""
    typical = TYPICAL_S.get(target.provider.name, _ORDINARY_S)
    return typical + max(0.0, tokens - _ORDINARY_ANSWER) / _TOKENS_A_SECOND


def _batch(line: Line, target: Candidate, known: Turnarounds, unit_items: int) -> Offer:
    wire = target.provider.batch
    limits = None if wire is None else wire.limits
    most = min(unit_items, (limits and limits.requests) or unit_items)
    return _offer(
        line,
        wait_s=known.quantile(line.provider),
        least=1 if limits is None else limits.least,
        unit=most,
    )


def _online(line: Line, target: Candidate, concurrency: int, pace: Pace | None) -> Offer:
    one = line.priced
    each = answer_seconds(target, one.output[1])
    allowed = None if pace is None else pace(target, one.input[1] + one.output[1], each)
    possible = concurrency / each
    real = possible if allowed is None else min(possible, allowed)
    chunk = int(min(_MOST_CHUNK, max(_LEAST_CHUNK, real * _CHUNK_S)))
    return _offer(line, wait_s=each, rate=real, unit=chunk)


def _offer(
    line: Line, *, wait_s: float, unit: int, rate: float | None = None, least: int = 1
) -> Offer:
    one = line.priced
    return Offer(
        task=line.task,
        provider=line.provider,
        model=line.model,
        lane=line.lane,
        expected_pico=one.expected_pico,
        high_pico=one.high_pico,
        answer_pico=one.answer_pico,
        most_output=one.most_output,
        likely_output=round(one.output[1]),
        cuts=one.cuts,
        wait_s=wait_s,
        rate=rate,
        least=least,
        unit=unit,
        refusal=line.refusal,
    )
