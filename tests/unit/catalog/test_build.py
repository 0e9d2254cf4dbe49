"""The tool that builds the data file: how it merges its sources, and that it always does alike."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from genai_prices import types as theirs

from llm_orchestrator.catalog.catalog import DATA_FILE
from tests.unit.catalog.price_samples import entry, listed, price
from tools.catalog_build import merge, names, providers
from tools.catalog_build.render import render

ROOT = Path(__file__).resolve().parents[3]
DAY = "2026-11-20"


def build(
    past: list[theirs.ModelInfo], now: dict[str, dict[str, Any]], **curated: Any
) -> tuple[dict[str, Any], merge.Notes]:
    merger = merge.Merger(
        {"groq": theirs.Provider(id="groq", name="Groq", api_pattern="", models=past)},
        {f"groq/{name}": {"litellm_provider": "groq", **row} for name, row in now.items()},
        {"version": DAY, **curated},
    )
    source = next(source for source in providers.SOURCES if source.name == "groq")
    return merger.provider(source), merger.notes


def test_what_one_lacks_is_filled_in_where_they_agree() -> None:
    past = entry((None, price(input="9")), ("2026-01-01", price(input="1", output="2")))
    now = listed(
        input_cost_per_token=1e-06,
        output_cost_per_token=2e-06,
        cache_read_input_token_cost=1e-07,
        input_cost_per_token_batches=5e-07,
        max_input_tokens=900,
        max_output_tokens=100,
        deprecation_date="2027-01-01",
    )
    models, notes = build([past], {"some-model": now})
    row = models["some-model"]
    assert row["prices"] == [
        {"input": 9_000_000},
        {
            "from": "2026-01-01",
            "input": 1_000_000,
            "output": 2_000_000,
            "cache_read": 100_000,
            "batch": {"input": 500_000},
        },
    ]
    assert (row["context"], row["max_output"], row["retired"]) == (900, 100, "2027-01-01")
    assert row["aliases"] == ["other-name"]
    assert not notes.disagree


def test_where_they_disagree_the_history_wins_and_the_build_says_so() -> None:
    past = entry((None, price(input="1", output="2")))
    now = listed(input_cost_per_token=3e-06, cache_read_input_token_cost=1e-07)
    models, notes = build([past], {"some-model": now})
    assert models["some-model"]["prices"] == [{"input": 1_000_000, "output": 2_000_000}]
    assert notes.disagree == ["groq/some-model: history 1000000/2000000, community 3000000/None"]
    models, notes = build([past], {"some-model": now}, trust_community={"groq": ["^some-"]})
    assert models["some-model"]["prices"] == [{"input": 3_000_000, "cache_read": 100_000}]
    assert not notes.disagree


def test_models_of_one_source_only() -> None:
    free = entry((None, price(input="1")), name="x:free")
    free.prices = theirs.ModelPrice()
    now = {
        "new": listed(input_cost_per_token=1e-06),
        "zero": listed(input_cost_per_token=0, output_cost_per_token=0),
        "embed-1": listed(input_cost_per_token=1e-06, output_cost_per_token=0, mode="embedding"),
        "whisper-x": listed(input_cost_per_token=1e-06),
    }
    models, _ = build([free], now)
    assert models["x:free"]["prices"] == [{"input": 0, "output": 0}]
    assert models["new"]["prices"] == [{"input": 1_000_000}]
    assert "prices" not in models["zero"]  # nobody filled it in
    assert models["embed-1"]["prices"] == [{"input": 1_000_000}]
    assert models["embed-1"]["abilities"] == ["embeddings"]
    assert "whisper-x" not in models


def test_curated_facts() -> None:
    past = entry((None, price(input="1")))
    models, _ = build(
        [past],
        {"old": listed(input_cost_per_token=1e-06, deprecation_date="2026-10-15")},
        lifecycle={"groq": {"some-model": {"retired": "2026-08-16", "successor": "old"}}},
        tentative_dates={"groq": ["^old"]},
        drop={"groq": ["other-name"]},
        extra={"groq": {"some-model-20260102": {"like": "groq/old"}}},
    )
    assert models["some-model"]["successor"] == "old"
    assert "aliases" not in models["some-model"]
    assert "retired" not in models["old"]
    assert models.get("some-model-20260102", {}) == {}  # no source prices it


def test_families_and_their_newest() -> None:
    def row(**keys: Any) -> dict[str, Any]:
        return {"prices": [{"input": 1}], **keys}

    models: dict[str, dict[str, dict[str, Any]]] = {
        "anthropic": {
            "claude-haiku-4-5": row(),
            "claude-haiku-4-5-20251001": row(),
            "claude-haiku-4-9": row(deprecated="2026-11-01"),
            "claude-haiku-5-5": row(),
            "claude-haiku-6-preview": row(),
            "claude-3-5-haiku-20241022": row(retired="2026-02-19"),
        }
    }
    names.add_families(models, [{"pattern": r"claude-(?:[\d.-]+-)?(haiku)", "name": r"claude-\1"}])
    assert {row["family"] for row in models["anthropic"].values()} == {"claude-haiku"}
    assert names.newest(models["anthropic"], "claude-haiku", DAY) == "claude-haiku-5-5"
    names.add_successors(models, DAY)
    assert models["anthropic"]["claude-3-5-haiku-20241022"]["successor"] == "claude-haiku-5-5"
    assert "successor" not in models["anthropic"]["claude-haiku-4-5"]
    curated: dict[str, Any] = {
        "version": DAY,
        "family_aliases": {"claude-haiku": "anthropic"},
        "aliases": {"a": "anthropic/none"},
    }
    with pytest.raises(ValueError, match="anthropic/none"):
        names.aliases(models, curated)
    curated["aliases"] = {}
    assert names.aliases(models, curated) == {"claude-haiku": "anthropic/claude-haiku-5-5"}


def test_the_file_is_rendered_the_same_from_any_order() -> None:
    text = DATA_FILE.read_text("utf-8")
    catalog = json.loads(text)
    assert render(catalog) == text

    def reverse(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reverse(inner) for key, inner in reversed(value.items())}
        return value

    backwards = catalog | {
        "providers": {
            name: part | {"models": dict(reversed(part["models"].items()))}
            for name, part in reversed(catalog["providers"].items())
        },
        "aliases": reverse(catalog["aliases"]),
    }
    assert render(backwards) == text
    with pytest.raises(ValueError, match="colour"):
        render(catalog | {"providers": {"p": {"models": {"m": {"colour": "red"}}}}})


@pytest.mark.parametrize("seed", ["1", "2"])
def test_two_builds_give_the_same_file(tmp_path: Path, seed: str) -> None:
    sample = tmp_path / "prices.json"
    needed = {
        f"{kind}/{name}": {
            "litellm_provider": kind,
            "mode": "chat",
            "input_cost_per_token": 1e-06,
            "supports_vision": True,
            "supports_function_calling": True,
        }
        for kind, name in (
            ("cohere", "command-r-08-2024"),
            ("cohere", "command-r-plus-08-2024"),
            ("cohere", "command-a-03-2025"),
            ("deepinfra", "meta-llama/Meta-Llama-3.1-70B-Instruct"),
            ("deepinfra", "meta-llama/Llama-3.3-70B-Instruct"),
            ("together_ai", "meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo"),
            ("anthropic", "claude-haiku-4-5-20251001"),
            ("anthropic", "claude-sonnet-4-5-20250929"),
            ("anthropic", "claude-opus-4-5-20251101"),
        )
    }
    sample.write_text(json.dumps(needed), "utf-8")
    out = [tmp_path / "one.json", tmp_path / "two.json"]
    for number, path in enumerate(out):
        subprocess.run(
            [
                *(sys.executable, str(ROOT / "tools/build_catalog.py")),
                *("--litellm", str(sample), "--date", DAY, "--out", str(path)),
            ],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONHASHSEED": f"{seed}{number}"},
        )
    assert out[0].read_bytes() == out[1].read_bytes()
    assert json.loads(out[0].read_text("utf-8"))["version"] == DAY
