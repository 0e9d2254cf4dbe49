r"""Batches without I/O: what every wire offers for them, and the pieces that they are made of.

A batch dialect is a module with the functions of `BatchDialect`; `dialect` finds the one of a
provider. All but ``line`` and ``read_results`` are generators: they yield an `HTTPCall`, are sent
the `HTTPReply` to it, and return what they are there for. `pipeline.batches` drives them:

    own = dialect(provider)
    lines = [own.line(item, target) for item in items]      # each + b"\n" into one file
    file_id = drive(own.upload(file, target))               # "" where nothing is uploaded
    status = drive(own.create(order, target))               # the call that must not be repeated
    status = drive(own.poll(status.id, target))             # until status.state.over
    known = drive(own.list_recent(target, since, mark))     # after a reply that was lost
    status = drive(own.cancel(status.id, target))           # then poll on: finished rows are paid
    outputs = drive(own.results(status, target))            # in every state that is over
    for output in outputs:
        for result in own.read_results(chunks, output.kind, target): ...

``target`` is the provider with the model of the batch: a batch is asked of one model. Where no
model is meant (poll, cancel, list), ``whole`` makes a target of the provider alone. Replies that
are no success are raised by the driver, as the errors of the provider's dialect; only a call with
``once`` is never sent again by it. `perhaps_accepted` tells which errors leave it open whether a
batch was made.
"""

from collections.abc import Generator, Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import Protocol, TypeAlias, TypeVar, cast

from llm_orchestrator import dialects, errors
from llm_orchestrator.dialects.base import unsupported
from llm_orchestrator.types.batch import (
    BatchFile,
    BatchItem,
    BatchOrder,
    BatchOutput,
    BatchResult,
    BatchStatus,
    BatchWire,
    BatchWireName,
)
from llm_orchestrator.types.http import HTTPCall, HTTPReply
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider

T = TypeVar("T")
Exchange: TypeAlias = Generator[HTTPCall, HTTPReply, T]
"""Yields calls, is sent their replies, returns a T."""

TAG_KEY = "llmo_job"
"""Under which the tag stands in a batch's metadata."""
MOST_PAGES = 1000
"""Of a list; more is one that goes in a circle."""

_MODULES: dict[BatchWireName, str] = {
    "openai": "openai.batch",
    "mistral": "openai.mistral_batch",
    "together": "openai.together_batch",
    "openrouter": "openai.openrouter_batch",
    "anthropic": "anthropic.batch",
    "gemini": "gemini.batch",
    "vertex": "gemini.vertex_batch",
    "bedrock": "bedrock.batch",
    "cohere": "cohere.batch",
}
REFUSED = (400, 409)
"""What a cancellation is answered with when there is nothing left to cancel."""
_OPEN = frozenset((408, 409, 425))
"""Of the 4xx, those that do not say that nothing was made."""
_NOT_SENT = frozenset(("dns", "connect", "tls"))


class BatchDialect(Protocol):
    """How batches go over one wire. All functions map data to data."""

    def line(self, item: BatchItem, target: Candidate, notices: set[str] | None = None) -> bytes:
        """One row, without a line feed, encoded as the same request in real time would be.

        What was dropped or translated is added to ``notices``. Raises what encoding raises
        (`InvalidRequestError`), and `UnsupportedError` for what no batch can ask for here.
        """
        ...

    def upload(self, file: BatchFile, target: Candidate) -> Exchange[str]:
        """Bring the rows to the provider; the file's id, empty where `create` takes them itself.

        A second upload makes a second file, which costs nothing.
        """
        ...

    def create(self, order: BatchOrder, target: Candidate) -> Exchange[BatchStatus]:
        """Create the batch: exactly one call with ``once``."""
        ...

    def poll(self, batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
        """The batch as it is now."""
        ...

    def cancel(self, batch_id: str, target: Candidate) -> Exchange[BatchStatus]:
        """End the batch. What has been answered is paid for and can be read when it is over.

        Of one that is over already, the status is returned as it is. `UnsupportedError` where
        nothing can be cancelled.
        """
        ...

    def list_recent(
        self, target: Candidate, since: float, mark: str | None = None
    ) -> Exchange[list[BatchStatus]]:
        """The batches created since then (seconds since 1970), in the order of the provider.

        With a ``mark`` (`BatchWire.mark`) only those that bear it.
        """
        ...

    def results(self, status: BatchStatus, target: Candidate) -> Exchange[tuple[BatchOutput, ...]]:
        """Fetch all results of a batch that is over; the calls have ``save``.

        There may be none, and there may be some in every state that is over.
        """
        ...

    def read_results(
        self, chunks: Iterable[bytes], kind: str, target: Candidate, *, embeds: bool = False
    ) -> Iterator[BatchResult]:
        """The results in one output, row by row; ``chunks`` are its bytes in pieces of any size.

        A line that cannot be read is a result as well, without an id. Holds one row at a time,
        or the whole output on wires that answer with one JSON text.
        """
        ...


@cache
def _loaded(wire: BatchWireName) -> BatchDialect:
    return cast("BatchDialect", import_module(f"{dialects.__name__}.{_MODULES[wire]}"))


def dialect(provider: Provider) -> BatchDialect:
    """The dialect of the provider's batches; raises `UnsupportedError` when it has none."""
    wire = provider.batch
    if wire is None:
        raise unsupported("batches are not offered by this provider", whole(provider))
    return _loaded(wire.wire)


def whole(provider: Provider) -> Candidate:
    """The provider as a target without a model."""
    return Candidate(provider, Model(provider=provider.name, id=""))


def wire_of(target: Candidate) -> BatchWire:
    """How the target's provider takes batches; raises `UnsupportedError` when it does not."""
    if target.provider.batch is None:
        raise unsupported("batches are not offered by this provider", target)
    return target.provider.batch


def refusal(target: Candidate, *, embeds: bool = False) -> str | None:
    """Why the target cannot be asked in a batch; ``None`` when it can."""
    wire = target.provider.batch
    if wire is None:
        return "batches are not offered by this provider"
    word = "embeddings" if embeds else target.provider.dialect
    if word not in wire.endpoints:
        return f"{'embeddings' if embeds else 'this model'} cannot be asked in a batch here"
    if embeds and not target.can("embeddings"):
        return "embeddings are not supported by this model"
    return None


def endpoint(target: Candidate, *, embeds: bool) -> str:
    """What the wire calls that which the rows ask for; raises `UnsupportedError`."""
    if (why := refusal(target, embeds=embeds)) is not None:
        raise unsupported(why, target)
    return wire_of(target).endpoints["embeddings" if embeds else target.provider.dialect]


def perhaps_accepted(error: errors.OrchestratorError) -> bool:
    """Whether a batch may have been made, though its creation ended with this error.

    False only when the call never arrived or was refused: then it may be sent again at once.
    """
    if isinstance(error, errors.APIConnectionError):
        return error.code not in _NOT_SENT
    if isinstance(error, errors.APITimeoutError):
        return error.phase != "connect"
    if isinstance(error, errors.BadReplyError):
        return error.code != "redirect"
    status = error.status_code
    if status is None:
        # Ours, from before it was sent: no key, a wrong address, a row that cannot be asked for.
        return False
    return status >= 500 or status < 400 or status in _OPEN
