"""POST /v1/embeddings."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.jsonschema import word
from llm_orchestrator.simulator.openai.chat import OpenAIWire
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.refusal import Refusal
from llm_orchestrator.simulator.vectors import embed
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_MOST = 2048
_LONGEST = 8192
_FIELDS = {"input", "model", "dimensions", "encoding_format", "user"}


class Embeddings(OpenAIWire):
    """Vectors: texts that share words lie close together."""

    name = "openai.embeddings"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        model = self.model(body, world)
        if model.mode != "embedding":
            message = "You are not allowed to generate embeddings from this model"
            raise Refusal(403, message, type="invalid_request_error")
        for name in body:
            if name not in _FIELDS:
                raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        texts, sizes = _inputs(body.get("input"))
        size = body.get("dimensions")
        if size is not None and (not isinstance(size, int) or not 1 <= size <= model.dimensions):
            raise invalid(
                f"Invalid value for 'dimensions' = {size}. Must be between 1 and "
                f"{model.dimensions}.",
                "dimensions",
            )
        coding = word(body.get("encoding_format")) or "float"
        if coding not in {"float", "base64"}:
            raise invalid(
                f"Invalid value: '{coding}'. Supported values are: 'float' and 'base64'.",
                "encoding_format",
                "invalid_value",
            )
        return Ask(
            model=model,
            segments=[Segment(t, n) for t, n in zip(texts, sizes, strict=True)],
            inputs=texts,
            choices=0,
            options={"dimensions": size or model.dimensions, "base64": coding == "base64"},
        )

    def plain(self, reply: Reply) -> dict[str, Any]:
        ask, data = reply.ask, []
        for index, text in enumerate(ask.inputs):
            vector = embed(text, ask.options["dimensions"])
            packed: Any = vector
            if ask.options["base64"]:
                packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
            data.append({"object": "embedding", "index": index, "embedding": packed})
        total = reply.usage.input_tokens
        usage = {"prompt_tokens": total, "total_tokens": total}
        return {"object": "list", "data": data, "model": ask.model.snapshot, "usage": usage}

    def frames(self, reply: Reply) -> Iterator[Frame]:
        raise NotImplementedError  # embeddings are never streamed


def _inputs(given: Any) -> tuple[list[str], list[int]]:
    """The texts and their tokens; arrays of numbers are tokens already."""
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list) and given and all(isinstance(item, int) for item in given):
        given = [given]
    if not isinstance(given, list) or not given:
        raise invalid("'input' must not be empty.", "input", "invalid_value")
    if len(given) > _MOST:
        raise invalid(f"'input' may hold at most {_MOST} entries.", "input", "array_above_max")
    texts, sizes = [], []
    for item in given:
        if isinstance(item, str) and item:
            texts.append(item)
            sizes.append(tokens.count(item))
        elif isinstance(item, list) and item and all(isinstance(part, int) for part in item):
            texts.append(" ".join(map(str, item)))
            sizes.append(len(item))
        else:
            raise invalid("'$.input' is invalid.", "input", "invalid_value")
        if sizes[-1] > _LONGEST:
            raise invalid(
                f"This model's maximum context length is {_LONGEST} tokens, however you requested "
                f"{sizes[-1]} tokens.",
                "input",
                "context_length_exceeded",
            )
    return texts, sizes
