"""A package with entry points, really installed, brings what it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.world import KEY

ROOT = Path(__file__).parents[2]
LLMO = Path(sys.executable).with_name("llmo")
SUM = "What is 2+2? Answer with the number only."


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example was installed into."""
    place = tmp_path_factory.mktemp("plugin")
    source = place / "source"
    source.mkdir()
    for path in (ROOT / "examples" / "plugin").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = source / path.relative_to(ROOT / "examples" / "plugin")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", place / "lib", source],
        check=True,
    )
    return place / "lib"


def llmo(installed: Path, home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, with the plug-in beside it."""
    return subprocess.run(
        [LLMO, *arguments, "--config", home / "llmo.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{installed}", "LLMO_HOME": f"{home}"},
        check=False,
    )


def configure(home: Path, sim: Simulator) -> None:
    (home / "llmo.yaml").write_text(
        "providers:\n"
        f"  openai: {{api_key: {KEY}, base_url: '{sim.openai_url}'}}\n"
        f"  anthropic: {{api_key: {KEY}, base_url: '{sim.anthropic_url}/v1'}}\n"
        f"  acme: {{api_key: {KEY}, base_url: '{sim.openai_url}'}}\n"
    )


def test_what_a_plugin_brings(installed: Path, tmp_path: Path) -> None:
    with Simulator().run_in_thread() as sim:
        configure(tmp_path, sim)

        def told(*arguments: str) -> dict[str, object]:
            done = llmo(installed, tmp_path, "run", "-p", SUM, "--json", *arguments)
            assert done.returncode == 0, done.stderr
            found: dict[str, object] = json.loads(done.stdout)
            return found

        assert told("-s", "shortest")["strategy"] == "shortest"
        sure = told("-s", "fallback", "--confidence", "has_a_number")
        assert (sure["confidence"], sure["response"]) == (1.0, "4")
        answered = told("--provider", "acme", "-m", "gpt-4o-mini")
        assert answered["provider"] == "acme"


def test_a_scorer_that_a_plugin_brings(installed: Path, tmp_path: Path) -> None:
    with Simulator().run_in_thread() as sim:
        configure(tmp_path, sim)
        short = llmo(installed, tmp_path, "route", "-p", "x" * 40, "--scorer", "by_length")
        assert "score      0.010\n" in short.stdout, short.stderr
        with (tmp_path / "llmo.yaml").open("a") as file:
            file.write("routing: {scorer: by_length, gain: 0.01}\n")
        chain = ("-s", "scored", "--chain", "gpt-4o-mini,claude-haiku-4-5", "--json")
        for prompt, provider in (("Hi", "openai"), ("Hi " * 20, "anthropic")):
            done = llmo(installed, tmp_path, "run", "-p", prompt, *chain)
            assert json.loads(done.stdout)["provider"] == provider, done.stderr


def test_a_name_that_no_plugin_brings(tmp_path: Path) -> None:
    with Simulator().run_in_thread() as sim:
        configure(tmp_path, sim)
        done = llmo(tmp_path, tmp_path, "run", "-p", SUM, "-s", "shortest")
    assert done.returncode == 2
    assert "providers.acme is no provider that we know" in done.stderr
