"""From a `Request` to the body of Converse and CountTokens."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from llm_orchestrator.dialects.base import Notices, unsupported
from llm_orchestrator.dialects.bedrock.effort import more, think
from llm_orchestrator.dialects.bedrock.families import Family, family_of, without_region
from llm_orchestrator.dialects.bedrock.messages import Block, Writer
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Request, Tool, ToolCall, ToolChoice, ToolResult

JSON = {"Content-Type": "application/json"}

_encode_json = msgspec.json.Encoder().encode
_NO_FIELD = ("seed", "frequency_penalty", "presence_penalty", "user")
_SAMPLING = ("temperature", "top_p", "top_k")
_MODES = {"auto": "auto", "required": "any"}
_TIERS = {"auto": "default", "standard": "default", "standard_only": "default"}
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def encode(request: Request, target: Candidate) -> HTTPCall:
    """The request as one POST to ``/model/{id}/converse`` or ``.../converse-stream``."""
    notices = Notices(request, target)
    family = family_of(target.model.id)
    body = _prompt(request, target, family, notices)
    limits: dict[str, Any] = {}
    if request.max_tokens is not None:
        limits["maxTokens"] = request.max_tokens
    if request.stop:
        limits["stopSequences"] = list(request.stop)
    if limits:
        body["inferenceConfig"] = limits
    thinks = think(body, request, target, family, notices)
    _sampling(body, request, target, family, notices, thinks=thinks)
    if request.service_tier:
        tier = _TIERS.get(request.service_tier, request.service_tier)
        body["serviceTier"] = {"type": tier}
    for name in _NO_FIELD:
        if getattr(request, name) is not None:
            notices.drop(name)
    for name, value in request.extra.items():
        ours = body.get(name)
        body[name] = ours | value if isinstance(ours, dict) and isinstance(value, dict) else value
    path = "converse-stream" if request.stream else "converse"
    url = model_url(target, target.model.id, path)
    return HTTPCall(url, _encode_json(body), JSON, notices=tuple(notices))


def model_url(target: Candidate, model_id: str, path: str) -> str:
    """The address of an operation on a model, whose id may be an ARN with slashes and colons."""
    return f"{target.provider.base_url}/model/{quote(model_id, safe='')}/{path}"


def encode_count(request: Request, target: Candidate) -> HTTPCall:
    """``POST /model/{id}/count-tokens``: asked of the model itself, never of a profile."""
    model_id = without_region(target.model.id)
    if target.model.id.startswith("arn:") and "." not in model_id:
        raise unsupported("counting the tokens of an application inference profile", target)
    prompt = _prompt(request, target, family_of(target.model.id), Notices(request, target))
    prompt.pop("outputConfig", None)
    body = {"input": {"converse": prompt}}
    return HTTPCall(model_url(target, model_id, "count-tokens"), _encode_json(body), JSON)


def _prompt(
    request: Request, target: Candidate, family: Family, notices: Notices
) -> dict[str, Any]:
    """The fields that count as input: messages, system, tools and schema."""
    writer = Writer(target, family, notices)
    body: dict[str, Any] = {"messages": writer.messages(request.messages)}
    system = writer.system(request.messages)
    if request.schema:
        if target.can("schema"):
            definition = {
                "schema": _encode_json(request.schema.schema).decode(),
                "name": request.schema.name,
            }
            form = {"type": "json_schema", "structure": {"jsonSchema": definition}}
            body["outputConfig"] = {"textFormat": form}
        else:
            notices.drop("the output schema", "is asked for in the prompt: no schema mode here")
            text = _encode_json(request.schema.schema).decode()
            system.append({"text": f"Answer with JSON only, by this JSON schema: {text}"})
    if system:
        body["system"] = system
    if tools := _tools(request, target, family, writer, notices):
        body["toolConfig"] = tools
    return body


def _tools(
    request: Request, target: Candidate, family: Family, writer: Writer, notices: Notices
) -> Block:
    """The tools and how they are chosen; also those of earlier turns, which must be declared."""
    earlier = _earlier_tools(request)
    declared = request.tools
    if not declared and earlier:
        declared = tuple(Tool(name) for name in earlier)
        notices.drop("the tools of earlier turns", "were declared again: this wire wants them")
    if not declared:
        return {}
    if not target.can("tools"):
        raise unsupported("tools are not supported by this model", target)
    choice = request.tool_choice
    if choice and choice.mode == "none" and not choice.name and not earlier:
        return {}  # there is no such word, but nothing can be called that is not there
    if request.parallel_tool_calls is False:
        notices.drop("parallel_tool_calls", "cannot be switched off on this wire")
    specs: list[Block] = []
    strict = target.can("schema")
    for tool in declared:
        specs.append({"toolSpec": _tool(tool, strict=strict)})
        writer.mark(specs, tool.cache, able=family.cache_tools)
    if not strict and any(tool.strict for tool in declared):
        notices.drop("strict", "of a tool is not enforced by this model")
    return {"tools": specs} | _choice(choice, family, notices)


def _choice(choice: ToolChoice | None, family: Family, notices: Notices) -> Block:
    """How tools are chosen, where that is said and the family can be told."""
    if choice is None:
        return {}
    word = "tool" if choice.name else _MODES.get(choice.mode)
    if word is None:
        notices.drop("tool_choice none", "cannot be asked for when earlier turns used tools")
    elif word in family.choices:
        return {"toolChoice": {word: {"name": choice.name} if choice.name else {}}}
    elif word != "auto":
        notices.drop("tool_choice", "cannot be forced on this model")
    return {}


def _tool(tool: Tool, *, strict: bool) -> Block:
    out: Block = {"name": tool.name}
    if tool.description:
        out["description"] = tool.description
    out["inputSchema"] = {"json": tool.parameters or _NO_PARAMETERS}
    if tool.strict and strict:
        out["strict"] = True
    return out


def _earlier_tools(request: Request) -> list[str]:
    """The names of the tools that earlier turns called or answered."""
    names: dict[str, None] = {}
    for message in request.messages:
        if isinstance(message.content, str):
            continue
        for part in message.content:
            if isinstance(part, ToolCall):
                names[part.name] = None
            elif isinstance(part, ToolResult) and not names:
                names["tool"] = None  # its call was cut off: any name will do
    return list(names)


def _sampling(
    body: dict[str, Any],
    request: Request,
    target: Candidate,
    family: Family,
    notices: Notices,
    *,
    thinks: bool,
) -> None:
    asked = {name: getattr(request, name) for name in _SAMPLING}
    asked = {name: value for name, value in asked.items() if value is not None}
    if not asked:
        return
    if thinks or not target.can("sampling"):
        why = "cannot be combined with thinking" if thinks else "is not supported by this model"
        for name in asked:
            notices.drop(name, why)
        return
    limits = body.setdefault("inferenceConfig", {})
    if "temperature" in asked:
        if asked["temperature"] > 1:
            notices.drop("a temperature above 1", "was lowered to 1, the most this wire takes")
        limits["temperature"] = min(asked["temperature"], 1)
    if "top_p" in asked:
        limits["topP"] = asked["top_p"]
    if "top_k" in asked:
        if family.top_k:
            *path, name = family.top_k
            fields = more(body)
            for step in path:
                fields = fields.setdefault(step, {})
            fields[name] = asked["top_k"]
        else:
            notices.drop("top_k", "is not supported by this model")
    if not limits:
        del body["inferenceConfig"]
