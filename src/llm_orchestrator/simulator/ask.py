"""What a provider understands of a request, whatever its wire: read by answers and faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from llm_orchestrator.simulator.models import Model

Schema = dict[str, Any]
Silence = Literal["", "blocked", "unsigned"]


@dataclass(slots=True)
class ToolCall:
    """A call that the model makes or made; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class ToolResult:
    """What a tool answered, by the id of its call."""

    call_id: str
    text: str
    is_error: bool = False


@dataclass(slots=True)
class Turn:
    """One message; consecutive roles are kept as they came."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    images: int = 0
    calls: list[ToolCall] = field(default_factory=list)
    results: list[ToolResult] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    description: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of the prompt in the order in which the provider reads it.

    `mark` is the cache lifetime asked for at its end ("5m", "1h"), or empty.
    """

    text: str
    tokens: int
    mark: str = ""


@dataclass(slots=True)
class Ask:
    """A valid request. `limit` is the most output tokens; `thinking` the reasoning to spend."""

    model: Model
    segments: list[Segment]
    turns: list[Turn] = field(default_factory=list)
    stream: bool = False
    usage_chunk: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"  # auto, none, any, or the name of a tool after "="
    parallel: bool = True
    schema: Schema | None = None
    json_mode: bool = False
    stop: tuple[str, ...] = ()
    limit: int | None = None
    thinking: int = 0
    show_thinking: bool = False
    plans: bool = False  # says what it is going to do before it calls tools
    prefill: str = ""
    silent: Silence = ""  # why nothing is generated
    choices: int = 1
    seed: str = ""
    tier: str = ""
    citations: int = 0  # tokens read in found pages, charged apart
    searches: int = 0
    flat: int | None = None  # what the request itself costs, in picodollars
    unicode: bool = False  # the answer must hold characters of several bytes
    uncounted: bool = False  # the stream must come without usage
    inputs: list[str] = field(default_factory=list)  # embeddings: the texts
    options: dict[str, Any] = field(default_factory=dict)  # what only one wire knows

    @property
    def input_tokens(self) -> int:
        """All tokens of the prompt, cached or not."""
        return sum(segment.tokens for segment in self.segments)

    @property
    def last_role(self) -> str:
        """The role of the last message, or nothing."""
        return self.turns[-1].role if self.turns else ""

    def last_text(self, role: str = "user") -> str:
        """The text of the last message of a role."""
        return next((t.text for t in reversed(self.turns) if t.role == role and t.text), "")
