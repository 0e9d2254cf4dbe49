"""What an import loads, and the names that the package shows."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import llm_orchestrator

# The public names. Adding one is a promise; removing one breaks somebody.
EXPORTS = (
    "APIConnectionError", "APITimeoutError", "ApprovalRequiredError", "AsyncBulkRun",
    "AsyncLLMOrchestrator", "BulkRun",
    "AuthenticationError", "ModelConfig", "OrchestrationResult", "aroute_to_model",
    "arun_ensemble", "arun_orchestration", "arun_with_fallback", "route_to_model", "run_ensemble",
    "run_orchestration", "run_with_fallback", "ConfidenceDetector", "synthesize_responses",
    "ComplexityAnalyzer",
    "BadReplyError", "BudgetError", "ClosedError", "ConfigError", "ContentFilterError",
    "ContextLengthError", "ContinueEvent", "EmptyReplyError", "EndEvent", "FinishEvent", "Image",
    "InvalidRequestError", "LLMOrchestrator", "load_image", "Media", "Message", "Model",
    "ModelNotFoundError", "NoticeEvent", "OrchestratorError", "OutputError", "OverloadedError",
    "PermissionDeniedError", "QuotaExhaustedError", "RateLimitError", "RateLimiter", "Reasoning",
    "ReasoningDelta", "Reply", "RestartEvent", "SchemaError", "ServerError", "StartEvent",
    "StoreError", "StreamEvent", "Text", "TextDelta", "Tool", "ToolCall", "ToolCallDelta",
    "ToolResult", "TruncatedError", "UnsupportedError", "Usage", "UsageEvent", "__version__",
)  # fmt: skip

HEAVY = {
    "aiohttp", "alembic", "asyncio", "http", "jinja2", "logging", "msgspec", "psycopg",
    "pydantic", "regex", "requests", "rich", "sqlalchemy", "sqlite3", "ssl", "tiktoken", "typer",
    "uvloop", "xllamacpp", "yaml",
}  # fmt: skip
NEVER_TO_CALL = {
    "alembic", "apprise", "botocore", "google", "pydantic", "regex", "requests", "rich", "tiktoken",
    "typer", "xllamacpp",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """The modules that a new Python loads by running code, beyond those it starts with."""
    before = "import sys, json; old = set(sys.modules)"
    after = "print(json.dumps(list(set(sys.modules) - old)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{code}\n{after}"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules: list[str] = json.loads(done.stdout)
    return set(modules)


def test_import_loads_almost_nothing() -> None:
    loaded = loaded_by("import llm_orchestrator")
    assert not HEAVY & {name.split(".")[0] for name in loaded}
    assert [name for name in loaded if name.startswith("llm_orchestrator.")] == []
    assert len(loaded) <= 40


def test_names_of_the_core_load_no_tools() -> None:
    loaded = loaded_by("from llm_orchestrator import AsyncLLMOrchestrator, LLMOrchestrator")
    assert not NEVER_TO_CALL & {name.split(".")[0] for name in loaded}


def test_exports_are_pinned() -> None:
    assert sorted(llm_orchestrator.__all__) == sorted(EXPORTS)
    assert set(EXPORTS) <= set(dir(llm_orchestrator))


@pytest.mark.parametrize("name", EXPORTS)
def test_export_exists(name: str) -> None:
    assert getattr(llm_orchestrator, name) is not None


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(llm_orchestrator.__file__).read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(EXPORTS) - {"__version__"}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = llm_orchestrator.Nothing
