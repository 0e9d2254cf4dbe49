"""Rows of results are flat: no name hides another one, and no id is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import LLMOrchestrator
from llm_orchestrator.bulk.output.remerge import remerge
from llm_orchestrator.simulator import Simulator
from tests.integration.bulk.test_runs import MODELS
from tests.integration.bulk.world import sections


@pytest.mark.parametrize("name", ["task", "model", "result", "agreement"])
def test_an_id_may_be_called_as_a_column_of_ours(tmp_path: Path, name: str) -> None:
    keys = ("mood", "agreement", "provider", f"row_{name}")
    schema = {
        "type": "object",
        "properties": {key: {"type": "string"} for key in keys},
        "required": list(keys),
    }
    task = {"name": "t", "id": name, "prompt": "Mood? {{ text }}", "schema": schema}
    given: dict[str, Any] = {"task": task, "models": "gpt-4o-mini,claude-haiku", "split": "each"}
    rows = [{name: f"x{n}", "text": f"post {n}"} for n in range(3)]
    with Simulator(seed=5, speed=36_000).run_in_thread() as sim:
        config = {
            "providers": sections(sim, MODELS),
            "store": {"url": f"sqlite:///{tmp_path / 'ledger.db'}"},
        }
        with LLMOrchestrator(config) as orchestrator:
            run = orchestrator.bulk(rows, out=tmp_path / "out", clock=sim.url, **given)
            assert run.wait() == "completed", run.report().run.error
    whole = tmp_path / "out/consolidated/all_analysis.json"
    for _ in range(2):
        found = json.loads(whole.read_text("utf-8"))
        assert [row[f"row_{name}"] for row in found] == ["x0", "x1", "x2"]
        assert {row["task"] for row in found} == {"t"}
        assert {row["provider"] for row in found} == {"claude"}
        assert {row["agreement"] for row in found} <= {"1/2", "2/2"}
        assert all(row["answer_agreement"] and row["answer_provider"] for row in found)
        assert all(row[f"answer_row_{name}"] for row in found)
        assert remerge(tmp_path / "out", "priority", ("claude", "openai"))["items"] == 3
