"""The real command `llmo`, as a user starts it, over the simulator."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from llm_orchestrator.simulator import Simulator

LLMO = Path(sys.executable).with_name("llmo")
CANARY = "sk-canary-0123456789"

Run: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def llmo(tmp_path: Path) -> Run:
    """Runs `llmo ARGUMENTS` in an empty folder; ``env`` adds variables, ``input`` is stdin."""

    def run(
        *arguments: str | Path, input: str | bytes = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = input.encode() if isinstance(input, str) else input
        # Who runs the tests may have told a width, which would cut the tables.
        quiet = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
        quiet["NO_COLOR"] = "1"
        done = subprocess.run(
            [LLMO, *arguments],
            input=given,
            capture_output=True,
            cwd=tmp_path,
            env={**quiet, **(env or {})},
            timeout=100,
            check=False,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """One simulator for the tests of a file."""
    with Simulator().run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def config(sim: Simulator, tmp_path: Path) -> Path:
    """A configuration of both wires of the simulator; `llmo` finds it by itself."""
    path = tmp_path / "llmo.yaml"
    path.write_text(
        f"""\
active_provider: openai
active_model: gpt-4o-mini
providers:
  openai: {{api_key: {CANARY}, base_url: "{sim.openai_url}"}}
  anthropic: {{api_key: {CANARY}, base_url: "{sim.anthropic_url}/v1"}}
retry: {{base_delay: 0.01, max_delay: 0.02}}
"""
    )
    return path


def error_of(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    """The words of a command that failed with this code, without a traceback or a result."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stderr + done.stdout
    assert done.stderr.startswith("llmo: error: ")
    return done.stderr
