"""What users of the older libraries have in their programs and files works as it stands.

The snippets are changed in one thing only: a provider's section names the simulator as `base_url`.
"""

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator, ModelNotFoundError
from llm_orchestrator.config import load
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.simulator import Simulator

from .markdown import ROOT

Write = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator().run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def write(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a configuration with the simulator's addresses; the keys are in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-classic-openai")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-classic")
    address = {"openai": sim.openai_url, "anthropic": f"{sim.anthropic_url}/v1"}

    def write(name: str, text: str) -> Path:
        for provider, url in address.items():
            section = re.compile(rf"^( *){provider}:.*$", re.MULTILINE)
            text = section.sub(rf'\g<0>\n\1  base_url: "{url}"', text)
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


OPENAI_ACTIVE = """\
active_provider: "openai"  # Still using OpenAI
active_model: "gpt-4"

providers:
  openai:
    api_key: "${OPENAI_API_KEY}"
    fallback_models: ["gpt-4", "gpt-4o-mini"]

  anthropic:  # Add Anthropic
    api_key: "${ANTHROPIC_API_KEY}"
    fallback_models: ["claude-opus-4-20250514"]
"""


def test_switch_providers_in_the_configuration_only(write: Write) -> None:
    write("config.yaml", OPENAI_ACTIVE)
    with LLMOrchestrator("config.yaml") as orchestrator:
        anthropic_models = orchestrator.get_available_models("anthropic")
        assert len(anthropic_models) > 5
        response = orchestrator.send_request(messages=[{"role": "user", "content": "Hello"}])
        assert response.provider == "openai"
        # gpt-4 is no more: its successor answers, and the reply says so.
        assert response.model.startswith("gpt-4")
        assert "gpt-4 was retired" in " ".join(response.notices)

    switched = OPENAI_ACTIVE.replace('active_provider: "openai"', 'active_provider: "anthropic"')
    switched = switched.replace('active_model: "gpt-4"', 'active_model: "claude-opus-4-20250514"')
    write("config.yaml", switched)
    with LLMOrchestrator("config.yaml") as orchestrator:
        response = orchestrator.send_request(messages=[{"role": "user", "content": "Hello"}])
        assert response.provider == "anthropic"
        assert response.model.startswith("claude-opus-4")


def test_compare_costs_of_models(write: Write) -> None:
    write("config.yaml", OPENAI_ACTIVE)
    configs = [
        ("openai", "gpt-4"),
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
    ]
    results: list[dict[str, Any]] = []
    for provider, model in configs:
        orchestrator = LLMOrchestrator("config.yaml", provider=provider, model=model)
        for _ in range(3):
            response = orchestrator.send_request(
                messages=[{"role": "user", "content": "Summarize quantum physics in 50 words"}],
                temperature=0.7,
            )
            assert response.provider == provider
        cost = orchestrator.get_session_cost()
        results.append(
            {"provider": provider, "model": model, "cost": cost, "cost_per_request": cost / 100}
        )
    ranked = [row["model"] for row in sorted(results, key=lambda row: row["cost"])]
    assert ranked[0] == "gpt-4o-mini"
    assert all(isinstance(row["cost"], Decimal) and row["cost"] > 0 for row in results)


DEV = """\
active_provider: "openai"
active_model: "gpt-4o-mini"

providers:
  openai:
    api_key: "${OPENAI_API_KEY}"
    fallback_models: ["gpt-4o-mini"]

cost_tracking:
  enabled: true
  log_path: "./dev_costs.log"
"""
PROD = """\
active_provider: "anthropic"
active_model: "claude-opus-4-20250514"

providers:
  anthropic:
    api_key: "${ANTHROPIC_API_KEY}"
    fallback_models:
      - "claude-opus-4-20250514"
      - "claude-sonnet-4-5"  # Fallback to cheaper

cost_tracking:
  enabled: true
  log_path: "./llm_costs.log"
"""


@pytest.mark.parametrize(
    "environment, provider, log",
    [(None, "openai", "dev_costs.log"), ("prod", "anthropic", "llm_costs.log")],
)
def test_one_configuration_for_each_environment(
    environment: str | None,
    provider: str,
    log: str,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("config.dev.yaml", DEV)
    write("config.prod.yaml", PROD)
    if environment:
        monkeypatch.setenv("ENVIRONMENT", environment)
    program = """
import os
from llm_orchestrator import LLMOrchestrator

env = os.getenv("ENVIRONMENT", "dev")
config_file = f"config.{env}.yaml"

orchestrator = LLMOrchestrator(config_file)
response = orchestrator.send_request(messages=[{"role": "user", "content": "Hello"}])
print(response.provider)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{provider}\n", "")
    assert (tmp_path / log).read_text().count("\n") == 1


def test_one_interface_for_all(write: Write) -> None:
    write("config.yaml", OPENAI_ACTIVE)
    with LLMOrchestrator("config.yaml") as orchestrator:
        response = orchestrator.send_request(messages=[{"role": "user", "content": "Hello"}])
        assert response.content
        assert re.fullmatch(r"Cost: \$0\.\d{4}", f"Cost: ${orchestrator.get_session_cost():.4f}")


def test_keys_are_read_from_the_environment(write: Write, sim: Simulator) -> None:
    write("config.yaml", OPENAI_ACTIVE)
    with LLMOrchestrator("config.yaml") as orchestrator:
        orchestrator.send_request(messages=[{"role": "user", "content": "Hello"}])
    accounts = {entry["account"] for entry in sim.log()}
    assert any(account.endswith("enai") for account in accounts)  # the key's last letters


def test_refresh_models_when_one_is_not_found(write: Write) -> None:
    write("config.yaml", OPENAI_ACTIVE)
    with LLMOrchestrator("config.yaml") as orchestrator:
        with pytest.raises(ModelNotFoundError):
            orchestrator.send_request("Hello", chain=["openai/gpt-40"])
        orchestrator.refresh_models()  # Fetch latest models
        models = orchestrator.get_available_models("openai")
        assert "gpt-4o" in {model.id for model in models}
        assert "gpt-4o" in str(models)


def test_a_stream_is_printed_chunk_by_chunk(write: Write) -> None:
    write("config.yaml", OPENAI_ACTIVE)
    messages = [{"role": "user", "content": "What is a lighthouse?"}]
    with LLMOrchestrator("config.yaml") as orchestrator:
        response = orchestrator.send_streaming_request(messages)
        assert "lighthouse" not in str(response)  # Iterator object, not content
        whole = orchestrator.send_request(messages).content
        printed = io.StringIO()
        with redirect_stdout(printed):
            for chunk in orchestrator.send_streaming_request(messages):
                print(chunk, end="", flush=True)  # noqa: T201 - the snippet itself
    assert printed.getvalue() == whole


def test_environment_template(tmp_path: Path) -> None:
    """`cp .env.example .env` gives a file that is read; keys left empty are keys not set."""
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    assert Directory(load(env={})).configured() == []
    with (tmp_path / ".env").open("a") as file:
        file.write("OPENAI_API_KEY=sk-...\nANTHROPIC_API_KEY=sk-ant-...\nGEMINI_API_KEY=AI...\n")
    names = [row.name for row in Directory(load(env={})).configured()]
    assert {"openai", "anthropic"} <= set(names)


ROUTER: dict[str, Any] = {
    "default_provider": "anthropic",
    "routing_strategy": "fallback",
    "auto_approve_threshold_usd": "1.0",
    "enable_audit": True,
    "enable_fallback": True,
    "max_retries": 2,
}


@pytest.mark.parametrize("nested", [True, False])
def test_router_configuration(nested: bool) -> None:
    config = load({"router": ROUTER} if nested else ROUTER, env={})
    assert config.active_provider == "anthropic"
    assert config.auto_approve_threshold_usd == 1
    assert config.cost_tracking.enabled
    assert config.rescues
    assert config.fallback.max_retries == 2


def test_router_variables() -> None:
    config = load(
        env={
            "ORCHESTRATOR_AUTO_APPROVE_THRESHOLD_USD": "1.00",
            "ORCHESTRATOR_ENABLE_AUDIT": "true",
            "ORCHESTRATOR_DEFAULT_PROVIDER": "openai",
        }
    )
    assert config.active_provider == "openai"
    assert config.auto_approve_threshold_usd == 1
    assert config.cost_tracking.enabled


def test_fallback_goes_to_the_next_provider(write: Write, sim: Simulator) -> None:
    """Primary fails, the first fallback answers: two of them at most, by default."""
    path = write("config.yaml", 'providers:\n  openai:\n    api_key: "x"\n  anthropic:\n')
    rule = sim.add_fault(fault="unavailable", provider="openai")
    try:
        with LLMOrchestrator(path) as orchestrator:
            reply = orchestrator.send_request("Hello")
    finally:
        sim.reset()
    assert rule["provider"] == "openai"
    assert reply.provider == "anthropic"
    assert load(path).fallback.max_retries == 2


def test_a_forced_provider_is_never_left(write: Write, sim: Simulator) -> None:
    path = write("config.yaml", OPENAI_ACTIVE)
    with LLMOrchestrator(path) as orchestrator:
        reply = orchestrator.send_request("Hello", provider="claude")
    assert reply.provider == "anthropic"
