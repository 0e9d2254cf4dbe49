"""POST /v2/embed."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.cohere.chat import Chat
from llm_orchestrator.simulator.cohere.errors import invalid
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.vectors import embed
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_KNOWN: Final = frozenset(
    "model texts images inputs input_type embedding_types output_dimension max_tokens truncate "
    "priority".split()
)
_INPUTS: Final = ("search_document", "search_query", "classification", "clustering", "image")
_TYPES: Final = ("float", "int8", "uint8", "base64")
_MOST: Final = 96


class Embed(Chat):
    """Vectors of texts."""

    name = "cohere.embed"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        model = self.model(body, world, embeds=True)
        for name in body:
            if name not in _KNOWN:
                raise invalid(f"unknown field: parameter '{name}' is not a valid field")
        if body.get("input_type") not in _INPUTS:
            raise invalid(f"input_type must be one of {', '.join(_INPUTS)}.")
        if body.get("truncate") not in (None, "NONE", "START", "END"):
            raise invalid("truncate must be one of NONE, START, END.")
        texts = _texts(body)
        if len(texts) > _MOST:
            raise invalid(f"total number of texts must be at most {_MOST} - received {len(texts)}.")
        types = body.get("embedding_types") or ["float"]
        if not isinstance(types, list) or not all(kind in _TYPES for kind in types):
            raise invalid(f"embedding_types must be some of {', '.join(_TYPES)}.")
        size = body.get("output_dimension", model.dimensions)
        if not isinstance(size, int) or not 1 <= size <= model.dimensions:
            raise invalid(f"output_dimension must be at most {model.dimensions}.")
        return Ask(
            model=model,
            segments=[Segment(text, tokens.count(text)) for text in texts],
            inputs=texts,
            choices=0,
            options={"dimensions": size, "types": types, "texts": body.get("texts")},
        )

    def plain(self, reply: Reply) -> Any:
        ask = reply.ask
        vectors = [embed(text, ask.options["dimensions"]) for text in ask.inputs]
        made = {kind: [_as(kind, v) for v in vectors] for kind in ask.options["types"]}
        meta = {
            "api_version": {"version": "2"},
            "billed_units": {"input_tokens": reply.usage.input_tokens},
        }
        return {
            "id": self.request_id(reply.world, reply.number),
            "embeddings": made,
            "texts": ask.options["texts"] or [],
            "meta": meta,
            "response_type": "embeddings_by_type",
        }

    def frames(self, reply: Reply) -> Iterator[Frame]:
        raise NotImplementedError  # embeddings are never streamed


def _as(kind: str, vector: list[float]) -> Any:
    if kind == "int8":
        return [round(value * 127) for value in vector]
    if kind == "uint8":
        return [round(value * 127) + 128 for value in vector]
    if kind == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector


def _texts(body: Mapping[str, Any]) -> list[str]:
    texts, inputs = body.get("texts"), body.get("inputs")
    if (texts is None) is (inputs is None):
        raise invalid("exactly one of texts and inputs is required.")
    if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
        return texts
    found = []
    for item in inputs if isinstance(inputs, list) else []:
        content = item.get("content") if isinstance(item, dict) else None
        parts = content if isinstance(content, list) else []
        said = [part.get("text") for part in parts if isinstance(part, dict)]
        if not said or not all(isinstance(text, str) for text in said):
            raise invalid("inputs must be a list of objects with content of text parts.")
        found.append("\n".join(str(text) for text in said))
    if not found:
        raise invalid("texts must be a list of at least one text.")
    return found
