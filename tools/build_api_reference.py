"""Write docs/reference/api.md from the docstrings and signatures of the public names.

    python tools/build_api_reference.py

tests/docs/test_reference.py fails when the page is not what this makes.
"""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import msgspec

import llm_orchestrator as top
from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator.bulk.options import BulkOptions, ForecastOptions
from llm_orchestrator.bulk.planning.estimate import BulkEstimate, Interval, Line
from llm_orchestrator.bulk.planning.forecast import Forecast
from llm_orchestrator.bulk.planning.plan import BulkPlan, Decision, Share
from llm_orchestrator.catalog.estimate import Estimate
from llm_orchestrator.engine.compose import RequestOptions
from llm_orchestrator.engine.discovery import ProviderHealth
from llm_orchestrator.engine.embedding import Embeddings
from llm_orchestrator.engine.options import CacheOptions, LineOptions, RouteOptions
from llm_orchestrator.engine.planning import Plan, PlannedCandidate
from llm_orchestrator.engine.session import Session
from llm_orchestrator.engine.streaming import OnBreak
from llm_orchestrator.pipeline.limits.classic import Permit
from llm_orchestrator.pipeline.limits.view import RateLimit
from llm_orchestrator.routing.complexity import Complexity, Level, TaskType
from llm_orchestrator.simulator import Settings, Simulator
from llm_orchestrator.store.reports import Filter, Reports, Totals
from llm_orchestrator.types.model import Ability, Price
from llm_orchestrator.types.reply import AttemptInfo, FinishReason
from llm_orchestrator.types.request import CacheTTL, Effort, Role
from llm_orchestrator.types.verdict import Verdict

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "api.md"

_HEAD = """\
# The library

Made by `tools/build_api_reference.py` from the code's own docstrings.

Names without a module are imported from `llm_orchestrator`. Everything else may change between
minor versions without notice. Amounts of money are `Decimal` in USD; fields that end in `_pico` are
integers of 10⁻¹² USD. Times are in seconds.
"""
_SYNC = """\
## LLMOrchestrator

The same for programs without an event loop: each verb below, without `await`. It may be used from
any number of threads, is safe after `fork`, and works as a context manager (`with`).

"""
_EVENTS = """\
## Events

What a stream is made of. `str(event)` is the text to show, empty for all but `TextDelta`. The last
event is always an `EndEvent`.
"""
_ERRORS = """\
## Exceptions

Their fields, and what is done before one of them reaches you: [errors](errors.md).

"""

_REPLIES: tuple[tuple[type, str], ...] = (
    (top.Reply, ""),
    (AttemptInfo, "types.reply"),
    (top.Usage, ""),
    (Session, "engine.session"),
    (Estimate, "catalog.estimate"),
    (Plan, "engine.planning"),
    (PlannedCandidate, "engine.planning"),
    (Embeddings, "engine.embedding"),
    (ProviderHealth, "engine.discovery"),
    (Verdict, "types.verdict"),
    (RateLimit, "pipeline.limits.view"),
    (Forecast, "bulk.planning.forecast"),
    (BulkEstimate, "bulk.estimate"),
    (Line, "bulk.estimate"),
    (Interval, "bulk.estimate"),
    (BulkPlan, "bulk.plan"),
    (Share, "bulk.plan"),
    (Decision, "bulk.plan"),
    (top.Model, ""),
    (Price, "types.model"),
)
_MESSAGES: tuple[type, ...] = (
    top.Message,
    top.Text,
    top.Image,
    top.Media,
    top.ToolCall,
    top.ToolResult,
    top.Reasoning,
)
_EVENT_KINDS: tuple[type, ...] = (
    *(top.StreamEvent, top.StartEvent, top.TextDelta, top.ReasoningDelta, top.ToolCallDelta),
    *(top.UsageEvent, top.NoticeEvent, top.RestartEvent, top.ContinueEvent, top.FinishEvent),
    top.EndEvent,
)

_CLASSIC = (
    *(top.run_orchestration, top.run_with_fallback, top.run_ensemble, top.route_to_model),
    *(top.arun_orchestration, top.arun_with_fallback, top.arun_ensemble, top.aroute_to_model),
)

_LITERALS: dict[str, Any] = {
    "Role": Role,
    "CacheTTL": CacheTTL,
    "Effort": Effort,
    "FinishReason": FinishReason,
    "OnBreak": OnBreak,
    "Ability": Ability,
    "Level": Level,
    "TaskType": TaskType,
}


def render() -> str:
    """The whole page."""
    return "\n".join((*_lines(), "")).replace("\n\n\n", "\n\n")


def _lines() -> Iterator[str]:
    yield _HEAD
    yield from _class(AsyncLLMOrchestrator)
    yield _SYNC
    yield from _class(top.AsyncBulkRun)
    yield "`BulkRun`, which `LLMOrchestrator.bulk` returns, has the same without `await`.\n"
    yield "## What a call may say\n"
    for options in (
        *(RequestOptions, RouteOptions, CacheOptions, LineOptions),
        *(ForecastOptions, BulkOptions),
    ):
        yield f"\n{_doc(options)}\n"
        yield from _table(options)
    yield "\n## Messages\n"
    yield "A text, one message, or a list of them; dicts of either wire's shape do as well.\n"
    for kind in (*_MESSAGES, top.Tool):
        yield from _struct(kind, "###")
    yield from _function(top.load_image)
    for kind, room in _REPLIES:
        yield from _struct(kind, "##", room)
    yield from _words()
    yield _EVENTS
    for kind in _EVENT_KINDS:
        yield from _struct(kind, "###")
    yield _ERRORS
    yield ", ".join(f"`{name}`" for name in top.__all__ if name.endswith("Error")) + "\n"
    yield "\n## The functions of an older tool\n\n"
    yield "Each has a coroutine with an `a` in front.\n"
    for function in _CLASSIC:
        yield from _function(function)
    yield from _struct(top.OrchestrationResult, "##")
    yield from _struct(top.ModelConfig, "##")
    yield from _function(top.synthesize_responses)
    yield from _class(top.ConfidenceDetector)
    yield from _class(top.ComplexityAnalyzer)
    yield from _struct(Complexity, "###", "routing.complexity")
    yield from _class(top.RateLimiter)
    yield from _class(Permit, "pipeline.limits.classic")
    yield from _class(Reports, "store.reports")
    yield from _struct(Filter, "##", "store.reports")
    yield from _struct(Totals, "##", "store.reports")
    yield from _class(Simulator, "simulator")
    yield from _struct(Settings, "##", "simulator")


def _words() -> Iterator[str]:
    yield "## Words\n"
    yield "The values of fields that take one of a few words.\n"
    yield "| type | one of |"
    yield "|---|---|"
    for name, kind in _LITERALS.items():
        yield f"| `{name}` | {', '.join(f'`{word}`' for word in get_args(kind))} |"
    yield ""


def _class(kind: type, room: str = "") -> Iterator[str]:
    yield f"## {kind.__name__}\n"
    yield from _origin(kind, room)
    made = "()" if kind.__init__ is object.__init__ else _signature(kind.__init__)  # type: ignore[misc]
    yield f"```text\n{kind.__name__}{made}\n```\n"
    yield f"{_doc(kind)}\n"
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            yield f"**`{name}`** (property): {_doc(member)}\n"
            continue
        method = getattr(member, "__func__", member)
        if inspect.isfunction(method):
            yield f"### {kind.__name__}.{name}\n"
            yield f"```text\n{_prefix(method)}{name}{_signature(method)}\n```\n"
            yield f"{_doc(method)}\n"


def _function(made: Any) -> Iterator[str]:
    yield f"### {made.__name__}\n"
    yield f"```text\n{made.__name__}{_signature(made)}\n```\n"
    yield f"{_doc(made)}\n"


def _struct(kind: type, level: str, room: str = "") -> Iterator[str]:
    yield f"{level} {kind.__name__}\n"
    yield from _origin(kind, room)
    yield f"{_doc(kind)}\n"
    yield from _table(kind)
    for base in reversed(kind.__mro__):
        for name, member in vars(base).items():
            if isinstance(member, property) and not name.startswith("_"):
                yield f"\n**`{name}`** (property): {_doc(member)}"
            elif isinstance(member, classmethod) and not name.startswith("_"):
                method = member.__func__
                yield f"\n**`{name}{_signature(method)}`**: {_doc(method)}"
    yield ""


def _origin(kind: type, room: str) -> Iterator[str]:
    if room:
        yield f"`from llm_orchestrator.{room} import {kind.__name__}`\n"


def _table(kind: type) -> Iterator[str]:
    told, shown, without = {}, {}, _defaults(kind)
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("llm_orchestrator"):
            fields, texts = _fields(base)
            shown.update(fields)
            told.update(texts)
    if not shown:
        return
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    # What must be given comes first; the rest as it is written.
    for name, kind_text in sorted(shown.items(), key=lambda item: without.get(item[0]) != "needed"):
        cells = (f"`{name}`", f"`{kind_text}`", without.get(name, ""), told.get(name, ""))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _fields(kind: type) -> tuple[dict[str, str], dict[str, str]]:
    """Types and texts of the fields that the class itself declares."""
    body = ast.parse(dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    fields, texts = {}, {}
    for node, following in _statements(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, shown = node.target.id, ast.unparse(node.annotation)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            name, shown = node.targets[0].attr, _kind_of(node.value)
        else:
            continue
        if name.startswith("_"):
            continue
        fields[name] = shown
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            texts[name] = _plain(str(following.value.value))
    return fields, texts


def _statements(body: ast.ClassDef) -> Iterator[tuple[ast.stmt, ast.stmt | None]]:
    """What is declared in the class and in its ``__init__``, each with what follows it."""
    inits = [n for n in body.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    for block in (body.body, *(made.body for made in inits)):
        yield from zip(block, [*block[1:], None], strict=True)


def _kind_of(value: ast.expr) -> str:
    return type(value.value).__name__ if isinstance(value, ast.Constant) else "str"


def _defaults(kind: type) -> dict[str, str]:
    found = {}
    if dataclasses.is_dataclass(kind):
        for part in dataclasses.fields(kind):
            if part.default not in (dataclasses.MISSING, None, (), ""):
                found[part.name] = f"`{part.default!r}`"
    if not issubclass(kind, msgspec.Struct):
        return found
    for field in msgspec.structs.fields(kind):
        if field.required:
            found[field.name] = "needed"
        elif field.default not in (msgspec.NODEFAULT, None, "", ()):
            found[field.name] = f"`{field.default!r}`"
    return found


def _prefix(method: Any) -> str:
    return "await " if inspect.iscoroutinefunction(method) else ""


def _signature(method: Any) -> str:
    """The signature in the words of its source, one line where it fits."""
    node = ast.parse(dedent(inspect.getsource(inspect.unwrap(method)))).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = node.args
    for group in (arguments.posonlyargs, arguments.args):
        if group and group[0].arg in {"self", "cls"}:
            del group[0]
    parts = re.split(r", (?=\*|\w+: |\w+=)", ast.unparse(arguments))
    parts = [re.sub(r"^(\w+: .*?)=", r"\1 = ", part) for part in parts]
    text = ", ".join(parts)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    if len(text) + len(returns) > 80:
        text = "\n" + "".join(f"    {part},\n" for part in parts)
    return f"({text}){returns}"


def _doc(member: Any) -> str:
    return _plain(inspect.getdoc(member) or "")


def _plain(text: str) -> str:
    """Markdown of a docstring: its paragraphs, names in single ticks."""
    paragraphs = inspect.cleandoc(text).replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in paragraphs)


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
