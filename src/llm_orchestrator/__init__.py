"""One prompt or a million over every LLM provider, at the lowest cost that meets the ask.

The package top is lazy: importing it loads almost nothing; a name is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_orchestrator.bulk.sync import BulkRun as BulkRun
    from llm_orchestrator.bulk.run import AsyncBulkRun as AsyncBulkRun
    from llm_orchestrator.classic import (
        ModelConfig as ModelConfig,
        OrchestrationResult as OrchestrationResult,
        aroute_to_model as aroute_to_model,
        arun_ensemble as arun_ensemble,
        arun_orchestration as arun_orchestration,
        arun_with_fallback as arun_with_fallback,
        route_to_model as route_to_model,
        run_ensemble as run_ensemble,
        run_orchestration as run_orchestration,
        run_with_fallback as run_with_fallback,
    )
    from llm_orchestrator.engine.images import load_image as load_image
    from llm_orchestrator.errors import (
        APIConnectionError as APIConnectionError,
        APITimeoutError as APITimeoutError,
        ApprovalRequiredError as ApprovalRequiredError,
        AuthenticationError as AuthenticationError,
        BadReplyError as BadReplyError,
        BudgetError as BudgetError,
        ClosedError as ClosedError,
        ConfigError as ConfigError,
        ContentFilterError as ContentFilterError,
        ContextLengthError as ContextLengthError,
        EmptyReplyError as EmptyReplyError,
        InvalidRequestError as InvalidRequestError,
        ModelNotFoundError as ModelNotFoundError,
        OrchestratorError as OrchestratorError,
        OutputError as OutputError,
        OverloadedError as OverloadedError,
        PermissionDeniedError as PermissionDeniedError,
        QuotaExhaustedError as QuotaExhaustedError,
        RateLimitError as RateLimitError,
        SchemaError as SchemaError,
        ServerError as ServerError,
        StoreError as StoreError,
        TruncatedError as TruncatedError,
        UnsupportedError as UnsupportedError,
    )
    from llm_orchestrator.orchestrator import (
        AsyncLLMOrchestrator as AsyncLLMOrchestrator,
    )
    from llm_orchestrator.pipeline.limits.classic import RateLimiter as RateLimiter
    from llm_orchestrator.portal import LLMOrchestrator as LLMOrchestrator
    from llm_orchestrator.routing.complexity import ComplexityAnalyzer as ComplexityAnalyzer
    from llm_orchestrator.routing.phrases import ConfidenceDetector as ConfidenceDetector
    from llm_orchestrator.routing.scoring import synthesize_responses as synthesize_responses
    from llm_orchestrator.types.events import (
        ContinueEvent as ContinueEvent,
        EndEvent as EndEvent,
        FinishEvent as FinishEvent,
        NoticeEvent as NoticeEvent,
        ReasoningDelta as ReasoningDelta,
        RestartEvent as RestartEvent,
        StartEvent as StartEvent,
        StreamEvent as StreamEvent,
        TextDelta as TextDelta,
        ToolCallDelta as ToolCallDelta,
        UsageEvent as UsageEvent,
    )
    from llm_orchestrator.types.model import Model as Model
    from llm_orchestrator.types.reply import Reply as Reply
    from llm_orchestrator.types.request import (
        Image as Image,
        Media as Media,
        Message as Message,
        Reasoning as Reasoning,
        Text as Text,
        Tool as Tool,
        ToolCall as ToolCall,
        ToolResult as ToolResult,
    )
    from llm_orchestrator.types.usage import Usage as Usage

__version__ = "0.1.0"

_ORIGIN = {
    "LLMOrchestrator": "portal",
    "AsyncBulkRun": "bulk.run",
    "AsyncLLMOrchestrator": "orchestrator",
    "BulkRun": "bulk.sync",
    "RateLimiter": "pipeline.limits.classic",
    "ComplexityAnalyzer": "routing.complexity",
    "ConfidenceDetector": "routing.phrases",
    "synthesize_responses": "routing.scoring",
    "Reply": "types.reply",
    "load_image": "engine.images",
    "Model": "types.model",
    **dict.fromkeys(
        (
            "ContinueEvent",
            "EndEvent",
            "FinishEvent",
            "NoticeEvent",
            "ReasoningDelta",
            "RestartEvent",
            "StartEvent",
            "StreamEvent",
            "TextDelta",
            "ToolCallDelta",
            "UsageEvent",
        ),
        "types.events",
    ),
    **dict.fromkeys(
        ("Image", "Media", "Message", "Reasoning", "Text", "Tool", "ToolCall", "ToolResult"),
        "types.request",
    ),
    "Usage": "types.usage",
    **dict.fromkeys(
        (
            "ModelConfig",
            "OrchestrationResult",
            "aroute_to_model",
            "arun_ensemble",
            "arun_orchestration",
            "arun_with_fallback",
            "route_to_model",
            "run_ensemble",
            "run_orchestration",
            "run_with_fallback",
        ),
        "classic",
    ),
    **dict.fromkeys(
        (
            "APIConnectionError",
            "APITimeoutError",
            "ApprovalRequiredError",
            "AuthenticationError",
            "BadReplyError",
            "BudgetError",
            "ClosedError",
            "ConfigError",
            "ContentFilterError",
            "ContextLengthError",
            "EmptyReplyError",
            "InvalidRequestError",
            "ModelNotFoundError",
            "OrchestratorError",
            "OutputError",
            "OverloadedError",
            "PermissionDeniedError",
            "QuotaExhaustedError",
            "RateLimitError",
            "SchemaError",
            "ServerError",
            "StoreError",
            "TruncatedError",
            "UnsupportedError",
        ),
        "errors",
    ),
}

__all__ = ["__version__", *sorted(_ORIGIN)]


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    try:
        origin = _ORIGIN[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value: object = getattr(import_module(f"{__name__}.{origin}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
