"""One request, in the words that all wire formats are translated from and to."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
CacheTTL: TypeAlias = Literal["5m", "1h"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class _Part(msgspec.Struct, frozen=True, gc=False, tag_field="type", kw_only=True):
    cache: CacheTTL | None = None
    """Marks the prompt up to here as worth caching."""


class Text(_Part, frozen=True, gc=False, tag="text"):
    """Plain text."""

    text: str


class Image(_Part, frozen=True, gc=False, tag="image"):
    """An image: an ``https://`` address or a ``data:<mime>;base64,<data>`` text."""

    url: str
    detail: str | None = None


class Media(_Part, frozen=True, gc=False, tag="media"):
    """A film, a sound or a document at an address; without ``mime`` its ending says what it is."""

    url: str
    mime: str | None = None


class ToolCall(_Part, frozen=True, gc=False, tag="tool_call"):
    """The model's wish to call a tool; ``arguments`` is JSON text.

    ``signature`` is opaque, as that of `Reasoning`: it must come back with the same call.
    """

    id: str
    name: str
    arguments: str = "{}"
    signature: str | None = None


class ToolResult(_Part, frozen=True, gc=False, tag="tool_result"):
    """The answer to a tool call: a text, or texts and pictures."""

    call_id: str
    content: str | tuple[Text | Image, ...]
    is_error: bool = False

    @property
    def text(self) -> str:
        """The text of the answer, its pictures left out."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, Text))

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures of the answer."""
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if isinstance(part, Image))


class Reasoning(_Part, frozen=True, gc=False, tag="reasoning"):
    """A model's thoughts; ``signature`` (or ``redacted``) is opaque and returned unchanged."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


Part: TypeAlias = Text | Image | Media | ToolCall | ToolResult | Reasoning


class Message(msgspec.Struct, frozen=True, gc=False):
    """One turn. ``content`` is a plain text or a tuple of parts."""

    role: Role
    content: str | tuple[Part, ...]
    name: str | None = None

    @property
    def text(self) -> str:
        """The text of the turn, its other parts left out."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, Text))


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; ``parameters`` is a JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = {}
    strict: bool = False
    cache: CacheTTL | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether tools are used; ``name`` forces one tool."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str | None = None


class OutputSchema(msgspec.Struct, frozen=True):
    """The JSON schema that the answer must satisfy, in the portable subset."""

    name: str
    schema: Mapping[str, Any]


class Request(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is asked, without saying of whom. ``None`` leaves the choice to the provider."""

    messages: tuple[Message, ...]
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    schema: OutputSchema | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    effort: Effort | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    user: str | None = None
    service_tier: str | None = None
    strict: bool = False
    """Refuse, rather than drop, what the target cannot take."""
    extra: Mapping[str, Any] = {}
    """Fields passed to the provider's body as they are."""
