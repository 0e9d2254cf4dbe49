"""Tokens of a request before it is sent: a cheap upper bound, and a local count.

- *How much can this be at most?* `upper_bound_input`: every token is at least one byte, so the
  bytes of the text bound its tokens, for any tokenizer. It takes less than a microsecond and reads
  no vocabulary; budgets hold money by it.
- *How many tokens is this?* `count_text` and `count_request`: by the public vocabularies, exact for
  the text of OpenAI's models and an estimate for all else.
- *How many may it have been?* `guess_input` and `guess_output`: by the length of the text, for
  answers of providers that told nothing.
"""

from collections.abc import Iterator, Sequence

import msgspec

from llm_orchestrator.catalog import vocabulary
from llm_orchestrator.catalog.families import LARGEST_IMAGE, Family, family_of
from llm_orchestrator.catalog.image_tokens import TYPICAL
from llm_orchestrator.catalog.picture import data_url_size
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.request import (
    Image,
    Media,
    Message,
    OutputSchema,
    Part,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

# Upper bounds of what the providers put around our text, in tokens. Chat templates use 3 to 8 a
# message; the open GPT models add about 70 a request; Claude adds up to 530 for tools (Anthropic,
# "Tool use"), and a few hundred to explain an output schema.
BOUND_PER_REQUEST = 256
BOUND_PER_MESSAGE = 16
BOUND_PER_PART = 16
BOUND_TOOLS = 768
BOUND_PER_TOOL = 64
BOUND_SCHEMA = 512
LONGEST_MEDIA = 2_097_152
"""Tokens of a film at most, where the model's context is unknown: the largest context there is."""
TYPICAL_MEDIA = 15_000
"""Tokens of a film of a minute, or of a sound of eight; nothing tells how long one really is."""
BOUND_SHOWN = 128  # of our own words for a picture that a tool has shown


# ------------------------------------------------------------------ the bound


def upper_bound_input(request: Request, model: Model | None = None) -> int:
    """Tokens that the input cannot exceed: UTF-8 bytes of its text, and the most for each image.

    With ``model``, images count by its provider's maximum; without one, by the largest known.
    """
    total = BOUND_PER_REQUEST
    for message in request.messages:
        content = message.content
        total += BOUND_PER_MESSAGE
        if type(content) is str:
            total += len(content) if content.isascii() else _bytes(content)
        else:
            for part in content:
                total += BOUND_PER_PART + _part_bound(part, model)  # type: ignore[arg-type]
        if message.name is not None:
            total += _bytes(message.name)
    if request.tools:
        total += BOUND_TOOLS + sum(BOUND_PER_TOOL + _tool_bytes(tool) for tool in request.tools)
    if request.schema is not None:
        total += BOUND_SCHEMA + _schema_bytes(request.schema)
    if request.extra:
        total += len(msgspec.json.encode(request.extra))
    return total


def _bytes(text: str) -> int:
    """Length in UTF-8; a lone surrogate counts as the three bytes it would take."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _part_bound(part: Part, model: Model | None) -> int:
    if isinstance(part, Text):
        return _bytes(part.text)
    if isinstance(part, Image):
        return LARGEST_IMAGE if model is None else family_of(model.id).image.most(part.detail)
    if isinstance(part, Media):
        return LONGEST_MEDIA if model is None else model.context or LONGEST_MEDIA
    if isinstance(part, Reasoning):  # what is sealed in the signature may be billed, too
        return sum(_bytes(text) for text in (part.text, part.signature, part.redacted) if text)
    total = sum(map(_bytes, _texts(part)))
    if isinstance(part, ToolResult) and part.images:
        total += BOUND_SHOWN + _bytes(part.call_id)
        total += sum(BOUND_PER_PART + _part_bound(image, model) for image in part.images)
    return total


def _tool_bytes(tool: Tool) -> int:
    return _bytes(tool.name) + _bytes(tool.description) + len(msgspec.json.encode(tool.parameters))


def _schema_bytes(schema: OutputSchema) -> int:
    return len(schema.name) + len(msgspec.json.encode(schema.schema))


# ------------------------------------------------------------------ the count


def count_text(text: str, model: Model | str) -> int:
    """Tokens of a text for a model: exact for OpenAI's, an estimate for others and long texts."""
    family = _family(model)
    return _scaled(vocabulary.count(text, family.vocabulary), family, _bytes(text))


def count_request(request: Request, model: Model | str) -> int:
    """Estimated input tokens of a request: text, chat template, tools, schema and images."""
    family = _family(model)
    texts = list(_request_texts(request))
    if sum(map(len, texts)) > vocabulary.EXACT_CHARACTERS:
        texts = ["\n".join(texts)]  # so that samples are taken over all of them
    counted = sum(vocabulary.count(text, family.vocabulary) for text in texts)
    return _scaled(counted, family, sum(map(_bytes, texts))) + _beside(request, family)


def _beside(request: Request, family: Family) -> int:
    """Tokens of what stands beside the texts: chat template, images, the prompt for tools."""
    total = family.per_request
    for message in request.messages:
        total += family.per_message + (message.name is not None)
        for part in _parts(message):
            if isinstance(part, ToolCall | ToolResult):
                total += family.per_message
            for image in _images(part):
                size = data_url_size(image.url) or TYPICAL
                total += family.image.count(size, image.detail)
            if isinstance(part, Media):
                total += TYPICAL_MEDIA
    if request.tools:
        total += family.tools + sum(8 for _ in request.tools)
    return total


def guess_input(sent: Request | Sequence[str], model: Model | str) -> int:
    """Input tokens of a request, or of texts to be embedded, by their length alone."""
    family = _family(model)
    if not isinstance(sent, Request):
        return guess_output(sum(map(quarters, sent)), model)
    length = sum(map(quarters, _request_texts(sent)))
    return guess_output(length, model) + _beside(sent, family)


def guess_output(length: int, model: Model | str) -> int:
    """Tokens of text of so many `quarters`."""
    return _scaled(-(-length // 4), _family(model), length)


def quarters(text: str) -> int:
    """The length of a text in quarters of a token, to be summed before it is rounded.

    Four characters of ASCII are taken for a token, and three bytes of anything else: a Chinese
    character is about one, a Greek or Cyrillic letter less.
    """
    if text.isascii():
        return len(text)
    plain = len(text.encode("ascii", "ignore"))
    return plain + (_bytes(text) - plain) * 4 // 3


def count_method(model: Model | str) -> str:
    """How a model's tokens are counted, such as ``o200k_base`` or ``o200k_base x 1.2``."""
    return _family(model).method


def _family(model: Model | str) -> Family:
    return family_of(model if isinstance(model, str) else model.id)


def _scaled(tokens: int, family: Family, most: int) -> int:
    """The family's tokens: its factor may not lift them above the bytes of the text."""
    return min(most, -(-tokens * family.percent // 100))


def _parts(message: Message) -> tuple[Part, ...]:
    return (Text(text=message.content),) if isinstance(message.content, str) else message.content


def _images(part: Part) -> tuple[Image, ...]:
    if isinstance(part, ToolResult):
        return part.images
    return (part,) if isinstance(part, Image) else ()


def _request_texts(request: Request) -> Iterator[str]:
    for message in request.messages:
        if message.name:
            yield message.name
        for part in _parts(message):
            yield from _texts(part)
    for tool in request.tools:
        yield tool.name
        yield tool.description
        yield msgspec.json.encode(tool.parameters).decode()
    if request.schema is not None:
        yield msgspec.json.encode(request.schema.schema).decode()


def _texts(part: Part) -> Iterator[str]:
    match part:
        case Text():
            yield part.text
        case ToolCall():
            yield part.name
            yield part.arguments
        case ToolResult():
            yield part.text
        case Reasoning():
            yield part.text or part.redacted or ""
        case _:
            return
