"""The parameters of a Responses request, checked by the rules of the chat wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from llm_orchestrator.simulator.ask import Schema, Tool
from llm_orchestrator.simulator.models import Model
from llm_orchestrator.simulator.openai import parameters
from llm_orchestrator.simulator.openai.errors import invalid
from llm_orchestrator.simulator.refusal import Refusal

KNOWN: Final = frozenset(
    "access_programs background context_management conversation image include input instructions "
    "max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls "
    "previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention "
    "reasoning safety_identifier service_tier store stream stream_options temperature text "
    "tool_choice tools top_logprobs top_p truncation user".split()
)
_SAME: Final = ("model", "temperature", "top_p", "stream", "store", "parallel_tool_calls")
_NAMES: Final = {
    "reasoning_effort": "reasoning.effort",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
}
_SUMMARIES: Final = (None, "auto", "concise", "detailed", "none")
LEAST: Final = 16
"""The smallest `max_output_tokens`."""

T = TypeVar("T")


def _renamed(check: Callable[[], T]) -> T:
    """Run a check of the chat wire, and tell its refusal in the names of this one."""
    try:
        return check()
    except Refusal as refusal:
        for theirs, ours in _NAMES.items():
            refusal.message = refusal.message.replace(theirs, ours)
            refusal.param = refusal.param and refusal.param.replace(theirs, ours)
        refusal.message = refusal.message.replace(".function", "")
        refusal.param = refusal.param and refusal.param.replace(".function", "")
        raise


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"Invalid type for '{name}': expected an object.", name, "invalid_type")
    return value


def effort(body: Mapping[str, Any]) -> str | None:
    """The reasoning effort asked for."""
    given = _object(body, "reasoning").get("effort")
    return given if isinstance(given, str) else None


def summary(body: Mapping[str, Any]) -> bool:
    """Whether a summary of the reasoning is shown."""
    wanted = _object(body, "reasoning").get("summary")
    if wanted not in _SUMMARIES:
        raise invalid(f"Invalid value: '{wanted}'.", "reasoning.summary", "invalid_value")
    return wanted not in (None, "none")


def check(body: Mapping[str, Any], model: Model) -> None:
    """Refuse unknown parameters, wrong types and ranges."""
    for name in body:
        if name not in KNOWN:
            raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    limit = body.get("max_output_tokens")
    if isinstance(limit, int) and limit < LEAST:
        raise invalid(
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= "
            f"{LEAST}, but got {limit} instead.",
            "max_output_tokens",
            "integer_below_min_value",
        )
    as_chat = {name: body[name] for name in _SAME if name in body}
    as_chat |= {"max_completion_tokens": limit, "reasoning_effort": effort(body)}
    _renamed(lambda: parameters.check(as_chat, model))
    if body.get("truncation") not in (None, "auto", "disabled"):
        raise invalid("Invalid value for 'truncation'.", "truncation", "invalid_value")


def limit(body: Mapping[str, Any], model: Model) -> int | None:
    """The most output tokens that the caller wants."""
    as_chat = {"max_completion_tokens": body.get("max_output_tokens")}
    try:
        return parameters.limit(as_chat, model)
    except Refusal as refusal:
        refusal.param = "max_output_tokens"
        refusal.message = refusal.message.replace("max_tokens", "max_output_tokens")
        raise


def tools(body: Mapping[str, Any], model: Model) -> tuple[Tool, ...]:
    """The functions; tools of the provider itself are taken and never used."""
    given = body.get("tools")
    if not given:
        return ()
    if not isinstance(given, list) or not all(isinstance(tool, dict) for tool in given):
        raise invalid("Invalid type for 'tools'.", "tools", "invalid_type")
    functions = [tool for tool in given if tool.get("type") == "function"]
    if not functions:
        return ()
    as_chat = [
        {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
        for tool in functions
    ]
    return _renamed(lambda: parameters.tools({"tools": as_chat}, model))


def tool_choice(body: Mapping[str, Any], given: tuple[Tool, ...]) -> str:
    """auto, none, any, or = and the name of a tool."""
    choice = body.get("tool_choice")
    if choice is None or (not given and choice in ("auto", "none")):
        return "auto"
    if isinstance(choice, dict) and choice.get("type") == "function":
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    elif isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        choice = {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode")}}
    return _renamed(lambda: parameters.tool_choice({"tool_choice": choice}, given))


def text_format(body: Mapping[str, Any], model: Model) -> tuple[Schema | None, bool]:
    """The schema of the answer, and whether it must be any JSON object."""
    wanted = _object(body, "text").get("format")
    if wanted is None:
        return None, False
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        spec = {name: value for name, value in wanted.items() if name != "type"}
        wanted = {"type": "json_schema", "json_schema": spec}
    return _renamed(lambda: parameters.response_format({"response_format": wanted}, model))
