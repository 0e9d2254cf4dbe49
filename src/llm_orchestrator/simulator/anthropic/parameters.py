"""The parameters of a Messages request, by API version and model generation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_orchestrator.simulator.anthropic.errors import invalid
from llm_orchestrator.simulator.ask import Schema, Tool
from llm_orchestrator.simulator.jsonschema import problem, word
from llm_orchestrator.simulator.models import Model

VERSIONS: Final = ("2023-06-01", "2026-10-21")
KNOWN: Final = frozenset(
    "model max_tokens messages system stop_sequences tools tool_choice thinking output_config "
    "metadata service_tier stream cache_control container inference_geo speed diagnostics "
    "temperature top_p top_k context_management mcp_servers betas".split()
)
SAMPLING: Final = ("temperature", "top_p", "top_k")
EFFORTS: Final = {"low": 24, "medium": 64, "high": 128, "xhigh": 320, "max": 640}
"""Typical thinking tokens of each effort."""
_UNSUPPORTED: Final = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
)


def generation(model: Model) -> tuple[int, int]:
    """(4, 6) for Claude 4.6; (0, 0) for models that only the simulator has."""
    found = re.match(r"claude-(?:[a-z]+-)(\d)(?:-(\d{1,2}))?(?!\d)", model.id)
    if not found:
        old = re.match(r"claude-(\d)(?:-(\d))?(?!\d)", model.id)
        return (int(old[1]), int(old[2] or 0)) if old else (0, 0)
    return int(found[1]), int(found[2] or 0)


def takes_prefill(model: Model) -> bool:
    """Whether a conversation may end with the assistant."""
    return model.can("prefill") and generation(model) < (4, 6)


def thinking_types(model: Model) -> dict[str, bool]:
    """Which thinking types a model takes."""
    born, free, able = generation(model), model.simulated, model.can("reasoning")
    return {
        "adaptive": able and (free or born >= (4, 6)),
        "enabled": able and (free or born < (4, 7)),
        "disabled": not model.id.startswith("claude-fable"),
        "between_tools": able and (free or born >= (4, 6)),
    }


def check(body: Mapping[str, Any], model: Model, version: str, *, counting: bool) -> None:
    """Refuse unknown fields, wrong types and what this version or model does not take."""
    for name in body:
        if name not in KNOWN or (counting and name in {"max_tokens", "stream"}):
            raise invalid(f"{name}: Extra inputs are not permitted")
    if not counting:
        _check_limit(body, model)
    _check_sampling(body, model, version)
    if not isinstance(body.get("stream"), (bool, type(None))):
        raise invalid("stream: Input should be a valid boolean")
    stops = body.get("stop_sequences")
    if stops is not None and (
        not isinstance(stops, list) or not all(isinstance(s, str) for s in stops)
    ):
        raise invalid("stop_sequences: Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops or []):
        raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    if word(body.get("service_tier")) not in {None, "auto", "standard_only"}:
        raise invalid("service_tier: Input should be 'auto' or 'standard_only'")
    metadata = body.get("metadata")
    if metadata is not None and (not isinstance(metadata, dict) or set(metadata) - {"user_id"}):
        raise invalid("metadata: Extra inputs are not permitted")


def _check_limit(body: Mapping[str, Any], model: Model) -> None:
    wanted = body.get("max_tokens")
    if wanted is None:
        raise invalid("max_tokens: Field required")
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise invalid("max_tokens: Input should be a valid integer")
    if wanted < 0 or (wanted == 0 and body.get("stream")):
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    if wanted > model.max_output:
        raise invalid(
            f"max_tokens: {wanted} > {model.max_output}, which is the maximum allowed number of "
            f"output tokens for {model.id}"
        )


def _check_sampling(body: Mapping[str, Any], model: Model, version: str) -> None:
    given = [name for name in SAMPLING if name in body]
    if not given:
        return
    if version != "2023-06-01":
        raise invalid(f"{given[0]}: Extra inputs are not permitted")
    if not model.can("sampling") or generation(model) >= (4, 7):
        raise invalid(f"{given[0]}: sampling parameters are not supported by this model")
    for name in given:
        value = body[name]
        most = 1 if name != "top_k" else 10**6
        if not isinstance(value, (int, float)) or not 0 <= value <= most:
            raise invalid(f"{name}: range: 0..{most}")
    if {"temperature", "top_p"} <= set(given) and generation(model) >= (4, 5):
        raise invalid(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only "
            "one."
        )


def thinking(body: Mapping[str, Any], model: Model) -> tuple[str, int, bool]:
    """The type of thinking, its most tokens, and whether its text is shown."""
    given = body.get("thinking")
    if given is None:
        return "disabled", 0, False
    kind = word(given.get("type")) if isinstance(given, dict) else None
    types = thinking_types(model)
    if kind is None or kind not in types:
        names = ", ".join(f"'{name}'" for name in types)
        raise invalid(f"thinking: Input tag '{kind}' does not match any of the expected: {names}")
    if not types[kind]:
        raise invalid(f"thinking.type: '{kind}' is not supported on this model")
    shown = given.get("display") != "omitted"
    if kind in {"disabled", "between_tools"}:
        return kind, 0, shown
    budget = given.get("budget_tokens")
    if kind == "enabled":
        if not isinstance(budget, int) or budget < 1024:
            raise invalid(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
            )
        if budget >= body.get("max_tokens", budget + 1):
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature", 1) != 1:
        raise invalid("`temperature` may only be set to 1 when thinking is enabled.")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") in ("any", "tool"):
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
    return kind, int(budget or 10**9), shown


def output_config(body: Mapping[str, Any], model: Model) -> tuple[str, Schema | None]:
    """The effort and the schema of the answer."""
    given = body.get("output_config")
    if given is None:
        return "high", None
    if not isinstance(given, dict) or set(given) - {"effort", "format"}:
        raise invalid("output_config: Extra inputs are not permitted")
    effort, wanted = word(given.get("effort")) or "high", given.get("format")
    if effort not in EFFORTS:
        names = ", ".join(f"'{name}'" for name in EFFORTS)
        raise invalid(f"output_config.effort: Input should be {names}")
    if given.get("effort") and not model.can("effort"):
        raise invalid("output_config.effort: This model does not support the effort parameter.")
    if wanted is None:
        return effort, None
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if not isinstance(schema, dict) or wanted.get("type") != "json_schema":
        raise invalid("output_config.format.schema: Field required")
    if not model.can("schema"):
        raise invalid("output_config.format: not supported by this model")
    wrong = problem(schema)
    if wrong:
        raise invalid(f"output_config.format.schema: {wrong}")
    _check_schema(schema)
    return effort, schema


def _check_schema(schema: Any) -> None:
    """Objects must be closed, and some limits are not supported."""
    if not isinstance(schema, dict):
        return
    where = "output_config.format.schema"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(
            f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    found = [name for name in _UNSUPPORTED if name in schema]
    if found:
        kind = schema.get("type")
        raise invalid(
            f"{where}: For '{kind}' type, properties {', '.join(found)} are not supported"
        )
    parts = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    parts += [*schema.get("anyOf", []), *schema.get("allOf", []), schema.get("items")]
    for part in parts:
        _check_schema(part)


def tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> tuple[str, bool]:
    """auto, none, any, or = and a name; and whether several calls at once are fine."""
    choice = body.get("tool_choice")
    if choice is None:
        return "auto", True
    kind = word(choice.get("type")) if isinstance(choice, dict) else None
    if not body.get("tools"):
        raise invalid("tool_choice may only be specified while providing tools.")
    parallel = not choice.get("disable_parallel_tool_use") if isinstance(choice, dict) else True
    if kind in {"auto", "any", "none"}:
        return str(kind), parallel
    name = word(choice.get("name")) if isinstance(choice, dict) else None
    if kind != "tool" or name not in {tool.name for tool in tools}:
        raise invalid(f"tool_choice: Tool '{name}' not found in provided tools")
    return f"={name}", parallel
