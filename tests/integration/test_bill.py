"""Our ledger, the simulator's bill and the published prices say the same; a difference shows."""

import ast
import copy
import os
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.bill import bill
from benchmarks.billing import published, table
from benchmarks.billing.books import Accounts, Line
from benchmarks.billing.payer import SCENARIOS
from tests.conformance.rows import ROWS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", ROWS)
async def test_no_difference(row: str, tmp_path: Path) -> None:
    lines = await bill([row], frozenset(), tmp_path)
    assert [line.scenario for line in lines] == [scenario.name for scenario in SCENARIOS]
    assert [line for line in lines if line.verdict == "DIFFERS"] == []


@pytest.mark.parametrize("row", ["anthropic", "openai", "ollama"])
async def test_scenarios(row: str, tmp_path: Path) -> None:
    lines = await bill([row], frozenset(), tmp_path)
    by = {line.scenario: line for line in lines}
    exact = "free" if row == "ollama" else "="
    for name in ("plain", "stream", "cached", "reasoning", "tools"):
        line = by[name]
        assert line.verdict == exact
        assert line.ours == line.billed == line.recomputed
        assert bool(line.ours) == (exact == "=")
    assert (by["plain"].requests, by["fallback"].requests) == (1, 8)
    assert by["cut stream"].verdict == ("free" if row == "ollama" else "est.")
    if row == "anthropic":
        assert by["cache write"].verdict == "="
        assert (by["embeddings"].verdict, by["embeddings"].reason) == ("-", "has no embeddings")


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "benchmarks/bill.py", "--only", "gemini", "--scenario", "plain"]
    env = os.environ | {"LLMO_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 lines equal to the last digit" in done.stdout
    assert "0 that differ" in done.stdout


# ------------------------------------------------------------------ the judge itself

USAGE = {
    "input_tokens": 1_000,
    "output_tokens": 10,
    "cache_read_tokens": 500,
    "cache_write_tokens": 300,
    "cache_write_1h_tokens": 100,
    "reasoning_tokens": 4,
}
HAIKU = "claude-haiku-4-5-20251001"
OURS: dict[str, Any] = {
    "provider": "anthropic",
    "status": "ok",
    "cost_source": "price",
    "usage_estimated": 0,
    "cost_pico": 750_000_000,
    "hold_pico": 9_000_000_000,
}
BILL: dict[str, Any] = {
    "client_request_id": "att-1",
    "model": HAIKU,
    "requested_model": HAIKU,
    "service_tier": "standard",
    "time": "2026-11-20T08:00:00Z",
    "usage": USAGE,
    "cost_pico": 750_000_000,
}


def judged(ours: dict[str, Any], billed: dict[str, Any], scenario: str = "plain") -> Line:
    accounts = Accounts({"att-1": OURS | ours}, {}, frozenset(("ollama",)), frozenset())
    return accounts.line("anthropic", scenario, [copy.deepcopy(BILL) | billed])


def test_equal_books_are_equal() -> None:
    line = judged({}, {})
    assert (line.verdict, line.ours, line.recomputed) == ("=", Decimal("0.00075"), line.billed)


@pytest.mark.parametrize(
    ("ours", "billed", "reason"),
    [
        ({"cost_pico": 750_000_001}, {}, "price, ok"),
        ({"cost_pico": None}, {}, "estimated"),
        ({"usage_estimated": 1}, {}, "estimated"),
        ({"usage_estimated": 1, "status": "truncated", "hold_pico": 1}, {}, "held"),
        ({"usage_estimated": 1, "status": "truncated", "hold_pico": None}, {}, "nothing held"),
        ({"cost_pico": 750_000_001}, {"cost_pico": 750_000_001}, "not what is published"),
        ({"cost_pico": None}, {"cost_pico": None}, "not what is published"),
        ({}, {"client_request_id": "att-2"}, "not in our ledger"),
        ({}, {"usage": USAGE | {"minutes": 3}}, "no rule for minutes"),
        ({"cost_pico": 0}, {"model": "claude-unheard-of", "cost_pico": None}, "published"),
    ],
)
def test_a_difference_shows(ours: dict[str, Any], billed: dict[str, Any], reason: str) -> None:
    line = judged(ours, billed)
    assert line.verdict == "DIFFERS"
    assert reason in line.reason


def test_what_is_explained() -> None:
    cut = judged({"usage_estimated": 1, "status": "truncated", "cost_pico": 5}, {})
    assert (cut.verdict, cut.owed, cut.held) == ("est.", Decimal("0.00075"), Decimal("0.009"))
    unpriced = judged({"cost_pico": None}, {"model": "claude-unheard-of", "cost_pico": None})
    assert unpriced.verdict == "no price"
    assert judged({"provider": "ollama", "cost_pico": 0}, {}).verdict == "free"
    assert judged({"provider": "ollama"}, {}).verdict == "DIFFERS"


def test_published_rules() -> None:
    def cost(
        provider: str, model: str, usage: dict[str, int], day: str = "2026-11-20"
    ) -> Decimal | None:
        return published.cost(provider, model, dict.fromkeys(USAGE, 0) | usage, {}, day=day)

    million, one = {"input_tokens": 10**6}, {"input_tokens": 1}
    # 200 at 1, 500 at 0.1, 200 at 1.25, 100 at 2 and 10 at 5 USD per million
    assert cost("anthropic", HAIKU, USAGE) == Decimal("0.00075")
    assert cost("gemini", "gemini-3.8-flash", million) == Decimal("0.75")
    assert cost("gemini", "gemini-3.8-flash", million, "2027-01-01") == Decimal("1.5")
    assert cost("perplexity", "sonar", one) == Decimal("0.012001")
    assert cost("perplexity", "sonar", {}) == 0
    deep = {"output_tokens": 3, "reasoning_tokens": 2, "searches": 1, "citation_tokens": 5}
    found = cost("perplexity", "sonar-deep-research", one | deep)
    assert found == Decimal("0.005") + Decimal("0.000026")
    assert cost("anthropic", "claude-unheard-of", one) is None


def test_the_third_account_is_independent() -> None:
    tree = ast.parse(Path(published.__file__).read_text("utf-8"))
    found = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert found == {"json", "collections.abc", "decimal", "functools", "pathlib", "typing"}


def test_the_table_is_exact() -> None:
    text = StringIO()
    lines = [judged({}, {}), judged({"cost_pico": 1}, {})]
    table.show(Console(file=text, width=150), lines)
    assert "0.00075" in text.getvalue()
    assert "0.000000000001" in text.getvalue()
    assert "1 that differ" in text.getvalue()
    assert [line["verdict"] for line in table.as_data(lines)["lines"]] == ["=", "DIFFERS"]
