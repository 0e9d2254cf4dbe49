import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator.store.costlog import CostLog
from llm_orchestrator.store.rows import CallRow

ROW = CallRow(
    call_id="call_1",
    started_at=1_750_000_000_000_000,
    ended_at=1_750_000_001_250_000,
    status="ok",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=7,
    output_tokens=3,
    cost_pico=2_850_000,
    latency_us=1_250_000,
)


def test_a_line_a_call_with_exact_cost(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "costs.jsonl"
    log = CostLog(path)
    log.write(ROW)
    log.write(CallRow(call_id="call_2", started_at=1, ended_at=1, status="error", latency_us=1))
    log.close()
    first, second = path.read_text().splitlines()
    assert json.loads(first, parse_float=Decimal) == {
        "timestamp": "2025-06-15T15:06:41.250000+00:00",
        "call_id": "call_1",
        "session_id": None,
        "status": "ok",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "input_tokens": 7,
        "output_tokens": 3,
        "cost": Decimal("0.00000285"),
        "latency_ms": 1250,
        "category": "orchestration",
        "strategy": None,
        "user_id": None,
    }
    assert json.loads(second)["cost"] is None
    log.write(ROW)
    log.close()
    assert len(path.read_text().splitlines()) == 3


def test_what_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = CostLog(tmp_path)
    log.write(ROW)
    log.write(ROW)
    assert len(caplog.records) == 1
    assert "cost_tracking.log_path" in caplog.text
    assert str(tmp_path) in caplog.text


def test_a_full_disk_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    log = CostLog("/dev/full")
    log.write(ROW)
    log.write(ROW)
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text


def test_a_lone_surrogate_costs_no_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = CostLog(tmp_path / "costs.jsonl")
    log.write(msgspec.structs.replace(ROW, category="a\ud800b", user_id="\udfff"))
    log.close()
    line = json.loads(log.path.read_text(), parse_float=Decimal)
    assert (line["category"], line["user_id"]) == ("a?b", "?")
    assert line["cost"] == Decimal("0.00000285")
    assert not caplog.records


def test_what_is_no_json_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = CostLog(tmp_path / "costs.jsonl")
    odd: Any = object()
    log.write(msgspec.structs.replace(ROW, category=odd))
    log.write(msgspec.structs.replace(ROW, category=odd))
    assert len(caplog.records) == 1
    log.write(ROW)
    assert len(log.path.read_text().splitlines()) == 1
    log.close()
