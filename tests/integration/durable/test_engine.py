"""The durable engine wakes handlers: now, later, again, by priority, also after a restart."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, threading, time
from pathlib import Path
from llm_orchestrator.durable.engine import Durable

address, log, executor, mode = sys.argv[1:5]
told = Path(log)
waiting = threading.Event()

def say(text):
    with told.open("a") as file:
        file.write(text + "\\n")

def handler(key):
    say(f"{executor} {key}")
    if key.startswith("again") and told.read_text().count(f" {key}\\n") < 3:
        return 0.2
    if key == "broken":
        raise RuntimeError("it breaks")
    if key == "first":  # the only place is taken until all others wait for it
        waiting.wait()
    return None

engine = Durable(address, executor_id=executor, concurrency=1, polling_s=0.1)
engine.register("work", handler)
engine.start()
if mode == "fill":
    engine.enqueue("work", "first")
    while not told.exists():
        time.sleep(0.05)
    engine.enqueue("work", "later", delay_s=3600)
    engine.enqueue("work", "low", priority=1)
    engine.enqueue("work", "high", priority=10)
    engine.enqueue("work", "again:1")
    engine.enqueue("work", "broken")
    engine.enqueue("work", "soon", delay_s=2)
    waiting.set()
until = time.monotonic() + 60
want = sys.argv[5].split(",")

def heard():
    lines = told.read_text().splitlines() if told.exists() else []
    ends = [line.split(" ", 1)[1] for line in lines]
    return all(ends.count(one) >= want.count(one) for one in want)

while not heard():
    if time.monotonic() > until:
        sys.exit(f"not told: {want}")
    time.sleep(0.05)
engine.stop(2)
"""

STOPPED = """
import sys, threading
from llm_orchestrator.durable.engine import Durable

begun, over = threading.Event(), threading.Event()

def handler(key):
    begun.set()
    over.wait(30)

engine = Durable(sys.argv[1], executor_id="one", polling_s=0.1)
engine.register("work", handler)
engine.start()
engine.enqueue("work", "long")
assert begun.wait(30)
engine.stop(1)
over.set()
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join(10)
"""


def run(tmp_path: Path, address: str, executor: str, mode: str, want: str) -> list[str]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, program, address, tmp_path / "log", executor, mode, want],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return (tmp_path / "log").read_text().splitlines()


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'durable.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_handlers_are_woken(tmp_path: Path, address: str) -> None:
    lines = run(tmp_path, address, "one", "fill", "low,high,again:1,broken")
    assert lines.index("one high") < lines.index("one low"), "10 comes first"
    assert lines.count("one broken") == 1, "what breaks waits before it is tried again"
    assert not any("later" in line for line in lines)
    # Another process goes on with what waits.
    lines = run(tmp_path, address, "two", "go", "soon,again:1,again:1,again:1")
    assert "two soon" in lines or "one soon" in lines
    assert sum(line.endswith(" again:1") for line in lines) == 3


def test_what_outlasts_the_stop_makes_no_noise(address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, address],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
