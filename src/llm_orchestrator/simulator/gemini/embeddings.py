"""Embeddings: embedContent and batchEmbedContents, and predict of Vertex AI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Ask, Segment
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.gemini import contents, shape
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.generate import Generate
from llm_orchestrator.simulator.gemini.place import Place
from llm_orchestrator.simulator.jsonschema import word
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.vectors import embed
from llm_orchestrator.simulator.wire import Reply
from llm_orchestrator.simulator.world import World

_MOST = {"batchEmbedContents": 100, "predict": 250, "embedContent": 1}
_TASKS = frozenset(
    "RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING "
    "QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY".split()
)


class Embed(Generate):
    """One method that embeds: "embedContent", "batchEmbedContents" or "predict"."""

    def __init__(self, place: Place, method: str) -> None:
        super().__init__(place)
        self.name = f"{place.provider}.embeddings"
        self._method = method

    def parse(self, body: dict[str, Any], headers: Mapping[str, str], world: World) -> Ask:
        del headers
        model = self.model(body, world, self._method)
        texts, options = self._read(body, model)
        if not texts:
            raise invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n")
        if len(texts) > _MOST[self._method]:
            most = _MOST[self._method]
            raise invalid(f"at most {most} requests can be in one batch; got {len(texts)}.")
        if not all(texts):
            raise invalid("content contains an empty Part.")
        size = options.get("outputDimensionality", model.dimensions)
        if not isinstance(size, int) or not 1 <= size <= model.dimensions:
            raise invalid(
                f"output_dimensionality must be between 1 and {model.dimensions}; got {size}."
            )
        task = options.get("taskType")
        if task is not None and word(task) not in _TASKS:
            raise invalid(f"Invalid value at 'task_type' (TaskType), \"{task}\"")
        return Ask(
            model=model,
            segments=[Segment(text, tokens.count(text)) for text in texts],
            inputs=texts,
            choices=0,
            options={"dimensions": size},
        )

    def _read(self, body: dict[str, Any], model: Model) -> tuple[list[str], dict[str, Any]]:
        """The texts, and the options of the first of them."""
        if self._method == "predict":
            body = shape.read(body, shape.PREDICT)
            instances = body.get("instances")
            if not isinstance(instances, list) or not all(isinstance(i, dict) for i in instances):
                raise invalid("Invalid instances: a list of objects is required.")
            first = instances[0] if instances else {}
            options = body.get("parameters", {}) | {
                "taskType": first.get("task_type", first.get("taskType"))
            }
            texts = [i.get("content") for i in instances]
            return [text if isinstance(text, str) else "" for text in texts], options
        if self._method == "embedContent":
            requests = [shape.read(body, shape.EMBED)]
        else:
            requests = shape.read(body, shape.BATCH_EMBED).get("requests", [])
            named = {r.get("model") for r in requests}
            if named - {f"models/{body['model']}"}:
                raise invalid("* BatchEmbedContentsRequest.requests: all models must be the same.")
        texts = [contents.text_of(request.get("content", {}), model) for request in requests]
        first = requests[0] if requests else {}
        return texts, first | first.get("embedContentConfig", first.get("embedConfig", {}))

    def plain(self, reply: Reply) -> Any:
        ask = reply.ask
        vectors = [embed(text, ask.options["dimensions"]) for text in ask.inputs]
        if self._method == "predict":
            counted = zip(vectors, ask.segments, strict=True)
            predictions = [
                {"embeddings": {"values": vector, "statistics": _statistics(segment)}}
                for vector, segment in counted
            ]
            size = sum(len(text) for text in ask.inputs)
            return {"predictions": predictions, "metadata": {"billableCharacterCount": size}}
        spent = reply.usage.input_tokens
        counts = {
            "promptTokenCount": spent,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": spent}],
        }
        if self._method == "embedContent":
            body: dict[str, Any] = {"embedding": {"values": vectors[0]}, "usageMetadata": counts}
            return body | ({"truncated": False} if self.provider == "vertex" else {})
        return {"embeddings": [{"values": v} for v in vectors], "usageMetadata": counts}

    def frames(self, reply: Reply) -> Iterator[Frame]:
        raise NotImplementedError  # embeddings are never streamed


def _statistics(segment: Segment) -> dict[str, Any]:
    return {"truncated": False, "token_count": segment.tokens}
