"""Vectors for texts."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator import dialects
from llm_orchestrator.dialects.base import Dialect
from llm_orchestrator.engine.alternatives import advise_how
from llm_orchestrator.engine.parts import clean, kind
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import (
    BadReplyError,
    InvalidRequestError,
    OrchestratorError,
    UnsupportedError,
)
from llm_orchestrator.pipeline.attempt import Attempt, Call
from llm_orchestrator.pipeline.rescue import Rescue, unless_over
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.http import HTTPReply
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.reply import Reply, Response

if TYPE_CHECKING:
    from llm_orchestrator.pipeline.vectors import CachedVectors


class Embeddings(msgspec.Struct, frozen=True):
    """One vector per text, in their order, and the reply that holds cost and attempts."""

    vectors: tuple[tuple[float, ...], ...]
    reply: Reply


def _read(
    dialect: Dialect, target: Candidate, texts: int, reply: HTTPReply, attempt: Attempt
) -> tuple[list[list[float]], Response]:
    vectors, response = dialect.decode_embeddings(reply, target)
    attempt.answered(response)
    if len(vectors) != texts:  # nobody could tell which is whose
        raise BadReplyError(
            f"{len(vectors)} vectors came for {texts} texts", code="vectors", retryable=False
        )
    return vectors, response


def read_texts(texts: Any) -> list[str]:
    """The texts to embed, checked; a text alone is one of them."""
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, Iterable):
        raise InvalidRequestError(f"texts: expected a text or a list of texts, got {kind(texts)}")
    found = [clean(text, f"texts[{number}]") for number, text in enumerate(texts)]
    if not all(found) or not found:
        raise InvalidRequestError("embed needs at least one text, and none of them empty")
    return found


def _check_target(call: Call, target: Candidate) -> None:
    """Raises when no model was named and the one that is active is known to make no vectors."""
    model = target.model
    if (
        call.requested_model is None
        and model.known
        and model.mode != "embedding"
        and not target.provider.local
        and target.provider.name in TABLE  # what a server of your own can do, nobody knows
    ):
        raise UnsupportedError(
            f"{model.id} makes no vectors: name a model that does",
            provider=target.provider.name,
            model=model.id,
            code="no_embedding_model",
        )


async def _cached_vectors(
    runtime: Runtime, call: Call, target: Candidate, texts: Sequence[str], dimensions: int | None
) -> "CachedVectors | None":
    """What is kept of the texts, where the call wants that."""
    if call.cache_policy is None or runtime.cache is None:
        return None
    from llm_orchestrator.pipeline.vectors import (
        CachedVectors,  # only who keeps vectors pays for it
    )

    cached = CachedVectors(runtime.cache, call.cache_policy, target, texts, dimensions)
    await cached.look()
    return cached


async def embed(
    runtime: Runtime, call: Call, rescue: Rescue, texts: Sequence[str], dimensions: int | None
) -> Embeddings:
    """Ask one candidate for what is not kept. Never another model: vectors do not mix."""
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise InvalidRequestError(f"dimensions: expected a whole number from 1: {dimensions!r}")
    runtime.under_way.add(call)
    try:
        _check_target(call, rescue.current)
        cached = await _cached_vectors(runtime, call, rescue.current, texts, dimensions)
        if cached is not None:
            texts = cached.missing
            if not texts:
                return Embeddings(cached.vectors, runtime.hit(call, cached.reply(), None))
        vectors: list[list[float]] = []
        while True:
            target = await runtime.ready(rescue.current)
            limits = runtime.limits(call.request, target, elsewhere=False)
            dialect = dialects.load(target.provider.dialect)
            # As many at a time as the wire takes.
            part = texts[len(vectors) : len(vectors) + dialect.most_texts(target)]
            try:
                wire_call = dialect.encode_embeddings(part, target, dimensions)
                found, response = await runtime.sender.book(
                    call,
                    target,
                    wire_call,
                    limits,
                    partial(_read, dialect, target, len(part)),
                    most_input=len(wire_call.body),
                    sent=part,
                )
            except OrchestratorError as error:
                if runtime.closed:
                    raise runtime.cut_short() from None
                step = unless_over(rescue.after(error))
                await runtime.rest(step.delay)
            else:
                rescue.answered()
                vectors += found
                if cached is not None:
                    cached.keep(part, found, call.attempts[-1].cost)
                if len(vectors) == len(texts):
                    saved = None if cached is None else cached.saved
                    reply = runtime.reply(call, response, saved_pico=saved)
                    whole = map(tuple, vectors) if cached is None else cached.vectors
                    return Embeddings(tuple(whole), reply)
    except BaseException as error:
        advise_how(
            runtime,
            error,
            lambda dialect, other: dialect.encode_embeddings(texts, other, dimensions),
            mode="embedding",
        )
        runtime.failed(call, error)
        raise
    finally:
        rescue.end()
