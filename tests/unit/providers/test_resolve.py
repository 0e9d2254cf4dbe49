"""The provider rows that a configuration gives, and what each still needs."""

from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.errors import ConfigError, ModelNotFoundError
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.secret import Secret

CANARY = "sk-canary-0123456789"


def directory(source: dict[str, Any] | None = None, **env: str) -> Directory:
    return Directory(load(source, env=env))


def names(found: Directory) -> list[str]:
    return [row.name for row in found.configured()]


def test_without_a_configuration_the_keys_of_the_environment_decide() -> None:
    assert names(directory()) == []
    found = directory(ANTHROPIC_API_KEY=CANARY, OPENAI_API_KEY=CANARY)
    assert names(found) == ["openai", "anthropic"]
    key = found.use("openai").key
    assert key is not None
    assert key.reveal() == CANARY


def test_the_order_is_active_then_sections_then_table() -> None:
    found = directory(
        {"active_provider": "ollama", "providers": {"claude": {"api_key": CANARY}}},
        OPENAI_API_KEY=CANARY,
    )
    assert names(found) == ["ollama", "anthropic", "openai"]


def test_aliases_mean_the_same_provider_everywhere() -> None:
    found = directory(
        {
            "active_provider": "claude",
            "fallback": {"providers": ["claude"]},
            "providers": {"claude": {"api_key": CANARY, "timeouts": {"idle": 3}}},
        }
    )
    assert found.config.active_provider == "anthropic"
    assert found.config.fallback.providers == ("anthropic",)
    assert found.config.timeouts_for("anthropic").idle == 3
    assert found.get("claude") is found.get("anthropic")
    with pytest.raises(ConfigError, match="both anthropic"):
        directory({"providers": {"claude": {}, "anthropic": {}}})


def test_an_unset_variable_stops_only_its_own_provider() -> None:
    found = directory(
        {
            "providers": {
                "openai": {"api_key": "${MY_KEY}"},
                "anthropic": {"api_key": CANARY},
                "office": {
                    "dialect": "openai",
                    "base_url": "http://${OFFICE_HOST:-h}/v1/",
                    "headers": {"x-team": "${TEAM}"},
                },
            }
        },
        # A reference that is not set is not replaced by another key in silence.
        OPENAI_API_KEY=CANARY,
    )
    assert names(found) == ["anthropic"]
    with pytest.raises(ConfigError, match=r"openai\.api_key needs the environment variable MY_KEY"):
        found.use("openai")
    with pytest.raises(ConfigError, match="variable TEAM, which is not set"):
        found.use("office")


def test_a_missing_key_names_its_variable() -> None:
    with pytest.raises(ConfigError, match=r"set OPENAI_API_KEY, or providers\.openai\.api_key"):
        directory().use("openai")


def test_a_key_of_a_file_may_be_hidden_by_an_empty_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={CANARY}\nGROQ_API_KEY={CANARY}\n")
    monkeypatch.chdir(tmp_path)
    found = directory(OPENAI_API_KEY="")
    assert names(found) == ["groq"]
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY is set but empty, which hides that of"):
        found.use("openai")
    with pytest.raises(ConfigError) as caught:
        found.use("mistral")
    assert "hides" not in str(caught.value)


def test_a_broken_key_in_the_environment_is_told_unseen() -> None:
    found = directory(OPENAI_API_KEY=f"{CANARY}\n")
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY: .* line break") as caught:
        found.use("openai")
    assert CANARY not in str(caught.value)
    assert names(found) == []


def test_unknown_names_suggest_near_ones() -> None:
    with pytest.raises(ModelNotFoundError, match="did you mean openai") as caught:
        directory().get("opnai")
    assert "openai" in caught.value.suggestions
    with pytest.raises(ConfigError, match="did you mean anthropic"):
        directory({"active_provider": "antropic"})
    with pytest.raises(ConfigError, match=r"providers\.opnai .* did you mean openai\?"):
        directory({"providers": {"opnai": {"api_key": CANARY}}})
    with pytest.raises(ConfigError, match="also needs base_url"):
        directory({"providers": {"zzz": {"dialect": "openai"}}})


def test_a_row_of_ones_own() -> None:
    found = directory(
        {
            "providers": {
                "office": {
                    "dialect": "openai",
                    "base_url": "http://host:8000/v1/",
                    "display_name": "Office",
                    "models": [{"name": "emb", "mode": "embedding"}, "llama"],
                    "abilities": ["text", "functions"],
                    "headers": {"x-team": "a"},
                    "quirks": {"stream_usage": False},
                },
                "proxy": {"dialect": "anthropic", "base_url": "https://p", "api_key": CANARY},
            }
        }
    )
    row = found.use("office")
    assert (row.base_url, row.label, row.auth) == ("http://host:8000/v1", "Office", "none")
    assert row.default_model == "llama"
    assert row.headers == {"x-team": Secret("a")}
    assert row.quirks.max_tokens == "max_tokens"
    assert not row.quirks.stream_usage
    assert "vision" in row.lacks
    assert not row.lacks & {"tools", "system", "sampling"}
    assert found.use("proxy").auth == "x-api-key"


def test_a_section_changes_only_what_it_says() -> None:
    found = directory(
        {"providers": {"openai": {"api_key": CANARY, "quirks": {"system_role": "developer"}}}}
    )
    row = found.use("openai")
    assert row.base_url == TABLE["openai"].base_url
    assert row.quirks.unsupported == TABLE["openai"].quirks.unsupported
    assert row.quirks.system_role == "developer"
    assert row.default_model == TABLE["openai"].default_model
    assert CANARY not in repr(row)


def test_a_server_that_needs_no_key_may_be_given_one() -> None:
    assert directory({"providers": {"ollama": {}}}).use("ollama").auth == "none"
    assert directory({"providers": {"ollama": {"api_key": "k"}}}).use("ollama").auth == "bearer"
    assert directory(OLLAMA_API_KEY="k").use("ollama").auth == "bearer"


def test_a_server_without_an_address_cannot_be_used() -> None:
    with pytest.raises(ConfigError, match=r"providers\.compatible\.base_url is missing"):
        directory({"providers": {"compatible": {"api_key": "k"}}}).use("compatible")


@pytest.mark.parametrize(
    "written", ["https://proxy.example", "https://proxy.example/", "https://proxy.example/v1/"]
)
def test_the_address_of_the_messages_wire_may_lack_its_version(written: str) -> None:
    found = directory({"providers": {"claude": {"api_key": CANARY, "base_url": written}}})
    assert found.get("anthropic").base_url == "https://proxy.example/v1"


def test_other_addresses_stay_as_they_are_written() -> None:
    found = directory({"providers": {"openai": {"base_url": "https://proxy.example/api/"}}})
    assert found.get("openai").base_url == "https://proxy.example/api"


def test_another_key_of_a_provider() -> None:
    found = directory({"providers": {"spare": {"like": "claude", "api_key": CANARY}}})
    row, base = found.use("spare"), TABLE["anthropic"]
    assert (row.name, row.like, row.label) == ("spare", "anthropic", "Anthropic (Claude) (spare)")
    assert (row.dialect, row.base_url, row.quirks) == (base.dialect, base.base_url, base.quirks)
    assert names(found) == ["spare"], "its key is nobody else's"


@pytest.mark.parametrize(
    ("name", "like", "expected"),
    [
        ("spare", "opnai", "there is no provider opnai"),
        ("groq", "openai", "groq is a provider itself"),
    ],
)
def test_what_cannot_be_another_key(name: str, like: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"providers.{name}.like: {expected}"):
        directory({"providers": {name: {"like": like, "api_key": CANARY}}})
