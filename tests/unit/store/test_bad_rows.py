import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from llm_orchestrator.store.bad_rows import write
from llm_orchestrator.store.rows import AttemptRow, CallRow, Group, SettlementRow
from llm_orchestrator.store.sqlite import SQLiteBackend
from llm_orchestrator.store.urls import Target

HUGE = 2**70  # more than any database takes


def group(number: int, text: str = "fine") -> Group:
    key = str(number)
    return Group(
        [AttemptRow(attempt_id=key, call_id=key, provider="p", model=text, started_at=number)],
        [SettlementRow(attempt_id=key, status="ok", ended_at=number, latency_us=1, error=text)],
        [CallRow(call_id=key, started_at=1, ended_at=number, status="ok", latency_us=1)],
    )


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target("sqlite", str(tmp_path / "ledger.db"))


@pytest.fixture
def backend(target: Target) -> Iterator[SQLiteBackend]:
    backend = SQLiteBackend(target.place)
    yield backend
    backend.close()


def counts(target: Target) -> list[int]:
    with closing(sqlite3.connect(target.place)) as connection:
        return [
            connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for table in Group.__struct_fields__
        ]


def test_good_rows_are_not_touched(backend: SQLiteBackend, target: Target) -> None:
    assert write(backend, target, group(1)) == []
    assert counts(target) == [1, 1, 1]


def test_what_is_no_text_is_cleaned(backend: SQLiteBackend, target: Target) -> None:
    assert write(backend, target, group(1, "a\udc80b\0")) == []
    assert counts(target) == [1, 1, 1]
    with closing(sqlite3.connect(target.place)) as connection:
        assert connection.execute("SELECT model FROM attempts").fetchone() == ("a?b",)


def test_refused_rows_are_set_aside_whole(
    backend: SQLiteBackend, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    both = group(1)
    both.extend(group(HUGE))
    refused = write(backend, target, both)
    assert [type(row) for row in refused] == [AttemptRow, SettlementRow, CallRow]
    assert counts(target) == [1, 1, 1]
    lines = Path(f"{target.place}.refused.jsonl").read_text().splitlines()
    assert [next(iter(json.loads(line))) for line in lines] == list(Group.__struct_fields__)
    assert json.loads(lines[0])["attempts"][0]["started_at"] == HUGE
    assert caplog.text.count("set aside in") == 3


def test_without_a_file_the_row_is_in_the_log(
    backend: SQLiteBackend,
    target: Target,
    llmo_home: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(f"{target.place}.refused.jsonl").mkdir()
    monkeypatch.setenv("TMPDIR", f"{llmo_home}/nowhere")
    llmo_home.write_text("")
    assert len(write(backend, target, group(HUGE))) == 3
    assert str(HUGE) in caplog.text
    assert "no file takes it" in caplog.text
