"""Requests to Google that make no sense, keys and places that are wrong, and JSON arrays."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator

from .conftest import WEATHER
from .raw import post

Rows = Callable[[], list[dict[str, Any]]]
USER = {"role": "user", "parts": [{"text": "Hi"}]}
CALL = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]}
FUNCTION = {"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}
PATH = "/gemini/v1beta/models/{}:generateContent"


def config(**given: Any) -> dict[str, Any]:
    return {"generationConfig": given}


def schema(body: Any, mime: str = "application/json") -> dict[str, Any]:
    return config(responseMimeType=mime, responseSchema=body)


def tools(*functions: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": list(functions)}]}


def mode(name: str, *allowed: str) -> dict[str, Any]:
    choice = {"mode": name, "allowedFunctionNames": list(allowed)}
    return {"toolConfig": {"functionCallingConfig": choice}}


def contents(*turns: Any) -> dict[str, Any]:
    return {"contents": list(turns)}


def part(**given: Any) -> dict[str, Any]:
    return contents({"role": "user", "parts": [given]})


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown name": ({"messages": []}, 'Unknown name "messages": Cannot find field'),
    "unknown inner name": (config(max_tokens=5), "at 'generation_config': Cannot find field"),
    "wrong type": (config(temperature="hot"), "'generation_config.temperature' (TYPE_DOUBLE)"),
    "not a message": ({"generationConfig": [1]}, "(TYPE_MESSAGE)"),
    "too hot": (config(temperature=3), "temperature value of 3"),
    "too many tokens": (config(maxOutputTokens=10**7), "maxOutputTokens value"),
    "no tokens": (config(maxOutputTokens=0), "maxOutputTokens value"),
    "many stops": (config(stopSequences=list("abcdef")), "At most 5 stop sequences"),
    "no contents": (contents(), "contents is not specified"),
    "unknown role": (contents({"role": "bot", "parts": [{"text": "x"}]}), "valid role"),
    "no parts": (contents({"role": "user", "parts": []}), "must not be empty"),
    "empty part": (part(), "must have one initialized field"),
    "two in one part": (part(text="x", functionCall={"name": "f"}), "one initialized field"),
    "bad base64": (part(inlineData={"mimeType": "image/png", "data": "?"}), "Base64 decoding"),
    "not an image": (part(inlineData={"mimeType": "image/png", "data": "aGk="}), "input image"),
    "image nowhere": (
        part(fileData={"mimeType": "image/png", "fileUri": "https://x.invalid/a"}),
        "Cannot fetch",
    ),
    "odd media": (part(inlineData={"mimeType": "model/x", "data": ""}), "Unsupported MIME"),
    "call by the user": (part(functionCall={"name": "f"}), "role model"),
    "result without call": (contents(USER, RESULT), "immediately after a function call turn"),
    "call first": (contents(CALL, RESULT), "immediately after a user turn"),
    "call unanswered": (contents(USER, CALL, USER), "number of function response parts"),
    "result is no object": (
        part(functionResponse={"name": "f", "response": "3"}),
        "google.protobuf.Struct",
    ),
    "name of a tool": (tools({"name": "2 x"}), "Invalid function name"),
    "two of a name": (tools(FUNCTION, FUNCTION), "Duplicate function declaration"),
    "schema of a tool": (
        tools({"name": "f", "parameters": {"type": "STRING"}}),
        "should be of type OBJECT",
    ),
    "type of a schema": (tools({"name": "f", "parameters": {"type": "DICT"}}), "(Type)"),
    "closed schema": (
        tools({"name": "f", "parameters": {"type": "OBJECT", "additionalProperties": False}}),
        "additionalProperties",
    ),
    "two schemas": (
        tools({"name": "f", "parameters": {}, "parametersJsonSchema": {}}),
        "mutually exclusive",
    ),
    "unknown mode": (mode("MAYBE"), "(Mode)"),
    "names in auto": (tools(FUNCTION) | mode("AUTO", "f"), "only set allowed_function_names"),
    "unknown name in any": (tools(FUNCTION) | mode("ANY", "g"), "not a declared function"),
    "any without tools": (mode("ANY"), "without function_declarations"),
    "mime": (config(responseMimeType="text/html"), "Unsupported response mime type"),
    "schema of text": (schema({"type": "OBJECT"}, "text/plain"), "text/plain"),
    "both schemas": (
        config(
            responseMimeType="application/json",
            responseSchema={"type": "OBJECT"},
            responseJsonSchema=WEATHER,
        ),
        "Only one of",
    ),
    "budget and level": (
        config(thinkingConfig={"thinkingBudget": 5, "thinkingLevel": "LOW"}),
        "only set one of",
    ),
    "level": (config(thinkingConfig={"thinkingLevel": "WILD"}), "thinking_level"),
    "budget": (config(thinkingConfig={"thinkingBudget": -7}), "thinking budget -7"),
    "tier": ({"serviceTier": "gold"}, "service_tier"),
    "system without text": ({"systemInstruction": {"parts": [{}]}}, "text parts"),
}


@pytest.mark.parametrize("case", CASES)
async def test_refused(sim: Simulator, key: str, rows: Rows, case: str) -> None:
    given, words = CASES[case]
    body = contents(USER) | given
    seen = await post(sim, PATH.format("sim-chat"), body, key)
    error = json.loads(seen.body)["error"]
    assert (seen.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert words in error["message"]
    assert [row["cost_pico"] for row in rows()] == [0]


@pytest.mark.parametrize(
    "model, given, words",
    [
        ("gemini-2.5-pro", config(thinkingConfig={"thinkingBudget": 0}), "only works in thinking"),
        ("gemini-2.0-flash", config(thinkingConfig={"thinkingBudget": 9}), "not enabled"),
        (
            "gemini-2.5-flash",
            tools(FUNCTION) | config(responseMimeType="application/json"),
            "is unsupported",
        ),
        ("gemini-2.5-flash", contents(USER, {"role": "model", "parts": [{"text": "A"}]}), "end"),
        ("fb-s12-context-length", {}, "input token count"),
        ("sim-chat", contents({"parts": [{"text": "a1" * 101_000}]}), "exceeds the maximum"),
    ],
)
async def test_what_a_model_does_not_take(
    sim: Simulator, key: str, model: str, given: Any, words: str
) -> None:
    seen = await post(sim, PATH.format(model), contents(USER) | given, key)
    assert seen.status == 400
    assert words in json.loads(seen.body)["error"]["message"]


async def test_snake_case_and_numbers_as_text(sim: Simulator, key: str) -> None:
    body = {
        "contents": {"parts": [{"text": "Hi"}]},
        "system_instruction": {"parts": {"text": "Be brief."}},
        "generation_config": {"max_output_tokens": "5", "top_k": 5.0, "candidate_count": 1.0},
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": WEATHER}]}],
        "tool_config": {"function_calling_config": {"mode": "none"}},
    }
    seen = await post(sim, PATH.format("sim-chat"), body, key)
    reply = json.loads(seen.body)
    assert reply["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert reply["usageMetadata"]["candidatesTokenCount"] == 5


async def test_keys(sim: Simulator, key: str) -> None:
    path, ask, none = PATH.format("sim-chat"), contents(USER), {"Authorization": ""}
    no_key = await post(sim, path, ask, key, headers=none)
    assert (no_key.status, json.loads(no_key.body)["error"]["status"]) == (403, "PERMISSION_DENIED")
    for headers, query in (({"x-goog-api-key": key}, ""), ({}, f"?key={key}"), ({}, "")):
        seen = await post(sim, path + query, ask, key, headers=headers and none | headers)
        assert seen.status == 200
    bad = await post(sim, path, ask, "bad", headers=none | {"x-goog-api-key": "bad"})
    detail = json.loads(bad.body)["error"]["details"][0]
    assert (bad.status, detail["reason"]) == (400, "API_KEY_INVALID")
    assert b"retry-after" not in bad.head.lower().encode()


def vertex(project: str = "p", location: str = "us-central1", model: str = "sim-chat") -> str:
    place = f"projects/{project}/locations/{location}/publishers/google"
    return f"/v1/{place}/models/{model}:generateContent"


@pytest.mark.parametrize(
    "path, key, code, words",
    [
        (vertex(), "bad", 401, "invalid authentication credentials"),
        (vertex(project="x-without-billing"), "t", 403, "requires billing to be enabled"),
        (vertex(location="mars"), "t", 400, "Unsupported region"),
        (vertex(model="gemini-9"), "t", 404, "Publisher Model `projects/p/"),
        (vertex(model="claude-opus-5"), "t", 404, "was not found"),
        (vertex(model="sim-only-europe-west4"), "t", 404, "was not found"),
        (vertex(model="sim-only-europe-west4", location="europe-west4"), "t", 200, ""),
        (vertex(model="gemini-embedding-001"), "t", 404, "was not found"),
        (vertex(location="global"), "t", 200, ""),
        (PATH.format("gemini-9"), "t", 404, "API version v1beta"),
        (PATH.format("sim-chat").replace("generate", "imagine"), "t", 404, "Not Found"),
        (PATH.format("sim-chat").replace("generateContent", "predict"), "t", 404, "Not Found"),
    ],
)
async def test_places(sim: Simulator, path: str, key: str, code: int, words: str) -> None:
    seen = await post(sim, path, contents(USER), key)
    assert seen.status == code
    if code != 200:
        error = json.loads(seen.body)["error"]
        assert words in error["message"]
        assert error["code"] == code


async def test_streams_without_sse_are_one_array(sim: Simulator, key: str) -> None:
    path = PATH.format("{}").replace("generateContent", "streamGenerateContent")
    seen = await post(sim, path.format("sim-chat"), contents(USER), key)
    pieces = json.loads(seen.body)
    assert (seen.header("content-type") or "").startswith("application/json")
    assert len(pieces) > 5
    assert pieces[-1]["candidates"][0]["finishReason"] == "STOP"
    refused = await post(sim, path.format("nobody"), contents(USER), key)
    assert [piece["error"]["code"] for piece in json.loads(refused.body)] == [404]
    for fault, number in (("error-first", 1), ("error-mid,after=2", 3)):
        broken = await post(sim, path.format(f"sim-chat+fault={fault}"), contents(USER), key)
        pieces = json.loads(broken.body)
        assert (len(pieces), pieces[-1]["error"]["status"]) == (number, "UNAVAILABLE")
    cut = await post(sim, path.format("sim-chat+fault=cut-clean,after=2"), contents(USER), key)
    assert len(json.loads(cut.body + b"]")) == 2
    lines = await post(sim, path.format("sim-chat") + "?alt=sse", contents(USER), key)
    assert b"\r\n\r\n" in lines.body


def embed(**given: Any) -> dict[str, Any]:
    request = {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": "a"}]}}
    return {"requests": [request | given]}


@pytest.mark.parametrize(
    "body, words",
    [
        ({"requests": []}, "requests is not specified"),
        (embed(content={"parts": [{"text": ""}]}), "empty Part"),
        (embed(outputDimensionality=9999), "output_dimensionality"),
        (embed(taskType="FUN"), "task_type"),
        (embed(model="models/other"), "must be the same"),
        ({"requests": embed()["requests"] * 101}, "at most 100"),
    ],
)
async def test_embeddings_refused(sim: Simulator, key: str, body: Any, words: str) -> None:
    path = "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    seen = await post(sim, path, body, key)
    assert (seen.status, words in json.loads(seen.body)["error"]["message"]) == (400, True)


def get(sim: Simulator, path: str, **headers: str) -> Any:
    request = urllib.request.Request(sim.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.load(error)


def test_lists_of_models_on_shared_paths(sim: Simulator) -> None:
    key = {"x-goog-api-key": "k"}
    assert "models" in get(sim, "/v1/models", **key)
    assert "models" in get(sim, "/v1/models?key=k")
    assert "models" in get(sim, "/v1beta/models", **key)
    assert "data" in get(sim, "/v1/models", Authorization="Bearer k")
    assert get(sim, "/v1beta/models?pageToken=zz", **key)["error"]["status"] == "INVALID_ARGUMENT"
    assert get(sim, "/v1beta/models?pageSize=x", **key)["error"]["status"] == "INVALID_ARGUMENT"
    assert get(sim, "/v1beta/models/gemini-9", **key)["error"]["status"] == "NOT_FOUND"
    assert get(sim, "/gemini/v1beta/nothing", **key)["error"]["status"] == "NOT_FOUND"
    page = get(sim, "/vertex/v1beta1/publishers/google/models?pageSize=2", Authorization="Bearer k")
    assert (len(page["publisherModels"]), "nextPageToken" in page) == (2, True)
