"""The parameters of a chat request to Cohere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_orchestrator.simulator.ask import Schema, Tool
from llm_orchestrator.simulator.cohere.errors import invalid
from llm_orchestrator.simulator.jsonschema import problem
from llm_orchestrator.simulator.models import Model

KNOWN: Final = frozenset(
    "model messages stream tools strict_tools documents citation_options response_format "
    "safety_mode max_tokens stop_sequences temperature seed frequency_penalty presence_penalty k "
    "p logprobs tool_choice thinking priority".split()
)
_RANGES: Final = {
    "temperature": (0, 1),
    "frequency_penalty": (0, 1),
    "presence_penalty": (0, 1),
    "p": (0.01, 0.99),
    "k": (0, 500),
}
_WHOLE: Final = {"max_tokens": (0, 10**9), "seed": (0, 2**64 - 1), "priority": (0, 999)}
THINKING: Final = 128
"""Typical thinking tokens."""


def check(body: Mapping[str, Any], model: Model) -> None:
    """Refuse unknown parameters, wrong types and ranges."""
    for name in body:
        if name not in KNOWN:
            raise invalid(f"unknown field: parameter '{name}' is not a valid field")
    for name, (low, high) in (_RANGES | _WHOLE).items():
        value = body.get(name)
        if value is None:
            continue
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or (name in _WHOLE and not isinstance(value, int)):
            raise invalid(f"{name} must be a number.")
        if not low <= value <= high:
            raise invalid(f"{name} must be between {low} and {high} inclusive.")
    if not isinstance(body.get("stream", False), bool):
        raise invalid("stream must be a boolean.")
    stops = body.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise invalid("stop_sequences must be a list of texts.")
    if len(stops) > 5:
        raise invalid("stop_sequences may hold at most 5 texts.")
    if body.get("safety_mode") not in (None, "CONTEXTUAL", "STRICT", "OFF", "NONE"):
        raise invalid("safety_mode must be one of CONTEXTUAL, STRICT, OFF.")
    most = body.get("max_tokens")
    if most is not None and most > model.max_output:
        raise invalid(f"max_tokens must be at most {model.max_output} for this model.")


def tools(body: Mapping[str, Any], model: Model) -> tuple[Tool, ...]:
    """The functions that may be called."""
    given = body.get("tools")
    if not given:
        return ()
    if not isinstance(given, list):
        raise invalid("tools must be a list.")
    if not model.can("tools"):
        raise invalid(f"tool use is not supported by model '{model.id}'.")
    found = tuple(_tool(tool, f"tools[{number}]") for number, tool in enumerate(given))
    if body.get("strict_tools"):
        for tool in found:
            if not tool.schema.get("required") and tool.schema.get("properties"):
                raise invalid(f"strict_tools: tool '{tool.name}' needs a required parameter.")
    return found


def _tool(tool: Any, where: str) -> Tool:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type") != "function":
        raise invalid(f"{where} must have type 'function' and a function.")
    name = function.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name):
        raise invalid(f"{where}.function.name '{name}' is not a valid name.")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    wrong = problem(schema) if isinstance(schema, dict) else "not an object"
    if wrong or schema.get("type") != "object":
        raise invalid(f"{where}.function.parameters is not a schema of an object. {wrong or ''}")
    return Tool(name, str(function.get("description") or ""), schema)


def tool_choice(body: Mapping[str, Any], given: tuple[Tool, ...]) -> str:
    """auto, none or any; a tool cannot be named."""
    choice = body.get("tool_choice")
    if choice is None:
        return "auto"
    if choice not in ("REQUIRED", "NONE"):
        raise invalid("tool_choice must be one of REQUIRED, NONE.")
    if not given:
        raise invalid("tool_choice may only be given with tools.")
    return "any" if choice == "REQUIRED" else "none"


def response_format(body: Mapping[str, Any], model: Model) -> tuple[Schema | None, bool]:
    """The schema of the answer, and whether it must be any JSON object."""
    wanted = body.get("response_format")
    if wanted is None:
        return None, False
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object"):
        raise invalid("response_format.type must be one of text, json_object.")
    if kind == "text":
        return None, False
    if body.get("documents"):
        raise invalid("response_format is not supported with documents.")
    schema = wanted.get("schema", wanted.get("json_schema"))
    if schema is None:
        return None, True
    if not model.can("schema") and not model.simulated:
        raise invalid(f"response_format.schema is not supported by model '{model.id}'.")
    wrong = problem(schema) if isinstance(schema, dict) else "not an object"
    if wrong or schema.get("type") != "object":
        raise invalid(f"response_format.schema: the top level must be an object. {wrong or ''}")
    if not schema.get("required"):
        raise invalid("response_format.schema: at least one field must be required.")
    return schema, False


def thinking(body: Mapping[str, Any], model: Model) -> tuple[int, int]:
    """Typical and most thinking tokens; models that can think do unless told otherwise."""
    given = body.get("thinking")
    able = model.can("reasoning") and model.abilities is not None
    usual = able and (not model.simulated or model.id.startswith("sim-reason"))
    if given is None:
        return (THINKING if usual else 0), 10**9
    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in ("enabled", "disabled"):
        raise invalid("thinking.type must be one of enabled, disabled.")
    if kind == "disabled":
        return 0, 0
    if not able:
        raise invalid(f"thinking is not supported by model '{model.id}'.")
    budget = given.get("token_budget")
    if budget is not None and (not isinstance(budget, int) or budget < 1):
        raise invalid("thinking.token_budget must be a positive integer.")
    return THINKING, budget or 10**9
