"""Addresses, embeddings, counts and lists of models, in the shapes of AI Studio and of Vertex."""

import json
from typing import Any

import pytest

from llm_orchestrator.dialects import gemini
from llm_orchestrator.errors import BadReplyError, UnsupportedError
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request, Tool
from llm_orchestrator.types.usage import Usage
from tests.unit.dialects import targets

HI = (Message("user", "Hi"),)
TOOL = Tool("f", "does", {"type": "object", "properties": {"x": {"type": "integer"}}})
ANY = targets.gemini(id="gemini-3.8-flash")


def asked(**fields: Any) -> Request:
    everything: dict[str, Any] = {"messages": HI} | fields
    return Request(**everything)


VERTEX: dict[str, Any] = {
    "chat_path": "/projects/p/locations/l/publishers/google/models/{model}:{method}",
    "models_path": "/publishers/google/models",
    "embed_method": "predict",
    "flat_count": True,
}
BASE = "https://generativelanguage.googleapis.com/v1"


@pytest.mark.parametrize(
    "id,path",
    [
        ("gemini-x", "gemini-x"),
        ("models/gemini-x", "gemini-x"),
        ("../a?b#c", "..%2Fa%3Fb%23c"),
        ("claude-x@2025", "claude-x@2025"),
    ],
)
def test_the_model_is_in_the_address(id: str, path: str) -> None:
    target = targets.gemini(id=id)
    assert gemini.encode(asked(), target).url == f"{BASE}/models/{path}:generateContent"
    stream = gemini.encode(asked(stream=True), target)
    assert stream.url == f"{BASE}/models/{path}:streamGenerateContent?alt=sse"
    there = gemini.encode(asked(), targets.gemini(id=id, **VERTEX))
    assert there.url.endswith(
        f"/v1/projects/p/locations/l/publishers/google/models/{path}:generateContent"
    )


def test_pages_of_models() -> None:
    provider = ANY.provider
    assert gemini.list_models(provider, "a/b").url == f"{BASE}/models?pageSize=100&pageToken=a%2Fb"


def test_a_count_covers_all_that_is_input() -> None:
    request = asked(messages=(Message("system", "s"), *HI), tools=(TOOL,), max_tokens=9)
    wrapped = json.loads(gemini.encode_count(request, ANY).body)["generateContentRequest"]
    assert wrapped["model"] == "models/gemini-3.8-flash"
    flat = json.loads(gemini.encode_count(request, targets.gemini(**VERTEX)).body)
    assert flat.keys() == {"contents", "systemInstruction", "tools"}
    assert flat == {name: value for name, value in wrapped.items() if name != "model"}


def embedded(texts: list[str], target: Candidate, dimensions: int | None = None) -> Any:
    call = gemini.encode_embeddings(texts, target, dimensions)
    return call.url.rpartition(":")[2], json.loads(call.body)


def test_embeddings_by_each_method() -> None:
    name = "gemini-embedding-001"
    one = {
        "model": f"models/{name}",
        "content": {"parts": [{"text": "a"}]},
        "outputDimensionality": 8,
    }
    assert embedded(["a"], targets.gemini(id=name), 8) == (
        "batchEmbedContents",
        {"requests": [one]},
    )
    vertex = targets.gemini(id=name, **VERTEX)
    assert embedded(["a", "b"], vertex, 8) == (
        "predict",
        {
            "instances": [{"content": "a"}, {"content": "b"}],
            "parameters": {"outputDimensionality": 8},
        },
    )
    newer = targets.gemini(id="gemini-embedding-2", **VERTEX)
    assert embedded(["a"], newer, 8) == (
        "embedContent",
        {
            "content": {"parts": [{"text": "a"}]},
            "embedContentConfig": {"outputDimensionality": 8},
        },
    )
    with pytest.raises(UnsupportedError, match="more than one text"):
        embedded(["a", "b"], newer)
    with pytest.raises(UnsupportedError, match="embeddings"):
        embedded(["a"], targets.gemini("tools"))


# ------------------------------------------------------------------ what comes back


def test_vectors_of_each_method() -> None:
    batch = targets.reply(200, '{"embeddings":[{"values":[0.5,1]},{"values":[2,3]}]}')
    vectors, response = gemini.decode_embeddings(batch, ANY)
    assert vectors == [[0.5, 1], [2, 3]]
    assert response.usage is None  # unknown, not zero
    one = '{"embedding":{"values":[1,2]},"usageMetadata":{"promptTokenCount":7}}'
    vectors, response = gemini.decode_embeddings(targets.reply(200, one), ANY)
    assert (vectors, response.usage) == ([[1, 2]], Usage(7))


@pytest.mark.parametrize("count,usage", [("3", Usage(7)), ("null", None)])
def test_vectors_of_predictions_are_counted_when_all_counts_are_there(
    count: str, usage: Usage | None
) -> None:
    body = (
        '{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":4}}},'
        f'{{"embeddings":{{"values":[2],"statistics":{{"token_count":{count}}}}}}}]}}'
    )
    vectors, response = gemini.decode_embeddings(targets.reply(200, body), ANY)
    assert (vectors, response.usage) == ([[1], [2]], usage)


@pytest.mark.parametrize("body", ["{}", '{"embeddings":[]}', "<html>", '{"embeddings":[{}]}'])
def test_no_vectors(body: str) -> None:
    with pytest.raises(BadReplyError):
        gemini.decode_embeddings(targets.reply(200, body), ANY)


def test_models_of_both_lists() -> None:
    body = {
        "models": [
            {
                "name": "models/gemini-x",
                "inputTokenLimit": 100,
                "outputTokenLimit": 10,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            },
            {"name": "models/e-1", "supportedGenerationMethods": ["embedContent"]},
        ],
        "nextPageToken": "t",
    }
    found, page = gemini.read_models(targets.reply(200, json.dumps(body)), ANY.provider)
    assert [(one.id, one.context, one.max_output, one.mode) for one in found] == [
        ("gemini-x", 100, 10, "chat"),
        ("e-1", None, None, "embedding"),
    ]
    assert page == "t"
    last = '{"publisherModels":[{"name":"publishers/google/models/gemini-y"}],"nextPageToken":""}'
    found, page = gemini.read_models(targets.reply(200, last), ANY.provider)
    assert ([one.id for one in found], page) == (["gemini-y"], None)
    assert gemini.read_models(targets.reply(200, "{}"), ANY.provider) == ([], None)
    with pytest.raises(BadReplyError):
        gemini.read_models(targets.reply(200, "[]"), ANY.provider)


def test_the_number_of_a_count() -> None:
    assert gemini.decode_count(targets.reply(200, '{"totalTokens":31}'), ANY) == 31
    with pytest.raises(BadReplyError):
        gemini.decode_count(targets.reply(200, "{}"), ANY)
