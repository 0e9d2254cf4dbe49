"""The most that one item can cost: what is held for it before it goes out."""

from llm_orchestrator.catalog import upper_bound
from llm_orchestrator.catalog.tokens import upper_bound_input
from llm_orchestrator.pipeline.hold import bound
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.money import Pico
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Image, Media, Request

_REPAIRED = 2
"""Calls of an item whose answer is repaired."""


def most_in_batch(asked: Request | Texts, size: int, target: Candidate) -> Pico | None:
    """The most that a row of so many bytes can cost in a batch; ``None`` when nothing bounds it."""
    if isinstance(asked, Texts):
        return upper_bound(size, 0, target.model, tier="batch")
    most_input = upper_bound_input(asked, target.model) if _has_images(asked) else size
    return bound(asked, most_input, target, tier="batch")


def most_online(asked: Request | Texts, target: Candidate, *, repair: bool = True) -> Pico | None:
    """The most that an item can cost in real time, with the repair of its answer or without."""
    if isinstance(asked, Texts):
        size = sum(len(text.encode("utf-8", "replace")) + 8 for text in asked.texts)
        return upper_bound(size, 0, target.model)
    most = bound(asked, upper_bound_input(asked, target.model), target)
    repaired = repair and asked.schema is not None
    return most * _REPAIRED if most is not None and repaired else most


def _has_images(request: Request) -> bool:
    for message in request.messages:  # of every row: any() over a generator takes thrice as long
        if type(message.content) is tuple and any(
            isinstance(part, Image | Media) for part in message.content
        ):
            return True
    return False
