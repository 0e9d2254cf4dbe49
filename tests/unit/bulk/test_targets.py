"""Whom a run asks, by the names of models and of providers."""

from typing import Any

import pytest

from llm_orchestrator.bulk.planning.split import Split
from llm_orchestrator.bulk.planning.targets import EMBEDDERS, find_targets
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.config import load
from llm_orchestrator.engine.build import build
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import ConfigError, InvalidRequestError, ModelNotFoundError
from llm_orchestrator.providers.table import TABLE

KEYS = {"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b", "GEMINI_API_KEY": "c"}
CHAT = load_task({"prompt": "x", "name": "chat"})
VECTORS = load_task({"input": "t", "name": "vectors"})


def runtime(**keys: str) -> Runtime:
    return build(load({"cost_tracking": {"enabled": False}}, env=keys or KEYS))


def names(*tasks: Any, models: Any = (), split: str | None = None, **options: Any) -> Any:
    """Of one task its candidates; of several a mapping; with a split also its parts."""
    found, named = find_targets(runtime(), tasks or (CHAT,), models, Split.read(split), **options)
    told = {task: [one.name for one in many] for task, many in found.items()}
    made: Any = told if len(tasks) > 1 else next(iter(told.values()))
    return (made, [part.name for part in named.parts]) if split else made


def test_models_and_providers_by_any_of_their_names() -> None:
    assert names(models="gpt-4o-mini, claude, gemini/gemini-3.5-flash-lite") == [
        "openai/gpt-4o-mini",
        "anthropic/claude-haiku-4-5-20251001",
        "gemini/gemini-3.5-flash-lite",
    ]
    assert names(models=["gpt-4o-mini", "openai/gpt-4o-mini"]) == ["openai/gpt-4o-mini"]


def test_without_models_the_task_says_whom() -> None:
    assert names(load_task({"prompt": "x", "models": ["gpt-4o", "claude"]})) == [
        "openai/gpt-4o",
        "anthropic/claude-haiku-4-5-20251001",
    ]
    assert names() == ["openai/gpt-4o-mini"]
    assert names(load_task({"media": "{{ u }}", "prompt": "x"}))[0].startswith("gemini/")


def test_a_split_says_whom_as_well() -> None:
    split = "claude=1500:batch,gemini=1000:online,openai=rest:batch"
    found, parts = names(split=split)
    assert [one.partition("/")[0] for one in found] == ["anthropic", "gemini", "openai"]
    assert parts == found


def test_a_split_means_the_models_that_are_named() -> None:
    own = load_task({"prompt": "x", "models": ["claude-sonnet-4-5", "gpt-4o"]})
    found, parts = names(own, split="claude=10,gpt-4o=rest")
    assert parts == found == ["anthropic/claude-sonnet-4-5", "openai/gpt-4o"]


def test_a_task_for_vectors_takes_those_who_make_them() -> None:
    found = names(CHAT, VECTORS, models="gpt-4o,text-embedding-3-small")
    assert found == {"chat": ["openai/gpt-4o"], "vectors": ["openai/text-embedding-3-small"]}
    assert names(VECTORS, models="gemini") == [f"gemini/{EMBEDDERS['gemini']}"]
    assert names(VECTORS) == [f"openai/{EMBEDDERS['openai']}"]
    with pytest.raises(InvalidRequestError, match="name a model of claude that makes vectors"):
        names(VECTORS, models="claude")
    # Nobody else is there: the estimate says why it cannot be asked.
    assert names(VECTORS, models="gpt-4o") == ["openai/gpt-4o"]


@pytest.mark.parametrize("provider,model", EMBEDDERS.items())
def test_who_makes_vectors_is_known(provider: str, model: str) -> None:
    found = Catalog.load(providers=TABLE.values()).resolve(model, provider)
    assert not found.known or found.mode == "embedding"


def test_an_estimate_needs_no_keys() -> None:
    poor = runtime(OPENAI_API_KEY="a")
    with pytest.raises(ConfigError, match="no API key: set ANTHROPIC_API_KEY"):
        find_targets(poor, [CHAT], "claude-haiku")
    for name in ("claude-haiku", "claude"):
        found, _ = find_targets(poor, [CHAT], name, keyless=True)
        (one,) = found["chat"]
        assert one.provider.name == "anthropic"
        assert "cannot be asked yet: no API key" in one.notice


def test_nobody_is_called_so() -> None:
    with pytest.raises(ModelNotFoundError, match="no model is called"):
        names(models="nobody-knows-this")
