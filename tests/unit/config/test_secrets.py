"""No mistake, repr or pickle shows what may be a secret."""

import pickle

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.errors import ConfigError

CANARY = "sk-canary-0123456789"


def refused(source: object, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(source, env=env)  # type: ignore[arg-type]
    return str(caught.value)


BAD = (f"{CANARY}\n", f" {CANARY}", f"{CANARY} x", f"{CANARY}\u2026", f"${{X}}{CANARY}", " ")


@pytest.mark.parametrize("key", BAD)
def test_a_key_that_cannot_be_one_is_refused_unseen(key: str) -> None:
    told = refused({"providers": {"openai": {"api_key": "${KEY}"}}}, KEY=key)
    assert "providers.openai.api_key: this cannot be an API key" in told
    assert CANARY not in told


@pytest.mark.parametrize(
    "source",
    [
        {"providers": {"openai": CANARY}},
        {"providers": {"openai": {"api_key": [CANARY]}}},
        {"providers": {"openai": {"api_key": {"a": CANARY}}}},
        {"providers": {"openai": {"base_url": f"http://u:{CANARY}@host"}}},
        {"providers": {"openai": {"headers": {"x": f"{CANARY}\r\ny: z"}}}},
        {"store": {"url": f"mysql://u:{CANARY}@host/db"}},
        {"retry": {"max_retries": CANARY}},
    ],
)
def test_no_mistake_shows_a_value_that_may_be_secret(source: object) -> None:
    assert CANARY not in refused(source)


def test_a_number_as_a_key_is_refused_unseen() -> None:
    told = refused({"providers": {"openai": {"api_key": 73310055}}})
    assert "put it in quotes" in told
    assert "73310055" not in told


def test_nothing_printed_or_pickled_holds_a_secret() -> None:
    source = {
        "providers": {"openai": {"api_key": CANARY, "headers": {"x-team": CANARY}}},
        "store": {"url": f"postgresql://u:{CANARY}@host/db"},
    }
    config = load(source, env={"OPENAI_API_KEY": CANARY})
    assert CANARY not in repr(config)
    assert CANARY not in str(config)
    assert CANARY.encode() not in pickle.dumps(config)
