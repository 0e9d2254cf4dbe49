"""Who could answer a call, and in which order."""

from typing import Any

import pytest

from llm_orchestrator.engine import pool
from llm_orchestrator.engine.build import build
from llm_orchestrator.engine.candidates import Candidates
from llm_orchestrator.errors import ConfigError, InvalidRequestError, OrchestratorError
from llm_orchestrator.types.provider import Candidate

MINI, HAIKU = "gpt-4o-mini", "claude-haiku-4-5-20251001"
OPENAI: dict[str, Any] = {"api_key": "sk-openai-0123456789"}
ANTHROPIC: dict[str, Any] = {"api_key": "sk-ant-0123456789"}


def candidates(provider: str | None = None, model: str | None = None, **more: Any) -> Candidates:
    config = {"cost_tracking": {"enabled": False}} | more
    return build(config, provider=provider, model=model).candidates


def names(found: tuple[Candidate, ...]) -> list[str]:
    return [one.name for one in found]


BOTH: dict[str, Any] = {"openai": OPENAI, "anthropic": ANTHROPIC}
ACTIVE: dict[str, Any] = {
    "providers": BOTH,
    "active_provider": "openai",
    "active_model": "gpt-4o",
}


# ------------------------------------------------------------------ who is first


@pytest.mark.parametrize(
    ("config", "first"),
    [
        ({"providers": {"openai": OPENAI}}, f"openai/{MINI}"),
        ({"providers": {"anthropic": ANTHROPIC}}, f"anthropic/{HAIKU}"),
        ({"providers": BOTH, "active_provider": "anthropic"}, f"anthropic/{HAIKU}"),
        ({"providers": BOTH, "active_provider": "claude"}, f"anthropic/{HAIKU}"),
        (ACTIVE, "openai/gpt-4o"),
        ({"providers": BOTH, "active_model": HAIKU}, f"anthropic/{HAIKU}"),
        ({"providers": {"openai": OPENAI | {"default_model": "gpt-4o"}}}, "openai/gpt-4o"),
    ],
)
def test_the_first_by_configuration(config: Any, first: str) -> None:
    assert names(candidates(**config).of(None, None))[0] == first


@pytest.mark.parametrize(
    ("provider", "model", "first"),
    [
        ("anthropic", None, f"anthropic/{HAIKU}"),
        ("claude", None, f"anthropic/{HAIKU}"),
        (None, HAIKU, f"anthropic/{HAIKU}"),
        (None, "gpt-4o", "openai/gpt-4o"),
        (None, f"anthropic/{HAIKU}", f"anthropic/{HAIKU}"),
        ("openai", "gpt-4o", "openai/gpt-4o"),
        ("openai", "a-model-of-my-own", "openai/a-model-of-my-own"),
    ],
)
def test_the_first_by_call(provider: str | None, model: str | None, first: str) -> None:
    made = candidates(providers=BOTH, active_provider="openai", active_model=MINI)
    assert names(made.of(provider, model))[0] == first


def test_the_first_by_orchestrator() -> None:
    assert names(candidates(provider="anthropic", providers=BOTH).of(None, None))[0] == (
        f"anthropic/{HAIKU}"
    )
    made = candidates(model=HAIKU, providers=BOTH, active_provider="openai")
    assert names(made.of(None, None))[0] == f"anthropic/{HAIKU}"
    assert names(made.of("openai", None))[0] == f"openai/{MINI}"
    assert names(made.of(None, "gpt-4o"))[0] == "openai/gpt-4o"


def test_the_active_model_is_of_the_active_provider_only() -> None:
    made = candidates(providers=BOTH, active_provider="openai", active_model="gpt-4o")
    assert names(made.of("anthropic", None))[0] == f"anthropic/{HAIKU}"
    assert names(made.of("openai", None))[0] == "openai/gpt-4o"


# ------------------------------------------------------------------ who comes next

RESCUED: dict[str, Any] = {
    "providers": {
        "openai": OPENAI | {"fallback_models": ["gpt-4o", MINI, "gpt-4.1"]},
        "anthropic": ANTHROPIC | {"fallback_models": ["claude-sonnet-4-5-20250929"]},
    },
    "active_provider": "openai",
    "active_model": MINI,
}


def test_fallback_models_then_other_providers() -> None:
    assert names(candidates(**RESCUED).of(None, None)) == [
        f"openai/{MINI}",
        "openai/gpt-4o",
        "openai/gpt-4.1",
        f"anthropic/{HAIKU}",
    ]


@pytest.mark.parametrize(("provider", "model"), [("openai", None), (None, f"openai/{MINI}")])
def test_a_call_that_names_its_provider_never_leaves_it(
    provider: str | None, model: str | None
) -> None:
    assert names(candidates(**RESCUED).of(provider, model)) == [
        f"openai/{MINI}",
        "openai/gpt-4o",
        "openai/gpt-4.1",
    ]


@pytest.mark.parametrize(
    ("more", "others"),
    [
        ({}, 1),
        ({"fallback": {"enabled": False}}, 0),
        ({"routing_strategy": "specified"}, 0),
        ({"routing_strategy": "fallback"}, 1),
        ({"fallback": {"max_retries": 0}}, 0),
        ({"fallback": {"providers": ["anthropic"]}}, 1),
        ({"fallback": {"providers": ["openai"]}}, 0),
    ],
)
def test_whether_others_may_help(more: Any, others: int) -> None:
    found = names(candidates(**RESCUED, **more).of(None, None))
    assert len([name for name in found if not name.startswith("openai/")]) == others


def test_others_need_a_key_and_a_model() -> None:
    made = candidates(providers={"openai": OPENAI, "anthropic": {}, "vllm": {}})
    assert names(made.of(None, None)) == [f"openai/{MINI}"]


# ------------------------------------------------------------------ chains


def test_a_chain_is_taken_as_it_is() -> None:
    made = candidates(**RESCUED)
    assert names(made.chain([HAIKU, "openai/gpt-4o"])) == [f"anthropic/{HAIKU}", "openai/gpt-4o"]


@pytest.mark.parametrize(
    ("chain", "words"),
    [([], "empty"), ([MINI, MINI], "twice"), ([MINI, f"openai/{MINI}"], "twice")],
)
def test_chains_that_are_none(chain: list[str], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        candidates(**RESCUED).chain(chain)


def test_a_chain_of_ours_does_not_mean_models_on_this_machine() -> None:
    runtime = build(
        {
            "active_provider": "local",
            "providers": {"openai": OPENAI},
            "cost_tracking": {"enabled": False},
        }
    )
    found = pool.chain(runtime, "mixed")
    assert names(found.candidates) == [f"openai/{MINI}", "openai/gpt-4o"]
    assert {one.name for one in found.skipped} > {"claude-haiku-3.5"}
    assert "local/gpt-4o" not in names(pool.general(runtime).candidates)
    # What its user writes may well be there.
    assert runtime.candidates.one("gpt-4o").name == "local/gpt-4o"


# ------------------------------------------------------------------ what is missing


def test_without_any_key() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        candidates().of(None, None)


def test_a_provider_without_its_key() -> None:
    made = candidates(providers={"openai": OPENAI})
    with pytest.raises(OrchestratorError, match="ANTHROPIC_API_KEY"):
        made.of("anthropic", None)


def test_a_server_without_a_model() -> None:
    section = {"base_url": "http://127.0.0.1:1/v1", "api_key": "sk-0123456789"}
    made = candidates(providers={"compatible": section})
    with pytest.raises(ConfigError, match="model"):
        made.of("compatible", None)
    assert names(made.of("compatible", "mine")) == ["compatible/mine"]


def test_a_model_of_an_own_server() -> None:
    section = {"base_url": "http://127.0.0.1:1/v1", "api_key": "sk-0123456789"}
    made = candidates(providers={"compatible": section}, active_provider="compatible")
    assert names(made.of(None, "mine"))[0] == "compatible/mine"


def test_lists_are_made_once() -> None:
    made = candidates(**RESCUED)
    assert made.of(None, None) is made.of(None, None)
    assert made.of("openai", None) is not made.of(None, None)
