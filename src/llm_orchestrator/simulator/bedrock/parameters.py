"""The parameters of a Converse request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from llm_orchestrator.simulator import tokens
from llm_orchestrator.simulator.ask import Schema, Segment, Tool
from llm_orchestrator.simulator.bedrock.content import Prompt, only
from llm_orchestrator.simulator.bedrock.errors import constraint, invalid, model_said
from llm_orchestrator.simulator.jsonschema import problem, word
from llm_orchestrator.simulator.models import Model

KNOWN: Final = frozenset(
    "messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields "
    "promptVariables additionalModelResponseFieldPaths requestMetadata performanceConfig "
    "serviceTier outputConfig model".split()
)
EFFORTS: Final = {"low": 24, "medium": 64, "high": 128, "xhigh": 320, "max": 640}
"""Typical thinking tokens of each effort."""
_LIMITS: Final = {"maxTokens": (1, 10**9), "temperature": (0, 1), "topP": (0, 1)}
_TIERS: Final = ("priority", "default", "flex", "reserved")


def check(body: Mapping[str, Any]) -> None:
    """Refuse keys that the shape does not have."""
    for name in body:
        if name not in KNOWN:
            raise invalid(
                f"Malformed input request: #: extraneous key [{name}] is not permitted, please "
                "reformat your input and try again."
            )
    for name in ("inferenceConfig", "toolConfig", "outputConfig", "additionalModelRequestFields"):
        if not isinstance(body.get(name, {}), dict):
            raise invalid(f"Malformed input request: #/{name}: expected type: JSONObject.")
    metadata = body.get("requestMetadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise invalid("Malformed input request: #/requestMetadata: expected a map of texts.")


def inference(body: Mapping[str, Any], model: Model) -> tuple[int | None, tuple[str, ...]]:
    """The token limit and the stop sequences."""
    config = body.get("inferenceConfig", {})
    strange = set(config) - {*_LIMITS, "stopSequences"}
    if strange:
        raise invalid(
            f"Malformed input request: #/inferenceConfig: extraneous key [{min(strange)}] is not "
            "permitted, please reformat your input and try again."
        )
    for name, (low, high) in _LIMITS.items():
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise invalid(f"Malformed input request: #/inferenceConfig/{name}: expected a number.")
        if not low <= value <= high:
            rule = f"have value between {low} and {high}"
            raise constraint(value, f"inferenceConfig.{name}", rule)
    limit = config.get("maxTokens")
    if limit is not None and limit > model.max_output:
        raise invalid(
            f"The maximum tokens you requested exceeds the model limit of {model.max_output}. Try "
            f"again with a maximum tokens value that is lower than {model.max_output}."
        )
    if not model.can("sampling") and not model.simulated and {"temperature", "topP"} & set(config):
        raise model_said("sampling parameters are not supported by this model")
    stops = config.get("stopSequences") or []
    if not isinstance(stops, list) or not all(isinstance(s, str) and s for s in stops):
        raise constraint(stops, "inferenceConfig.stopSequences", "be texts of length 1 or more")
    return limit, tuple(stops)


def tier(body: Mapping[str, Any]) -> str:
    """The service tier that changes the price, or nothing."""
    given = body.get("serviceTier")
    kind = given.get("type") if isinstance(given, dict) else given
    if kind is not None and kind not in _TIERS:
        raise constraint(kind, "serviceTier.type", f"satisfy enum value set: {list(_TIERS)}")
    return kind if kind in {"flex", "priority"} else ""


def tools(body: Mapping[str, Any], model: Model, prompt: Prompt) -> tuple[Tool, ...]:
    """The tools; their segments and cache points come first in the prompt."""
    config = body.get("toolConfig")
    if config is None:
        return ()
    given = config.get("tools")
    if not isinstance(given, list) or not given:
        raise constraint(given, "toolConfig.tools", "have length greater than or equal to 1")
    if not model.can("tools"):
        raise invalid("This model doesn't support tool use.")
    found = []
    for number, entry in enumerate(given):
        where = f"toolConfig.tools.{number}"
        kind, value = only(entry, where)
        if kind == "cachePoint":
            prompt.mark(value, where)
            continue
        text = json.dumps(value, sort_keys=True)
        prompt.segments.append(Segment(text, tokens.count(text)))
        if kind == "toolSpec":
            found.append(_tool(value, where))
    names = [tool.name for tool in found]
    if len(set(names)) < len(names):
        raise model_said("tools: Tool names must be unique.")
    return tuple(found)


def _tool(spec: Any, where: str) -> Tool:
    spec = spec if isinstance(spec, dict) else {}
    name = str(spec.get("name") or "")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        rule = "satisfy regular expression pattern: [a-zA-Z0-9_-]+"
        raise constraint(name, f"{where}.toolSpec.name", rule)
    if spec.get("description") == "":
        rule = "have length greater than or equal to 1"
        raise constraint("", f"{where}.toolSpec.description", rule)
    _, schema = only(spec.get("inputSchema"), f"{where}.toolSpec.inputSchema")
    wrong = problem(schema) if isinstance(schema, dict) else "not an object"
    if wrong or schema.get("type") != "object":
        raise invalid(
            f"The value at {where}.toolSpec.inputSchema.json.type must be one of the following: "
            f"object. {wrong or ''}".strip()
        )
    return Tool(name, str(spec.get("description") or ""), schema)


def tool_choice(body: Mapping[str, Any], given: tuple[Tool, ...]) -> str:
    """auto, any, or = and the name of a tool; there is no way to say none."""
    choice = (body.get("toolConfig") or {}).get("toolChoice")
    if choice is None:
        return "auto"
    kind, value = only(choice, "toolConfig.toolChoice")
    if kind in {"auto", "any"}:
        return kind
    name = word(value.get("name")) if kind == "tool" and isinstance(value, dict) else None
    if name not in {tool.name for tool in given}:
        raise invalid(f"The toolChoice names a tool that is not in toolConfig.tools: {name}.")
    return f"={name}"


def output_config(body: Mapping[str, Any], model: Model) -> tuple[str, Schema | None]:
    """The effort (or nothing) and the schema of the answer."""
    config = body.get("outputConfig", {})
    effort, wanted = config.get("effort", ""), config.get("textFormat")
    if effort and word(effort) not in EFFORTS:
        raise constraint(effort, "outputConfig.effort", f"be one of {list(EFFORTS)}")
    if effort and not model.can("effort"):
        raise model_said("output_config.effort: This model does not support the effort parameter.")
    if wanted is None:
        return effort, None
    structure = wanted.get("structure", {}) if isinstance(wanted, dict) else {}
    spec = structure.get("jsonSchema") if isinstance(structure, dict) else None
    if not isinstance(spec, dict) or wanted.get("type") != "json_schema":
        raise constraint(wanted, "outputConfig.textFormat", "hold type and structure.jsonSchema")
    if not model.can("schema"):
        raise invalid("This model doesn't support structured outputs.")
    try:
        schema = json.loads(spec.get("schema") or "")
    except (TypeError, ValueError):
        raise invalid("outputConfig.textFormat: the schema is not valid JSON text.") from None
    wrong = problem(schema) if isinstance(schema, dict) else "not an object"
    if wrong:
        raise invalid(f"outputConfig.textFormat: {wrong}")
    return effort, schema


def thinking(body: Mapping[str, Any], model: Model, effort: str, limit: int | None) -> int:
    """Typical thinking tokens, asked for in the words of Claude or of Nova."""
    extra = body.get("additionalModelRequestFields", {})
    claude, nova = extra.get("thinking"), extra.get("reasoningConfig")
    if claude is None and nova is None:
        return 0
    config = claude if claude is not None else nova
    kind = config.get("type") if isinstance(config, dict) else None
    if kind not in ("enabled", "adaptive", "disabled"):
        raise model_said(f"thinking: Input tag '{kind}' does not match any of the expected tags")
    if kind == "disabled":
        return 0
    if not model.can("reasoning"):
        raise model_said("thinking: this model does not support thinking")
    most = 10**9
    if claude is not None and kind == "enabled":
        most = config.get("budget_tokens")
        if not isinstance(most, int) or most < 1024:
            raise model_said("thinking.enabled.budget_tokens: should be at least 1024")
        if limit is not None and most >= limit:
            raise model_said("`max_tokens` must be greater than `thinking.budget_tokens`")
    if nova is not None:
        effort = str(config.get("maxReasoningEffort") or "medium")
    return min(most, EFFORTS.get(effort or "medium", EFFORTS["medium"]))
