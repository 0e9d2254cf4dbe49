"""From a `Request` to the body of generateContent."""

from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import Notices, unsupported
from llm_orchestrator.dialects.gemini.contents import contents, system
from llm_orchestrator.dialects.gemini.thinking import generation, thinking
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request, Tool, ToolChoice

CHAT_PATH = "/models/{model}:{method}"
"""Where a model is asked, below ``base_url``; ``quirks.chat_path`` may say otherwise."""
JSON = {"Content-Type": "application/json"}

encode_json = msgspec.json.Encoder().encode
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_TIERS = frozenset(("standard", "flex", "priority"))
_JSON_WITH_TOOLS = 3
"""The first generation that takes an output schema together with tools."""


def url(target: Candidate, method: str) -> str:
    """The address of a method of the model."""
    provider, model = target.provider, target.model.id.removeprefix("models/")
    path = provider.quirks.chat_path or CHAT_PATH
    path = path.replace("{model}", quote(model, safe="@")).replace("{method}", method)
    return provider.base_url + path


def encode(request: Request, target: Candidate) -> HTTPCall:
    """The request as one POST to ``:generateContent`` or ``:streamGenerateContent``."""
    notices = Notices(request, target)
    body, config = _prompt(request, target, notices)
    _limits(config, request, target, notices)
    thinking(config, request, target, notices)
    if config:
        body["generationConfig"] = config
    if request.service_tier in _TIERS:
        body["serviceTier"] = request.service_tier
    elif request.service_tier:
        notices.drop("service_tier", f"is one of {', '.join(sorted(_TIERS))} here")
    if request.user:
        notices.drop("user", "has no place here")
    for name, value in request.extra.items():
        ours = body.get(name)
        both = isinstance(ours, dict) and isinstance(value, dict)
        body[name] = ours | value if both else value
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return HTTPCall(url(target, method), encode_json(body), JSON, notices=tuple(notices))


def encode_count(request: Request, target: Candidate) -> HTTPCall:
    """``:countTokens``, of all that counts as input."""
    body, _ = _prompt(request, target, Notices(request, target))
    if len(body) > 1 and not target.provider.quirks.flat_count:
        body = {"generateContentRequest": {"model": f"models/{target.model.id}"} | body}
    return HTTPCall(url(target, "countTokens"), encode_json(body), JSON)


def _prompt(
    request: Request, target: Candidate, notices: Notices
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that count as input, and the beginning of ``generationConfig``."""
    config: dict[str, Any] = {}
    rules = system(request.messages)
    if request.schema and not _schema(config, request, target, notices):
        text = encode_json(request.schema.schema).decode()
        rules.append({"text": f"Answer with JSON only, by this JSON schema: {text}"})
    body: dict[str, Any] = {"contents": contents(request.messages, target, notices)}
    if rules:
        if target.can("system"):
            body["systemInstruction"] = {"parts": rules}
        else:
            notices.drop("the system prompt", "is put before the first message: there is no other")
            first = body["contents"][0]
            first["parts"] = rules + first["parts"]
    if request.tools:
        if not target.can("tools"):
            raise unsupported("tools are not supported by this model", target)
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
        if any(tool.strict for tool in request.tools):
            notices.drop("strict", "of a tool is not enforced on this wire")
        if request.tool_choice:
            body["toolConfig"] = {"functionCallingConfig": _tool_choice(request.tool_choice)}
    if request.parallel_tool_calls is False:
        notices.drop("parallel_tool_calls", "cannot be turned off here")
    if any(tool.cache for tool in request.tools):
        notices.drop("a cache marker", "has no meaning here: this provider caches by itself")
    return body, config


def _schema(config: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> bool:
    """Ask for the schema in ``generationConfig``; whether that is possible."""
    assert request.schema is not None  # noqa: S101 - for the type checker: the caller looked
    why = ""
    if not target.can("schema"):
        why = "no schema mode here"
    elif request.tools and generation(target.model.id) < _JSON_WITH_TOOLS:
        why = "no schema mode beside tools in this generation"
    if why:
        notices.drop("the output schema", f"is asked for in the prompt: {why}")
        return False
    config["responseMimeType"] = "application/json"
    config["responseJsonSchema"] = request.schema.schema
    return True


def _limits(config: dict[str, Any], request: Request, target: Candidate, notices: Notices) -> None:
    """Sampling, stop and the like: what the target does not take is dropped and said."""
    refused = target.provider.quirks.unsupported
    if request.max_tokens is not None:
        config["maxOutputTokens"] = request.max_tokens
    for ours, theirs in _SAMPLING.items():
        if (value := getattr(request, ours)) is None:
            continue
        if ours in refused or not target.can("sampling"):
            notices.drop(ours, "is not supported by this model")
        else:
            config[theirs] = value
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.seed is not None:
        config["seed"] = request.seed


def _tool(tool: Tool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool.name}
    if tool.description:
        out["description"] = tool.description
    if tool.parameters:
        out["parametersJsonSchema"] = tool.parameters
    return out


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    if choice.name:
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    return {"mode": _MODES[choice.mode]}
