"""What one item of a task uses and costs with a model, on average over a sample."""

import math
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from llm_orchestrator import dialects
from llm_orchestrator.bulk.planning.bounds import most_in_batch, most_online
from llm_orchestrator.bulk.planning.guesses import answer_tokens
from llm_orchestrator.bulk.planning.past import Seen
from llm_orchestrator.bulk.planning.plan import Lane
from llm_orchestrator.bulk.tasks.task import Asked, Task
from llm_orchestrator.catalog import cost, price_on
from llm_orchestrator.catalog.estimate import FALLBACK_MAX_OUTPUT, SHORTEST_ANSWER
from llm_orchestrator.catalog.tokens import count_request, count_text, upper_bound_input
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.pipeline.hold import bound
from llm_orchestrator.types.batch import BatchItem
from llm_orchestrator.types.model import Model, Tier
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Media, Request
from llm_orchestrator.types.usage import Usage

_SURE = 3.0
"""Standard errors of the mean that the high end is above it."""
_FRAME = 200
"""Bytes that a line of a batch has around a text to be embedded."""


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """Usage and cost of one item, on average; tokens are low, expected and high."""

    input: tuple[float, float, float]
    output: tuple[float, float, float]
    raw_input: float
    """Input tokens as they are counted here, before earlier runs corrected them."""
    raw_output: float
    low_pico: Pico | None
    expected_pico: Pico | None
    high_pico: Pico | None
    answer_pico: Pico = 0
    """What each token of the longest answer adds to ``high_pico``."""
    most_output: int = 0
    cuts: bool = False
    """Whether the task leaves the length of answers to us."""
    refusal: str | None = None
    notes: tuple[str, ...] = ()


def count_inputs(asked: Sequence[Asked], model: Model) -> list[int]:
    """Input tokens of each, as they are counted here."""
    return [
        count_request(one, model)
        if isinstance(one, Request)
        else sum(count_text(text, model) for text in one.texts)
        for one in asked
    ]


def price(
    task: Task,
    target: Candidate,
    lane: Lane,
    asked: Sequence[Asked],
    counts: Sequence[int],
    seen: Seen | None = None,
) -> Priced:
    """The figures for one model in one lane; ``counts`` are the input tokens of each of ``asked``.

    ``seen`` is what the same task used before.
    """
    model = target.model
    limit = _limit(task, model)
    guess = answer_tokens(task, model)
    likely = min(float(limit), seen.output if seen else guess)
    shortest = _shortest(task, likely, limit, seen)
    ratio = seen.input_ratio if seen else 1.0
    tier: Tier = "batch" if lane == "batch" else "standard"
    mean, error = _mean(counts)
    tops = [_tops(one, target, lane, None) for one in asked]
    most_input = max(mean * ratio, _mean([top[0] for top in tops])[0])
    high = _high([top[1] for top in tops])
    return Priced(
        input=(max(0.0, mean - 2 * error) * ratio, mean * ratio, most_input),
        output=(shortest, likely, float(limit)),
        raw_input=mean,
        raw_output=float(min(limit, guess)),
        low_pico=_average(counts, ratio, shortest, target, tier),
        expected_pico=_average(counts, ratio, likely, target, tier),
        high_pico=high,
        answer_pico=_slope(asked, target, lane, limit),
        most_output=limit,
        cuts=task.kind != "embedding" and task.options.get("max_tokens") is None,
        refusal=_refusal(task, target, lane, asked),
        notes=_notes(target, lane, asked),
    )


def _limit(task: Task, model: Model) -> int:
    if task.kind == "embedding":
        return 0
    return int(task.options.get("max_tokens") or model.max_output or FALLBACK_MAX_OUTPUT)


def _shortest(task: Task, likely: float, limit: int, seen: Seen | None) -> float:
    if task.kind == "embedding":
        return 0.0
    if seen is not None:
        return likely * 0.8
    return likely / 2 if task.schema is not None else float(min(SHORTEST_ANSWER, limit, likely))


def _average(
    counts: Sequence[int], ratio: float, output: float, target: Candidate, tier: Tier
) -> Pico | None:
    """The cost of one item: that of each, as prices may rise with the size of an input."""
    if target.provider.local:
        return 0
    total = 0
    for count in counts:
        usage = Usage(input_tokens=round(count * ratio), output_tokens=round(output))
        one = cost(usage, target.model, tier=tier)
        if one is None:
            return None
        total += one
    return -(-total // len(counts)) if counts else 0


def _tops(
    asked: Asked, target: Candidate, lane: Lane, most_output: int | None
) -> tuple[int, Pico | None]:
    """The most input tokens of an item and the most it can cost, as it will be held."""
    if not isinstance(asked, Request):
        size = sum(len(text.encode("utf-8", "replace")) for text in asked.texts)
        if lane == "batch":
            size += _FRAME
            return size, 0 if target.provider.local else most_in_batch(asked, size, target)
        return size, 0 if target.provider.local else most_online(asked, target)
    if most_output is not None:
        asked = msgspec.structs.replace(asked, max_tokens=most_output)
    size = upper_bound_input(asked, target.model)
    if lane == "online" or batch.refusal(target) is not None:
        return size, bound(asked, size, target, "batch" if lane == "batch" else "standard")
    try:
        line = batch.dialect(target.provider).line(BatchItem("a" * 12, asked), target)
    except InvalidRequestError:
        return size, bound(asked, size, target, "batch")
    return max(size, len(line)), most_in_batch(asked, max(size, len(line)), target)


def _high(bounds: Sequence[Pico | None]) -> Pico | None:
    """One item at most: the mean, and what a sample may be wrong by."""
    if any(one is None for one in bounds):
        return None
    mean, error = _mean(cast("Sequence[int]", bounds))
    return math.ceil(mean + _SURE * error)


def _slope(asked: Sequence[Asked], target: Candidate, lane: Lane, limit: int) -> Pico:
    """What a token of the answer adds to the bound."""
    if not asked or limit < 2 or not isinstance(asked[0], Request):
        return 0
    whole = _tops(asked[0], target, lane, limit)[1]
    less = _tops(asked[0], target, lane, limit - 1)[1]
    return 0 if whole is None or less is None else whole - less


def _mean(values: Sequence[int]) -> tuple[float, float]:
    """The mean and its standard error."""
    count = len(values)
    if not count:
        return 0.0, 0.0
    mean = sum(values) / count
    if count == 1:
        return mean, 0.0
    spread = math.sqrt(sum((one - mean) ** 2 for one in values) / (count - 1))
    return mean, spread / math.sqrt(count)


# ------------------------------------------------------------------ who cannot be asked


def _refusal(task: Task, target: Candidate, lane: Lane, asked: Sequence[Asked]) -> str | None:
    embeds = task.kind == "embedding"
    if not embeds and target.model.mode == "embedding":
        return "it makes vectors and answers nothing"
    known = target.model.known and target.model.mode == "chat"
    if embeds and (known or not target.can("embeddings")):
        return "it makes no vectors"
    if lane == "batch" and (why := batch.refusal(target, embeds=embeds)) is not None:
        return why
    encode = _encoder(target, lane)
    whys = []
    for one in asked[:3]:
        try:
            encode(one)
        except InvalidRequestError as error:
            whys.append(error.message)
    return whys[0] if asked and len(whys) == len(asked[:3]) else None


def _encoder(target: Candidate, lane: Lane) -> Callable[[Asked], object]:
    if lane == "batch":
        line = batch.dialect(target.provider).line
        return lambda asked: line(BatchItem("a" * 12, asked), target)
    dialect = dialects.load(target.provider.dialect)
    return lambda asked: (
        dialect.encode(asked, target)
        if isinstance(asked, Request)
        else dialect.encode_embeddings(asked.texts, target, asked.dimensions)
    )


def _notes(target: Candidate, lane: Lane, asked: Sequence[Asked]) -> tuple[str, ...]:
    price = price_on(target.model)
    notes = []
    if lane == "batch" and price is not None and price.batch is not None and price.batch_estimated:
        notes.append("the batch price is the provider's general discount")
    if any(_has_media(one) for one in asked[:3]):
        notes.append("nothing tells how long films are: a minute is expected, any length held")
    return tuple(notes)


def _has_media(asked: Asked) -> bool:
    return isinstance(asked, Request) and any(
        isinstance(part, Media)
        for message in asked.messages
        if not isinstance(message.content, str)
        for part in message.content
    )
