"""What a provider's wire offers to its batches: how lines are read, and results written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from llm_orchestrator.simulator.batches.files import DAY
from llm_orchestrator.simulator.faults import Fault
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.wire import Wire

if TYPE_CHECKING:
    from llm_orchestrator.simulator.batches.batch import Batch


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an input: the id that comes back with its result, and the JSON of its body.

    `model` is the model's name where the line has one, `extra` what goes back as it came.
    """

    key: str
    body: bytes
    model: str = ""
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry in its batch; `number` is its place in the input, from 0."""

    batch: Batch
    entry: Entry
    number: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a whole batch is refused; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class ProblemError(Exception):
    """A line that spoils its whole batch."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param

    def at(self, line: int) -> Problem:
        """The same, with its place."""
        return Problem(self.code, self.message, line, self.param)


@dataclass(slots=True)
class Answered:
    """What became of one item: `body` is JSON, `cost` in picodollars (None = no price known)."""

    status: int
    body: bytes
    request_id: str = ""
    model: Model | None = None
    usage: Usage | None = None
    cost: int | None = 0
    refusal: Refusal | None = None

    @property
    def good(self) -> bool:
        """Whether it succeeded, and is paid for."""
        return 200 <= self.status < 300


class BatchFormat(Protocol):
    """How lines and results of one provider's batches are, and what it allows.

    `one_file`: failures stand among the results.
    """

    provider: str
    window: float = DAY
    most_requests: int = 50_000
    most_bytes: int = 200_000_000
    most_inputs: int = 50_000  # of embeddings, in all items together
    longest_key: int = 64
    unique: bool = True
    one_model: bool = False
    one_file: bool = False
    in_order: bool = False
    fails_whole: bool = True  # one bad line spoils the batch
    partial: bool = True  # what was finished when a batch was stopped is kept, and paid for

    def entry(self, raw: bytes, batch: Batch) -> Entry:
        """One line, or a ProblemError."""
        ...

    def wire(self, batch: Batch) -> Wire:
        """The wire that answers the items."""
        ...

    def inputs(self, entry: Entry, batch: Batch) -> int:
        """How many an item counts where all inputs of a batch are limited."""
        del entry, batch
        return 0

    def request(self, body: dict[str, Any], item: Item) -> dict[str, Any]:
        """The body as the wire takes it."""
        del item
        return body

    def line(self, item: Item, answered: Answered) -> bytes:
        """The line of a result, without its end."""
        ...

    def left(self, item: Item, why: str) -> bytes | None:
        """The line of an item that was not reached; `why` is expired or cancelled."""
        ...

    def struck(self, fault: Fault) -> Refusal:
        """The words for an item that the provider fails."""
        status = fault.status or 500
        message = "The server had an error while processing your request."
        if status == 429:
            message = "Rate limit reached. Please try again later."
        elif status < 500:
            message = "The request is not valid."
        return Refusal(status, message)
