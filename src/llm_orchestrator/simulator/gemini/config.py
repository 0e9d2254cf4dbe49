"""The parameters of a generateContent request: tools, limits, formats and thinking."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_orchestrator.simulator.ask import Schema, Tool
from llm_orchestrator.simulator.gemini.errors import invalid
from llm_orchestrator.simulator.gemini.shape import snake
from llm_orchestrator.simulator.jsonschema import problem
from llm_orchestrator.simulator.models import Model

LEVELS: Final = {"MINIMAL": 8, "LOW": 48, "MEDIUM": 128, "HIGH": 320, "XHIGH": 640}
"""Typical thinking tokens of each level."""
TIERS: Final = ("unspecified", "standard", "flex", "priority")
_RANGES: Final = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "topK": (1, 10**6),
    "candidateCount": (1, 8),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "seed": (-(2**31), 2**31 - 1),
}
_MIMES: Final = ("text/plain", "application/json", "text/x.enum")
_MODES: Final = ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")
_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")


def check(config: Mapping[str, Any], model: Model) -> None:
    """Refuse figures out of range, and what this model does not take."""
    for name, (low, high) in _RANGES.items():
        value = config.get(name)
        if value is not None and not low <= value <= high:
            raise invalid(
                f"Unable to submit request because it has a {name} value of {value} but the "
                f"supported range is from {low} (inclusive) to {high} (inclusive).",
                f"generation_config.{snake(name)}",
            )
    most = config.get("maxOutputTokens")
    if most is not None and not 1 <= most <= model.max_output:
        raise invalid(
            f"Unable to submit request because it has a maxOutputTokens value of {most} but the "
            f"supported range is from 1 (inclusive) to {model.max_output + 1} (exclusive).",
            "generation_config.max_output_tokens",
        )
    if len(config.get("stopSequences", [])) > 5:
        raise invalid("At most 5 stop sequences are allowed.", "generation_config.stop_sequences")
    if not model.can("sampling") and not model.simulated:
        for name in ("temperature", "topP", "topK"):
            if name in config:
                raise invalid(f"{name} is not supported by this model.")


def tier(body: Mapping[str, Any]) -> str:
    """The service tier that changes the price, or nothing."""
    wanted = str(body.get("serviceTier") or "").lower().removeprefix("service_tier_")
    if wanted and wanted not in TIERS:
        raise invalid(f"Invalid value at 'service_tier' (ServiceTier), \"{wanted}\"")
    return wanted if wanted in {"flex", "priority"} else ""


def tools(body: Mapping[str, Any], model: Model) -> tuple[Tool, ...]:
    """The functions; Google's own tools are taken and never used."""
    given = body.get("tools", [])
    found = [f for tool in given for f in tool.get("functionDeclarations", [])]
    if found and not model.can("tools"):
        raise invalid("Function calling is not enabled for this model")
    declared = tuple(_tool(f, n) for n, f in enumerate(found))
    names = [tool.name for tool in declared]
    for name in names:
        if names.count(name) > 1:
            raise invalid(f"Duplicate function declaration found: {name}")
    return declared


def _tool(function: Mapping[str, Any], number: int) -> Tool:
    where = f"tools[0].function_declarations[{number}]"
    name = str(function.get("name") or "")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}", name):
        raise invalid(
            f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a "
            "letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots "
            "(.), colons (:), or dashes (-), with a maximum length of 64.",
            where,
        )
    if "parameters" in function and "parametersJsonSchema" in function:
        raise invalid("parameters and parameters_json_schema are mutually exclusive.", where)
    schema = function.get("parametersJsonSchema")
    if schema is None:
        given = function.get("parameters")
        schema = {"type": "object"} if given is None else json_schema(given, f"{where}.parameters")
    _check_schema(schema, f"{where}.parameters")
    if schema.get("type") != "object":
        raise invalid(
            f"* GenerateContentRequest.{where}.parameters: schema should be of type OBJECT", where
        )
    return Tool(name, str(function.get("description") or ""), schema)


def _check_schema(schema: Any, where: str) -> None:
    wrong = problem(schema) if isinstance(schema, dict) else "not a schema"
    if wrong:
        raise invalid(f"* GenerateContentRequest.{where}: {wrong}", where)


def json_schema(given: Any, where: str) -> Schema:
    """A schema of Google's own kind (types in capitals, nullable) as JSON schema."""
    if not isinstance(given, dict):
        raise invalid(f"Invalid value at '{where}' (Schema)", where)
    schema: Schema = {}
    for name, value in given.items():
        key = re.sub(r"_([a-z])", lambda m: m[1].upper(), name)
        if key in {"additionalProperties", "$schema", "$ref", "$defs", "oneOf", "allOf", "const"}:
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find "
                "field.",
                where,
            )
        if key == "type":
            kind = str(value).lower()
            if kind not in _TYPES:
                raise invalid(f"Invalid value at '{where}.type' (Type), \"{value}\"", where)
            schema["type"] = kind
        elif key == "properties" and isinstance(value, dict):
            inner = {n: json_schema(s, f"{where}.properties[{n}]") for n, s in value.items()}
            schema["properties"] = inner
        elif key == "items":
            schema["items"] = json_schema(value, f"{where}.items")
        elif key == "anyOf" and isinstance(value, list):
            schema["anyOf"] = [json_schema(s, f"{where}.any_of[{n}]") for n, s in enumerate(value)]
        elif key in {"minItems", "maxItems", "minLength", "maxLength"}:
            schema[key] = int(value)
        elif key not in {"nullable", "propertyOrdering", "format", "example", "title"}:
            schema[key] = value
    return schema


def tool_choice(body: Mapping[str, Any], given: tuple[Tool, ...]) -> str:
    """auto, none, any, or = and the name of the only tool allowed."""
    config = body.get("toolConfig", {}).get("functionCallingConfig", {})
    mode = str(config.get("mode") or "AUTO").upper()
    allowed = config.get("allowedFunctionNames", [])
    if mode not in _MODES:
        raise invalid(
            f"Invalid value at 'tool_config.function_calling_config.mode' (Mode), \"{mode}\""
        )
    if allowed and mode not in {"ANY", "VALIDATED"}:
        raise invalid("Please only set allowed_function_names when mode is ANY or VALIDATED.")
    names = {tool.name for tool in given}
    strange = [name for name in allowed if name not in names]
    if strange:
        raise invalid(
            f"allowed_function_names contains {strange[0]}, which is not a declared function."
        )
    if mode == "ANY":
        if not given:
            raise invalid("Function calling config is set without function_declarations.")
        return f"={allowed[0]}" if len(allowed) == 1 else "any"
    return "none" if mode == "NONE" else "auto"


def response_format(config: Mapping[str, Any], model: Model) -> tuple[Schema | None, bool]:
    """The schema of the answer, and whether it must be any JSON."""
    mime = config.get("responseMimeType", "text/plain")
    own, standard = config.get("responseSchema"), config.get("responseJsonSchema")
    if mime not in _MIMES:
        raise invalid(
            f"Unsupported response mime type: {mime}", "generation_config.response_mime_type"
        )
    if own is not None and standard is not None:
        raise invalid("Only one of response_schema and response_json_schema may be set.")
    if own is None and standard is None:
        return None, mime == "application/json"
    if mime == "text/plain":
        raise invalid(
            "Response schema is set but response_mime_type is text/plain; it must be "
            "application/json.",
            "generation_config.response_mime_type",
        )
    if not model.can("schema"):
        raise invalid("Json mode is not enabled for this model")
    where = "generation_config.response_schema"
    schema = json_schema(own, where) if own is not None else standard
    _check_schema(schema, where)
    return schema, False


def thinking(config: Mapping[str, Any], model: Model) -> tuple[int, int, bool]:
    """Typical and most thinking tokens, and whether thoughts are shown."""
    given = config.get("thinkingConfig", {})
    budget, level = given.get("thinkingBudget"), given.get("thinkingLevel")
    able = model.can("reasoning") and model.abilities is not None
    if given and not able and (budget or level):
        raise invalid("Thinking is not enabled for this model.")
    if budget is not None and level is not None:
        raise invalid("You can only set one of thinking budget and thinking level.")
    shown = bool(given.get("includeThoughts"))
    if level is not None:
        name = level.upper().removeprefix("THINKING_LEVEL_")
        if name not in LEVELS:
            raise invalid(f"Invalid value at 'thinking_config.thinking_level', \"{level}\"")
        return LEVELS[name], 10**9, shown
    if budget is not None and budget < -1:
        raise invalid(f"The thinking budget {budget} is invalid.")
    if budget == 0:
        if re.match(r"gemini-(2\.5-pro|[3-9])", model.id):
            raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
        return 0, 0, False
    real = not model.simulated and not model.id.endswith("-flash-lite")  # that one has to be asked
    thinks = able and (real or model.id.startswith("sim-reason"))
    typical = LEVELS["MEDIUM"] if thinks or budget is not None or shown else 0
    return (typical if able else 0), (budget if budget and budget > 0 else 10**9), shown
