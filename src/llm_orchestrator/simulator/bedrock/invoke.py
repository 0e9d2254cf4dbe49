"""POST /model/{id}/invoke with embedding models: each family has a body of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.bedrock.converse import Converse
from llm_orchestrator.simulator.bedrock.errors import invalid
from llm_orchestrator.simulator.bedrock.service import find, region_of
from llm_orchestrator.simulator.caches import CacheUse
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.vectors import embed
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_TITAN: Final = {"inputText", "dimensions", "normalize", "embeddingTypes"}
_COHERE: Final = {
    "texts",
    "input_type",
    "truncate",
    "embedding_types",
    "output_dimension",
    "max_tokens",
}
_INPUTS: Final = ("search_document", "search_query", "classification", "clustering")
_MOST: Final = 96


class Invoke(Converse):
    """InvokeModel for the embedding models of Titan and Cohere."""

    name = "bedrock.invoke"

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        model = find(str(body.pop("model")), region_of(headers), world)
        if model.mode != "embedding":
            raise invalid("Malformed input request, please reformat your input and try again.")
        texts, size, types = _cohere(body) if _is_cohere(model, body) else _titan(body, model)
        return Ask(
            model=model,
            segments=[Segment(text, tokens.count(text)) for text in texts],
            inputs=texts,
            choices=0,
            options={
                "dimensions": size or model.dimensions,
                "types": types,
                "cohere": _is_cohere(model, body),
            },
        )

    def unpack(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        return super().unpack({k: v for k, v in body.items() if k != "model"}, request)

    def cached(self, world: World, account: str, ask: Ask) -> CacheUse:
        del world, account, ask
        return CacheUse()

    def reply_headers(self, reply: Reply) -> dict[str, str]:
        """The tokens are in headers, whatever the family."""
        return {
            "X-Amzn-Bedrock-Input-Token-Count": str(reply.usage.input_tokens),
            "X-Amzn-Bedrock-Invocation-Latency": "40",
        }

    def plain(self, reply: Reply) -> Any:
        ask = reply.ask
        vectors = [embed(text, ask.options["dimensions"]) for text in ask.inputs]
        types = ask.options["types"]
        if not ask.options["cohere"]:
            body: dict[str, Any] = {"embedding": vectors[0]}
            body["inputTextTokenCount"] = reply.usage.input_tokens
            return body | {"embeddingsByType": {"float": vectors[0]}}
        body = {"id": reply.world.id("", 24, reply.number), "texts": ask.inputs}
        if types:
            return body | {"embeddings": {"float": vectors}, "response_type": "embeddings_by_type"}
        return body | {"embeddings": vectors, "response_type": "embeddings_floats"}

    def frames(self, reply: Reply) -> Iterator[Frame]:
        raise NotImplementedError  # embeddings are never streamed


def _is_cohere(model: Model, body: Mapping[str, Any]) -> bool:
    """Models of the simulator take the body of either family."""
    return "cohere." in model.id or (model.simulated and "texts" in body)


def _known(body: Mapping[str, Any], names: set[str]) -> None:
    strange = set(body) - names
    if strange:
        raise invalid(
            f"Malformed input request: #: extraneous key [{min(strange)}] is not permitted, please "
            "reformat your input and try again."
        )


def _titan(body: Mapping[str, Any], model: Model) -> tuple[list[str], int | None, list[str]]:
    _known(body, _TITAN)
    text, size = body.get("inputText"), body.get("dimensions")
    if not isinstance(text, str) or not text:
        raise invalid("Malformed input request: #/inputText: expected minLength: 1, actual: 0.")
    allowed = (256, 512, 1024, model.dimensions)
    if size is not None and size not in allowed:
        raise invalid(f"Malformed input request: #/dimensions: {size} is not a valid enum value.")
    types = body.get("embeddingTypes") or ["float"]
    if types != ["float"]:
        raise invalid("Malformed input request: #/embeddingTypes: only float is simulated.")
    return [text], size, types


def _cohere(body: Mapping[str, Any]) -> tuple[list[str], int | None, list[str]]:
    _known(body, _COHERE)
    texts, kind = body.get("texts"), body.get("input_type")
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise invalid("Malformed input request: #/texts: expected a list of texts.")
    if len(texts) > _MOST:
        raise invalid(f"Malformed input request: #/texts: expected maxItems: {_MOST}.")
    if kind not in _INPUTS:
        raise invalid(f"Malformed input request: #/input_type: {kind} is not a valid enum value.")
    types = body.get("embedding_types") or []
    if not isinstance(types, list) or set(types) - {"float"}:
        raise invalid("Malformed input request: #/embedding_types: only float is simulated.")
    return texts, body.get("output_dimension"), types
