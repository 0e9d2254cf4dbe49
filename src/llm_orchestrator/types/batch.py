"""A batch at a provider, in words that hold for all of them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.types.model import Ability
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Request
from llm_orchestrator.types.usage import Usage


class BatchState(StrEnum):
    """Where a batch is; each wire's own words are translated into these."""

    VALIDATING = "validating"
    QUEUED = "queued"
    RUNNING = "running"
    FINALIZING = "finalizing"
    """Everything has run; the results are being written."""
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    """The batch ended by itself, which says nothing of the success of its items."""
    FAILED = "failed"
    """The batch was refused or broke as a whole."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing changes any more. There may be results to read in every such state."""
        return self in _OVER


_OVER = frozenset(
    (BatchState.COMPLETED, BatchState.FAILED, BatchState.EXPIRED, BatchState.CANCELLED)
)

_CROWDED = frozenset(("token_limit_exceeded", "rate_limit_exceeded", "RESOURCE_EXHAUSTED", "8"))

BatchOutcome: TypeAlias = Literal["succeeded", "failed", "retryable", "expired", "cancelled"]
"""What became of an item: ``failed`` would fail again, ``retryable`` may not; ``expired`` and
``cancelled`` were never answered, because the batch ended before."""

BatchTag: TypeAlias = Literal[
    "metadata", "display_name", "name", "client_token", "idempotency_key", "file", "none"
]
"""By what a batch is recognised as ours when the reply to its creation is lost. With the client
token and the idempotency key a repeated creation makes no second batch; ``file`` is the id of the
input file, which is ours alone."""


BatchWireName: TypeAlias = Literal[
    "openai",
    "mistral",
    "together",
    "openrouter",
    "anthropic",
    "gemini",
    "vertex",
    "bedrock",
    "cohere",
]


class Texts(msgspec.Struct, frozen=True, gc=False):
    """A request for vectors, one for each text."""

    texts: tuple[str, ...]
    dimensions: int | None = None


class BatchItem(msgspec.Struct, frozen=True):
    """One row of a batch.

    The id is unique in it: digits and small letters, `BatchLimits.id_length` of them at most, which
    is what every wire takes.
    """

    custom_id: str
    request: Request | Texts


class BatchFile(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a batch on disk: lines as its dialect wrote them, each with a line feed."""

    path: str
    size: int
    """In bytes."""
    count: int
    """Lines."""
    name: str
    """What it is called at the provider, such as ``<tag>.jsonl``."""
    embeds: bool = False
    """Whether its rows are `Texts`."""
    sha256: str = ""
    """The digest of its bytes, as 64 hexadecimal digits; one wire format needs it."""


class BatchOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to be created."""

    tag: str
    """Ours alone: letters, digits and hyphens, 63 at most, a letter or digit first."""
    file: BatchFile
    file_id: str = ""
    """What the upload returned; empty on wires that take the rows in the creation itself."""
    hours: int = 24
    """How long it may take: one of `BatchWire.windows`."""


class BatchRef(msgspec.Struct, frozen=True):
    """Where results are: the id or address of a file, or the batch itself."""

    kind: str
    """The wire's own word for their form."""
    place: str


class BatchFault(msgspec.Struct, frozen=True):
    """A row for which a whole batch was refused."""

    line: int
    """The line of the input, counted from 1."""
    message: str


class BatchStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A batch as its provider describes it. Times are in seconds since 1970; ``None`` is unknown.

    The counts are those of the provider: some stay 0 until the end, some wires have none.
    """

    id: str
    state: BatchState
    word: str = ""
    """The provider's own word for the state."""
    total: int | None = None
    completed: int | None = None
    """Items that were answered."""
    failed: int | None = None
    """Items that were not, and will not be."""
    created_at: float | None = None
    expires_at: float | None = None
    ended_at: float | None = None
    tag: str | None = None
    """The mark by which it is recognised; see `BatchWire.mark`."""
    input_file_id: str | None = None
    results: tuple[BatchRef, ...] = ()
    model: str | None = None
    error: str | None = None
    """Why it failed as a whole."""
    error_code: str | None = None
    """The provider's word for that."""
    faults: tuple[BatchFault, ...] = ()
    """Rows that it refused to take, where it names them; it need not name all."""
    usage: Usage | None = None
    """The usage of all its items, where the provider adds it up."""

    @property
    def crowded(self) -> bool:
        """Whether it failed only because too much was waiting: later it may be created again."""
        told = self.error_code in _CROWDED or "enqueued token" in (self.error or "").lower()
        return self.state is BatchState.FAILED and told and not self.completed


class BatchOutput(msgspec.Struct, frozen=True):
    """Results that were fetched: in a file, or as they came when nobody named a folder."""

    kind: str
    """As in `BatchRef`; they are read by it."""
    path: str = ""
    data: bytes = b""


class BatchResult(msgspec.Struct, frozen=True):
    """What became of one row. Rows come in any order, and ids that nobody asked for come too."""

    custom_id: str | None
    """``None`` when a line cannot be read, or has no id."""
    outcome: BatchOutcome
    response: Response | None = None
    vectors: list[list[float]] | None = None
    """In the order of the texts, when they were asked for."""
    error: OrchestratorError | None = None
    usage: Usage | None = None
    """What the item used, also of an answer that was no good; ``None`` is unknown."""


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How large one batch may be; what is empty is unknown."""

    requests: int | None = 50_000
    """Rows."""
    size: int | None = 200_000_000
    """Bytes of all lines."""
    id_length: int = 64
    """Signs of an id."""
    texts: int | None = None
    """Texts of all requests for vectors."""
    least: int = 1
    """Requests that there must be."""
    enqueued: int | None = None
    """Input tokens of all batches of a model that wait or run. Most depend on the account."""


class BatchWire(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider takes batches: a part of its row."""

    wire: BatchWireName = "openai"
    """Which wire format."""
    tag: BatchTag = "metadata"
    """The kind of mark by which a batch of ours is recognised."""
    path: str = "/batches"
    """The path of batches, below ``base_url``."""
    files: str = "/files"
    """Of files, below ``base_url``; or the whole address of the storage that holds them (empty for
    S3: the one of the region)."""
    endpoints: Mapping[str, str] = {}
    """What rows may ask for: the dialect of the model, or ``embeddings``, to what the wire calls
    that. What is not in it cannot be asked for in a batch."""
    lacks: frozenset[Ability] = frozenset()
    """Abilities that models have in real time only."""
    limits: BatchLimits = BatchLimits()
    windows: tuple[int, ...] = (24,)
    """Hours that may be asked for as the longest time, the least first."""
    page: int = 100
    """Batches on one page of the list; 0 when it has no pages."""
    inline: bool = False
    """Whether the rows go out with the creation itself, without an upload before."""
    cancels: bool = True
    """Whether a batch can be cancelled."""
    keeps: bool = True
    """Whether a batch that was cancelled or has expired delivers what is done of it."""
    discount: int | None = None
    """Percent that it is cheaper, as a rule; what a batch costs is in the catalogue. ``None`` is
    unknown."""
    note: str = ""
    """What is worth knowing, for people."""

    @property
    def idempotent(self) -> bool:
        """Whether a creation that is sent again with the same tag makes no second batch."""
        return self.tag in {"client_token", "idempotency_key"}

    def mark(self, order: BatchOrder) -> str | None:
        """What `BatchStatus.tag` will say of the order; ``None`` where nothing can."""
        if self.tag == "none":
            return None
        return order.file_id if self.tag == "file" else order.tag

    def window(self, hours: int) -> int:
        """The window for at most so many hours: the longest of them, or the shortest there is."""
        fitting = [one for one in self.windows if one <= hours]
        return max(fitting) if fitting else min(self.windows)
