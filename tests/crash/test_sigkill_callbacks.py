"""A worker is killed after a callback was taken and before that was noted: it is called again."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.bulk import BatchProcessor
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_notices import CallbackRow
from llm_orchestrator.store.connect import connect
from tests.integration.bulk.world import sections
from tests.long import on_both

PROGRAM = """
import json, sys
from llm_orchestrator.bulk import BatchScheduler

BatchScheduler(None, 0.3, config=json.loads(sys.argv[1]), clock=sys.argv[2]).run_forever(
    run_now=True
)
"""
HOOK = """
import json, os, signal, sys
from pathlib import Path

LOG = Path(__file__).with_name("heard.jsonl")


def hear(body, pid=None):
    first = not LOG.exists()
    with LOG.open("a") as file:
        file.write(json.dumps(body) + "\\n")
    if first:  # whoever called is gone before it can note that this has arrived
        os.kill(pid or os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    hear(json.load(sys.stdin), os.getppid())
"""


class Receiver(http.server.ThreadingHTTPServer):
    """Writes down what it hears, and kills who calls first."""

    def __init__(self, log: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Hears)
        self.log = log
        self.victim: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Hears(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        first = not self.server.log.exists()
        with self.server.log.open("ab") as file:
            file.write(self.rfile.read(int(self.headers["Content-Length"])) + b"\n")
        if first and self.server.victim is not None:
            self.server.victim.kill()
            self.server.victim.wait()
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    server = Receiver(tmp_path / "heard.jsonl")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    made: list[subprocess.Popen[bytes]] = []

    def begin(config: dict[str, Any], clock: str) -> "subprocess.Popen[bytes]":
        words = [sys.executable, str(program), json.dumps(config), clock]
        env = {**os.environ, "LLMO_HOME": str(tmp_path / "home")}
        made.append(subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL))
        return made[-1]

    yield begin
    for process in made:
        if process.poll() is None:
            process.kill()
        process.wait()


def until(happened: Callable[[], object]) -> None:
    end = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.05)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["webhook", "command", "python"])
@on_both("url")
def test_a_callback_arrives_at_least_once_and_is_marked(
    kind: str,
    url: str,
    sim: Simulator,
    receiver: Receiver,
    start: Callable[..., "subprocess.Popen[bytes]"],
    tmp_path: Path,
) -> None:
    (tmp_path / "own_hook.py").write_text(HOOK)  # beside the program, so it can be imported
    targets = {
        "webhook": f"http://127.0.0.1:{receiver.server_port}/hook",
        "command": f"command:{sys.executable} {tmp_path / 'own_hook.py'}",
        "python": "python:own_hook:hear",
    }
    config: dict[str, Any] = {
        "providers": sections(sim, ("openai",)),
        "store": {"url": url},
        "bulk": {"lease": 2.0, "callbacks": [targets[kind]]},
    }
    with BatchProcessor(config, clock=sim.url) as batch:
        store = batch.store

        def queue() -> str:
            data = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Score it"}]}
            return batch.queue_job_sync("creative_scoring", "openai", data)

        def row() -> CallbackRow | None:
            (run,) = store.wait(store.runs.listed, ())
            found = store.wait(store.callbacks.of_run, run.run_id)
            return found[0] if found else None

        queue()
        receiver.victim = start(config, sim.url)
        assert receiver.victim.wait(90) == -signal.SIGKILL
        found = row()
        assert found is not None
        assert (found.kind, found.tries, found.delivered_at) == (kind, 1, None)
        backend = connect(store.target)
        backend.execute("UPDATE bulk_callbacks SET next_at = 0")  # the lease of the dead is over
        backend.close()
        worker = start(config, sim.url)
        until(lambda: (one := row()) is not None and one.delivered_at)
        queue()  # by the end of another run the first one would have been told again
        batch.process_all_batches_sync(drive=False)
        heard = tmp_path / "heard.jsonl"
        until(lambda: len(heard.read_text().splitlines()) >= 3)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    told = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [one["attempt"] for one in told] == [1, 2, 1]
    assert [one["callback_id"] for one in told[:2]] == [found.callback_id] * 2
    assert told[2]["callback_id"] != found.callback_id
    assert [one["status"] for one in told] == ["completed"] * 3
