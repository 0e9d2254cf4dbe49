"""The parameters of a chat request: types, ranges, and what a model refuses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from llm_orchestrator.simulator.ask import Schema, Tool
from llm_orchestrator.simulator.jsonschema import problem, word
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai.errors import invalid

KNOWN: Final = frozenset(
    "model messages audio frequency_penalty function_call functions logit_bias logprobs "
    "max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls "
    "prediction presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention "
    "reasoning_effort response_format safety_identifier seed service_tier stop store stream "
    "stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options".split()
)
_RANGES: Final = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
}
_WHOLE: Final = {
    "n": (1, 128),
    "max_tokens": (1, 10**9),
    "max_completion_tokens": (1, 10**9),
    "seed": (-(2**63), 2**63 - 1),
    "top_logprobs": (0, 20),
}
EFFORTS: Final = {
    "none": 0,
    "minimal": 8,
    "low": 48,
    "medium": 128,
    "high": 320,
    "xhigh": 640,
    "max": 1024,
}
"""Typical reasoning tokens of each effort."""


def check(body: Mapping[str, Any], model: Model) -> None:
    """Refuse unknown parameters, wrong types and ranges, and what this model does not take."""
    names(body, KNOWN)
    figures(body)
    _check_reasoning(body, model)


def names(body: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse unknown parameters."""
    for name in body:
        if name not in known:
            raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def figures(body: Mapping[str, Any]) -> None:
    """Refuse wrong types and ranges."""
    for name, (low, high) in (_RANGES | _WHOLE).items():
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise invalid(f"Invalid type for '{name}': expected a number.", name, "invalid_type")
        if name in _WHOLE and not isinstance(value, int):
            raise invalid(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
        if value < low:
            raise invalid(
                f"Invalid '{name}': integer below minimum value. Expected a value >= {low}, but "
                f"got {value} instead.",
                name,
                "integer_below_min_value",
            )
        if value > high:
            raise invalid(
                f"Invalid '{name}': above maximum value. Expected a value <= {high}, but got "
                f"{value} instead.",
                name,
                "integer_above_max_value",
            )
    for name in ("stream", "store", "parallel_tool_calls", "logprobs"):
        if not isinstance(body.get(name), (bool, type(None))):
            raise invalid(f"Invalid type for '{name}': expected a boolean.", name, "invalid_type")
    _check_stop(body.get("stop"))


def _check_stop(stop: Any) -> None:
    marks = [stop] if isinstance(stop, str) else stop
    if marks is None:
        return
    if not isinstance(marks, list) or not all(isinstance(mark, str) for mark in marks):
        raise invalid("Invalid type for 'stop'.", "stop", "invalid_type")
    if len(marks) > 4:
        raise invalid(
            "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an "
            f"array with length {len(marks)} instead.",
            "stop",
            "array_above_max_length",
        )


def _check_reasoning(body: Mapping[str, Any], model: Model) -> None:
    effort = word(body.get("reasoning_effort"))
    if effort is not None and effort not in EFFORTS:
        raise invalid(
            f"Invalid value: '{effort}'. Supported values are: {', '.join(EFFORTS)}.",
            "reasoning_effort",
            "invalid_value",
        )
    if not model.reasons:
        if effort not in {None, "none"} and not model.simulated:
            raise _unsupported("reasoning_effort")
        if model.can("sampling"):
            return
    if body.get("max_tokens") is not None and model.reasons:
        raise invalid(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    free = (effort or model.usual_effort) == "none" and model.can("sampling")
    for name, default in (("temperature", 1), ("top_p", 1)):
        value = body.get(name)
        if value is not None and value != default and not free:
            raise invalid(
                f"Unsupported value: '{name}' does not support {value} with this model. Only the "
                f"default ({default}) value is supported.",
                name,
                "unsupported_value",
            )
    if body.get("stop") is not None and model.reasons:
        raise _unsupported("stop")


def _unsupported(name: str) -> Exception:
    message = f"Unsupported parameter: '{name}' is not supported with this model."
    return invalid(message, name, "unsupported_parameter")


def limit(body: Mapping[str, Any], model: Model) -> int | None:
    """The most output tokens that the caller wants."""
    name = "max_completion_tokens" if body.get("max_completion_tokens") else "max_tokens"
    wanted: int | None = body.get(name)
    if wanted is not None and wanted > model.max_output:
        raise invalid(
            f"max_tokens is too large: {wanted}. This model supports at most {model.max_output} "
            f"completion tokens, whereas you provided {wanted}.",
            name,
            "invalid_value",
        )
    return wanted


def tools(body: Mapping[str, Any], model: Model) -> tuple[Tool, ...]:
    """The functions that may be called."""
    given = body.get("tools")
    if given is None:
        return ()
    if not isinstance(given, list) or not given:
        raise invalid("Invalid 'tools': empty array.", "tools", "empty_array")
    if not model.can("tools"):
        raise _unsupported("tools")
    return tuple(_tool(tool, f"tools[{number}]") for number, tool in enumerate(given))


def _tool(tool: Any, where: str) -> Tool:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type") != "function":
        raise invalid(
            f"Missing required parameter: '{where}.function'.", where, "missing_required_parameter"
        )
    name = function.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise invalid(
            f"Invalid '{where}.function.name': string does not match pattern. Expected a string "
            "that matches the pattern '^[a-zA-Z0-9_-]+$'.",
            f"{where}.function.name",
            "invalid_value",
        )
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise invalid(
            f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: "
            '"object"\'.',
            f"{where}.function.parameters",
            "invalid_function_parameters",
        )
    wrong = problem(schema)
    if wrong:
        raise invalid(
            f"Invalid schema for function '{name}': {wrong}.",
            f"{where}.function.parameters",
            "invalid_function_parameters",
        )
    if function.get("strict"):
        strict_schema(schema, f"function '{name}'", f"{where}.function.parameters")
    return Tool(name, str(function.get("description") or ""), schema)


def tool_choice(body: Mapping[str, Any], given: tuple[Tool, ...]) -> str:
    """auto, none, any, or = and the name of a tool."""
    choice = body.get("tool_choice")
    named = choice.get("function") if isinstance(choice, dict) else None
    if choice is None:
        return "auto"
    if not given:
        raise invalid(
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified.",
            "tool_choice",
        )
    if choice in ("auto", "none"):
        return str(choice)
    if choice == "required":
        return "any"
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools")
        mode = allowed.get("mode") if isinstance(allowed, dict) else None
        return "any" if mode == "required" else "auto"
    name = word(named.get("name")) if isinstance(named, dict) else None
    if name not in {tool.name for tool in given}:
        raise invalid(
            f"Tool choice '{name}' not found in 'tools' parameter.", "tool_choice", "invalid_value"
        )
    return f"={name}"


def response_format(body: Mapping[str, Any], model: Model) -> tuple[Schema | None, bool]:
    """The schema of the answer, and whether it must be any JSON object."""
    wanted = body.get("response_format")
    if wanted is None:
        return None, False
    kind = word(wanted.get("type")) if isinstance(wanted, dict) else None
    if kind in {"text", "json_object"}:
        return None, kind == "json_object"
    spec = wanted.get("json_schema") if isinstance(wanted, dict) else None
    if kind != "json_schema" or not isinstance(spec, dict):
        raise invalid("Invalid value for 'response_format'.", "response_format", "invalid_value")
    name, schema = spec.get("name"), spec.get("schema")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise invalid(
            "Missing required parameter: 'response_format.json_schema.name'.",
            "response_format.json_schema.name",
            "missing_required_parameter",
        )
    if not isinstance(schema, dict):
        raise invalid(
            "Missing required parameter: 'response_format.json_schema.schema'.",
            "response_format.json_schema.schema",
            "missing_required_parameter",
        )
    if not model.can("schema"):
        raise invalid(
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with "
            "this model.",
            "response_format",
        )
    wrong = problem(schema)
    if wrong:
        raise invalid(f"Invalid schema for response_format '{name}': {wrong}.", "response_format")
    if spec.get("strict"):
        strict_schema(schema, f"response_format '{name}'", "response_format")
    return schema, False


def strict_schema(schema: Any, what: str, param: str, context: tuple[str, ...] = ()) -> None:
    """Strict mode wants closed objects with all properties required."""
    if not isinstance(schema, dict):
        raise invalid(f"Invalid schema for {what}: In context={context}, not a schema.", param)
    if not context and schema.get("type") != "object":
        raise invalid(
            f"Invalid schema for {what}: schema must be a JSON Schema of 'type: \"object\"', got "
            f"'type: \"{schema.get('type')}\"'.",
            param,
        )
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            raise invalid(
                f"Invalid schema for {what}: In context={context}, 'additionalProperties' is "
                "required to be supplied and to be false.",
                param,
            )
        missing = sorted(set(schema.get("properties", {})) - set(schema.get("required", [])))
        if missing:
            raise invalid(
                f"Invalid schema for {what}: In context={context}, 'required' is required to be "
                "supplied and to be an array including every key in properties. Missing "
                f"'{missing[0]}'.",
                param,
            )
    inner = [("properties", n, s) for n, s in schema.get("properties", {}).items()]
    inner += [("$defs", n, s) for n, s in schema.get("$defs", {}).items()]
    inner += [("anyOf", str(n), s) for n, s in enumerate(schema.get("anyOf", []))]
    inner += [("items", "", schema["items"])] if isinstance(schema.get("items"), dict) else []
    for group, name, part in inner:
        strict_schema(part, what, param, (*context, group, name))
