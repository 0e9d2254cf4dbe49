"""Alerts are told once each, and callbacks arrive at least once, whatever happens meanwhile."""

import asyncio
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator.bulk.output.savings import savings
from llm_orchestrator.bulk.queue import alerts, callbacks
from llm_orchestrator.engine.notify import Notice, Notifier
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk import BulkStore
from llm_orchestrator.store.bulk_jobs import JobRow
from llm_orchestrator.store.bulk_rows import NewItem, RunRow, Unit
from llm_orchestrator.types.secret import Secret
from tests.waiting import until

HOUR = 3_600_000_000
NOW = 1_000 * 24 * HOUR
USD = 10**12


@pytest.fixture
def store(both: str) -> Iterator[BulkStore]:
    store = BulkStore(both)
    yield store
    store.close()


def run(store: BulkStore, run_id: str, **fields: Any) -> None:
    made = RunRow(run_id=run_id, **{"created_at": NOW, "state": "running", **fields})
    assert store.wait(store.runs.add, made)


def unit(store: BulkStore, work_id: str, run_id: str = "run1", **fields: Any) -> None:
    number = int(work_id.removeprefix("w"))
    item = NewItem(number, fields.get("task", "say"), work_id, work_id, b"{}")
    store.wait(store.items.add, run_id, [item])
    base: dict[str, Any] = {
        "work_id": work_id,
        "run_id": run_id,
        "task": "say",
        "provider": "openai",
        "model": "m",
        "account": "a",
        "tag": work_id,
        "prefix": "x",
        "count": 1,
        "created_at": NOW - HOUR,
    }
    assert store.wait(store.units.add, Unit(**{**base, **fields}), [number])


def raised(store: BulkStore, now: int = NOW) -> list[tuple[str, str]]:
    return [(one.name, one.subject) for one in alerts.evaluate(store, now)]


# ---------------------------------------------------------------- alerts


def test_more_than_a_tenth_of_batches_failed(store: BulkStore) -> None:
    run(store, "run1")
    over: dict[str, Any] = {"state": "collected", "collected_at": NOW - HOUR}
    for number in range(9):
        unit(store, f"w{number}", done=1, **over)
    unit(store, "w9", done=0, failed=1, **over)
    assert raised(store) == [], "one in ten is not more than a tenth"
    unit(store, "w10", done=0, failed=1, **over)
    assert raised(store) == [("High Failure Rate", "batches")]
    assert raised(store) == [], "once"
    assert store.wait(store.alerts.listed, standing=True)[0].severity == "warning"
    assert raised(store, NOW + 25 * HOUR) == []
    assert store.wait(store.alerts.listed, standing=True) == [], "it is over"
    unit(store, "w11", done=0, state="collected", collected_at=NOW + 24 * HOUR)
    assert raised(store, NOW + 25 * HOUR) == [("High Failure Rate", "batches")], "it is back"


def test_a_batch_that_is_open_for_two_days(store: BulkStore) -> None:
    run(store, "run1")
    unit(store, "w1", state="sent", sent_at=NOW)
    unit(store, "w2", state="sent", sent_at=NOW - 2 * HOUR)
    assert raised(store, NOW + 47 * HOUR) == [("Stale Batches", "w2")]
    assert raised(store, NOW + 49 * HOUR) == [("Stale Batches", "w1")]
    assert raised(store, NOW + 49 * HOUR) == []


def test_a_large_queue(store: BulkStore) -> None:
    jobs = [
        JobRow(job_id=f"j{number}", job_type="t", provider="openai", data="{}", queued_at=number)
        for number in range(10_001)
    ]
    store.wait(store.jobs.add, jobs[:-1])
    assert raised(store) == [], "10,000 are not more than 10,000"
    store.wait(store.jobs.add, jobs)
    assert raised(store) == [("Large Queue", "queue")]
    found = store.wait(store.alerts.listed)[0]
    assert (found.severity, found.action) == ("info", "Consider more frequent batches")


def test_every_thousand_dollars_are_told_once_also_after_a_restart(
    store: BulkStore, both: str
) -> None:
    run(store, "run1")
    paid: dict[str, Any] = {"state": "collected", "done": 1, "collected_at": NOW}
    unit(store, "w1", cost_pico=999 * USD, realtime_pico=1998 * USD, **paid)
    assert raised(store) == []
    unit(store, "w2", cost_pico=1500 * USD, realtime_pico=3000 * USD, **paid)
    expected = [("Cost Savings Milestone", "$1000"), ("Cost Savings Milestone", "$2000")]
    assert raised(store) == expected
    other = BulkStore(both)
    assert raised(other) == []
    unit(other, "w3", cost_pico=600 * USD, realtime_pico=1200 * USD, **paid)
    assert raised(other) == [("Cost Savings Milestone", "$3000")]
    other.close()


def test_an_alert_is_told_until_it_has_arrived_and_then_no_more(
    store: BulkStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[Notice] = []
    place = tmp_path / "own_notifier-1.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: own-notifier\nVersion: 1\n")
    (place / "entry_points.txt").write_text(
        "[llm_orchestrator.notifiers]\nown = own_notifier_module:hear\n"
    )
    module = type(sys)("own_notifier_module")
    module.hear = heard.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_notifier_module", module)
    monkeypatch.syspath_prepend(str(tmp_path))
    run(store, "run1")
    unit(store, "w1", state="sent", sent_at=NOW - 49 * HOUR)
    assert raised(store) == [("Stale Batches", "w1")]
    notifier = Notifier(
        [Secret("own")], delivered=lambda notice: alerts.arrived(store, notice), waits_s=(0.05,)
    )
    sender = alerts.AlertSender(store, notifier)
    assert sender.tell() == 1
    assert notifier.flush(20)
    assert [(one.name, one.action) for one in heard] == [("Stale Batches", "Check provider status")]
    found = store.wait(store.alerts.listed)[0]
    assert found.delivered_at is not None
    assert sender.tell() == 0
    assert len(heard) == 1


# ---------------------------------------------------------------- savings


def test_savings_are_by_type_provider_and_month(store: BulkStore) -> None:
    run(store, "run1", name="queue/openai/creative_scoring")
    run(store, "run2")
    june = 1_780_272_000_000_000 + 12 * HOUR  # 2026-06-01, noon
    paid: dict[str, Any] = {"state": "collected", "done": 1}
    unit(store, "w1", cost_pico=5, realtime_pico=10, collected_at=june, **paid)
    unit(store, "w2", cost_pico=8, realtime_pico=10, collected_at=june - 13 * HOUR, **paid)
    other: dict[str, Any] = {"run_id": "run2", "provider": "anthropic", "task": "semantic"}
    unit(store, "w3", cost_pico=3, realtime_pico=6, collected_at=june, **other, **paid)
    unit(store, "w4", cost_pico=None, realtime_pico=None, collected_at=june, **other, **paid)
    online: dict[str, Any] = {"lane": "online", "cost_pico": 7, "realtime_pico": 7}
    unit(store, "w5", collected_at=june, **online, **paid)
    found = savings(store)
    assert (found.total.cost_pico, found.total.realtime_pico) == (16, 26)
    assert found.total.unknown == 1
    assert {name: one.saved_pico for name, one in found.by_job_type.items()} == {
        "creative_scoring": 7,
        "semantic": 3,
    }
    assert {name: one.saved_pico for name, one in found.by_provider.items()} == {
        "openai": 7,
        "claude": 3,
    }
    assert {name: one.saved_pico for name, one in found.by_month.items()} == {
        "2026-05": 2,
        "2026-06": 8,
    }
    assert savings(store, "Pacific/Auckland").by_month.keys() == {"2026-06"}
    assert not found.total.proven, "the ledger knows nothing of these"


# ---------------------------------------------------------------- callbacks


class Receiver(http.server.ThreadingHTTPServer):
    """Hears callbacks, and refuses the first ``refuse`` of them."""

    def __init__(self, refuse: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Hears)
        self.refuse = refuse
        self.heard: list[tuple[str | None, dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Hears(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.headers[callbacks.ID_HEADER], body))
        self.send_response(503 if len(self.server.heard) <= self.server.refuse else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(refuse=2)
    yield server
    server.shutdown()
    server.server_close()


def test_a_webhook_is_called_until_it_answers_also_by_the_next_process(
    store: BulkStore, both: str, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    run(store, "run1", name="queue/openai/creative_scoring")
    callback_id = callbacks.ask(store, "run1", receiver.url)
    assert callbacks.ask(store, "run1", receiver.url) == callback_id
    assert callbacks.arm(store, [], NOW) == 0
    assert callbacks.deliver(store) == 0
    assert receiver.heard == [], "the run goes on"
    store.wait(store.runs.change, "run1", state="completed", ended_at=NOW)
    assert callbacks.arm(store, [], NOW) == 1
    assert callbacks.deliver(store, (0.0,)) == 1, "twice refused, then taken"
    assert caplog.messages[0].endswith("it is called again in 0 s")
    other = BulkStore(both)
    assert callbacks.arm(other, [], NOW) == callbacks.deliver(other) == 0
    (row,) = other.wait(other.callbacks.of_run, "run1")
    assert (row.tries, row.error) == (3, None)
    assert row.delivered_at is not None
    other.close()
    assert [one for one, _ in receiver.heard] == [callback_id] * 3
    body = receiver.heard[-1][1]
    assert (body["event"], body["batch_id"], body["status"]) == (
        "batch.ended",
        "run1",
        "completed",
    )
    assert (body["callback_id"], body["attempt"]) == (callback_id, 3)
    assert body["job_type"] == "creative_scoring"


def test_what_a_worker_began_when_it_died_is_called_again(
    store: BulkStore, receiver: Receiver
) -> None:
    receiver.refuse = 0
    run(store, "run1", state="completed", ended_at=NOW)
    callbacks.ask(store, "run1", receiver.url)
    callbacks.arm(store, [], NOW)
    assert store.wait(store.callbacks.take, 60.0) is not None  # and then it died
    assert callbacks.deliver(store) == 0, "it is leased"
    (row,) = store.wait(store.callbacks.of_run, "run1")
    store.wait(store.callbacks.failed, row.callback_id, "", 0.0)  # its lease is over
    assert callbacks.deliver(store) == 1
    assert len(receiver.heard) == 1


def test_targets_of_the_configuration_hear_of_every_run_once(
    store: BulkStore, receiver: Receiver
) -> None:
    receiver.refuse = 0
    run(store, "run1", state="completed", ended_at=NOW)
    run(store, "run2", state="partial", ended_at=NOW)
    run(store, "run3", state="completed", ended_at=NOW - 25 * HOUR)
    run(store, "run4")
    for _ in range(2):
        callbacks.arm(store, [receiver.url], NOW)
        callbacks.deliver(store)
    assert sorted(body["batch_id"] for _, body in receiver.heard) == ["run1", "run2"]


def test_commands_and_functions_are_called(
    store: BulkStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_hooks.py").write_text(
        "heard = []\nasync def hear(body):\n    heard.append(body)\n"
        "def broken(body):\n    raise ValueError('not today')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_hooks", raising=False)
    script = tmp_path / "told.py"
    script.write_text(
        "import os, sys\nfrom pathlib import Path\n"
        "name = os.environ['LLMO_CALLBACK_ID']\n"
        "Path(__file__).with_name(name).write_text(sys.stdin.read())\n"
    )
    run(store, "run1", state="completed", ended_at=NOW)
    told = callbacks.ask(store, "run1", f"command:{sys.executable} {script}")
    callbacks.ask(store, "run1", "python:own_hooks:hear")
    callbacks.ask(store, "run1", "own_hooks:broken")
    callbacks.arm(store, [], NOW)
    assert callbacks.deliver(store) == 2
    assert json.loads((tmp_path / told).read_text())["batch_id"] == "run1"
    import own_hooks  # type: ignore[import-not-found]

    assert [body["batch_id"] for body in own_hooks.heard] == ["run1"]
    broken = [row for row in store.wait(store.callbacks.of_run, "run1") if row.error]
    assert [row.error for row in broken] == ["ValueError: not today"]
    assert msgspec.json.decode(broken[0].body)["batch_id"] == "run1"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no groups of processes")
def test_a_command_that_hangs_is_ended_with_all_that_it_has_started(
    store: BulkStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_TIMEOUT_S", 1.0)
    script, noted = tmp_path / "hangs.sh", tmp_path / "pid"
    script.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {noted}\nwait\n")
    script.chmod(0o755)
    run(store, "run1", state="completed", ended_at=NOW)
    callbacks.ask(store, "run1", f"command:{script}")
    callbacks.arm(store, [], NOW)
    assert callbacks.deliver(store) == 0
    (row,) = store.wait(store.callbacks.of_run, "run1")
    assert "timed out after 1.0 seconds" in (row.error or "")
    asyncio.run(until(lambda: not running(int(noted.read_text()))))


def running(pid: int) -> bool:
    """Whether the process is there, and not only waits to be reaped."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def test_what_cannot_be_called_is_refused(store: BulkStore) -> None:
    with pytest.raises(InvalidRequestError, match="callback"):
        callbacks.ask(store, "run1", "nonsense")
