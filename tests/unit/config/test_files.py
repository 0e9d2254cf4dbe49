"""Configuration files that are missing, malformed or not text, and numbers in them."""

from decimal import Decimal
from pathlib import Path

import pytest

from llm_orchestrator.config import load
from llm_orchestrator.config.rows import model_row
from llm_orchestrator.errors import ConfigError

CANARY = "sk-canary-0123456789"


def write(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(source: object, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(source, env=env)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    text = refused(tmp_path / "none.yaml")
    assert "there is no configuration file" in text
    assert "llmo config init" in text


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path)


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            f"providers:\n  openai: {{api_key: {CANARY}\n",
            "line 3, column 1: a comma or } is missing",
        ),
        (f"a:\n\t- {CANARY}\n", "line 2, column 1"),
        (f"api_key: *{CANARY.replace('-', '')}\n", "line 1"),
        (f"providers: !!python/object {CANARY}\n", "line 1"),
        ("providers:\n  openai: {}\n  openai: {}\n", "openai is there twice"),
        (f"- {CANARY}\n", "expected keys like"),
        (f"a: {CANARY}\x07\n", "line 1: this is not valid YAML"),
        ("[" * 5000, "this is not valid YAML"),
        ("a: &a [*a]\n", "a: no such key"),
        ("retry: &a {max_retries: *a}\n", "retry.max_retries: expected a whole number"),
    ],
)
def test_malformed_yaml_names_the_place_and_shows_no_text(
    tmp_path: Path, text: str, expected: str
) -> None:
    told = refused(write(tmp_path, text))
    assert expected in told
    assert CANARY.replace("-", "") not in told.replace("-", "")


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"active_provider: openai\nactive_model: caf\xe9\n")
    assert "line 2: not UTF-8 text" in refused(path)


def test_prices_are_exactly_what_was_written(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "providers:\n  openai:\n    models:\n      - gpt-4o\n      - name: ft\n"
        "        prices: {input: 0.1, output: 999999.123456, per_request: 1_0.5}\n"
        "retry: {base_delay: 0.25}\n",
    )
    config = load(path, env={})
    plain, tuned = config.providers["openai"].models
    assert plain.name == "gpt-4o"
    assert tuned.prices is not None
    assert tuned.prices.input == Decimal("0.1")
    row = model_row("openai", tuned)
    assert row.prices[0].input == 100_000
    assert row.prices[0].output == 999_999_123_456
    assert row.prices[0].per_request == 10_500_000_000_000
    assert config.retry.base_delay == 0.25
