"""`llmo queue`, `llmo scheduler` and `llmo savings`."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.simulator import Simulator
from tests.integration.cli.conftest import LLMO, Run

JOB = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Score this creative"}]}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def config(sim: Simulator, tmp_path: Path) -> Path:
    path = tmp_path / "llmo.yaml"
    path.write_text(
        f"""\
providers:
  openai: {{base_url: "{sim.openai_url}", api_key: sk-openai}}
  anthropic: {{base_url: "{sim.anthropic_url}", api_key: sk-ant}}
store: {{url: "sqlite:///{tmp_path / "ledger.db"}"}}
bulk: {{create_timeout: 2.0, list_lag: 0.3, lease: 2.0}}
"""
    )
    return path


def said(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_jobs_are_queued_run_and_their_savings_shown(
    llmo: Run, config: Path, sim: Simulator, tmp_path: Path
) -> None:
    named = ("--job-type", "creative_scoring", "--provider", "openai")
    low = llmo("queue", "add", json.dumps(JOB), *named, "--priority", "1").stdout.strip()
    high = llmo("queue", "add", "-", *named, "--priority", "high", input=json.dumps(JOB))
    assert high.returncode == 0, high.stderr
    lines = [{"data": JOB}, {"data": {"script": "Buy!"}, "provider": "anthropic", "priority": 7}]
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    added = said(llmo("queue", "add", "--file", "jobs.jsonl", *named, "--json"))
    assert added["count"] == 2
    listed = said(llmo("queue", "list", "--json"))
    assert [job["priority"] for job in listed] == [10, 7, 5, 1]
    assert listed[0]["job_id"] == high.stdout.strip()
    assert listed[-1]["job_id"] == low
    stats = said(llmo("queue", "stats", "--json"))
    assert (stats["total_queued"], stats["jobs_by_provider"]) == (4, {"anthropic": 1, "openai": 3})

    ended = said(llmo("scheduler", "run-now", "--clock", sim.url, "--json"))
    assert [one["status"] for one in ended] == ["completed", "completed"]
    assert sum(one["completed"] for one in ended) == 4
    assert "completed" in llmo("queue", "list").stdout
    found = said(llmo("savings", "--json"))
    billed = sim.batches()["cost_pico"]
    assert round(found["cost_usd"] * 10**12) == billed > 0
    assert found["proven"] is True
    assert set(found["by_provider"]) == {"claude", "openai"}
    table = llmo("savings", "--by", "provider")
    assert table.stdout.split()[0] == "provider"
    assert "50.0" in table.stdout
    assert llmo("scheduler", "run-now").stderr.strip().endswith("Nothing waits.")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("queue", "add"), "--file"),
        (("queue", "add", "{}"), "--job-type"),
        (("queue", "add", "{", "--job-type", "t", "--provider", "openai"), "no JSON"),
        (("queue", "add", "{}", "--job-type", "t", "--provider", "openai"), "no template"),
        (("queue", "list", "--state", "odd"), "queued"),
        (("savings", "--by", "odd"), "month"),
        (("scheduler", "status", "--at", "25:00"), "time of day"),
        (("scheduler", "status", "--zone", "Mars"), "time zone"),
    ],
)
def test_mistakes_are_named(llmo: Run, config: Path, words: tuple[str, ...], hint: str) -> None:
    done = llmo(*words)
    assert done.returncode == 2, done.stderr
    assert hint in done.stderr


def test_a_model_that_nobody_knows_is_refused_at_once(
    llmo: Run, config: Path, tmp_path: Path
) -> None:
    text = config.read_text().replace(
        "providers:\n",
        'providers:\n  mine: {dialect: openai, base_url: "http://127.0.0.1:9/v1", api_key: k}\n',
    )
    config.write_text(text)

    def add(model: str, provider: str = "openai") -> "subprocess.CompletedProcess[str]":
        named = ("--job-type", "creative_scoring", "--provider", provider)
        return llmo("queue", "add", json.dumps({**JOB, "model": model}), *named)

    done = add("haiku-claude", "anthropic")
    assert done.returncode == 2
    assert "data.model: no model is called 'haiku-claude'; did you mean claude-" in done.stderr
    assert "anthropic/haiku-claude if it is new there" in done.stderr
    lines = [{"data": JOB}, {"data": {**JOB, "model": "zzz"}}]
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    named = ("--job-type", "t", "--provider", "openai")
    done = llmo("queue", "add", "--file", "jobs.jsonl", *named)
    assert done.returncode == 2
    assert "job 1: data.model: no model is called 'zzz'. Write openai/zzz" in done.stderr
    assert llmo("queue", "list").stderr == "No jobs.\n"
    # What may be there is taken: by its name, its maker, or the user's own server.
    for model, provider in (
        ("openai/zzz", "openai"),
        ("gpt-9", "openai"),
        ("llama-3.3-70b-versatile", "groq"),
        ("zzz", "mine"),
        ("my-deployment", "azure"),
    ):
        done = add(model, provider)
        assert done.returncode == 0, (model, done.stderr)


@pytest.mark.timeout(300)
def test_the_environment_alone_starts_a_worker(tmp_path: Path, sim: Simulator, llmo: Run) -> None:
    env = {
        **os.environ,
        "LLMO_HOME": str(tmp_path / "home"),
        "OPENAI_API_KEY": "sk-openai",
        "OPENAI_BASE_URL": sim.openai_url,
        "BATCH_SCHEDULE_TIME": "03:15",
        "BATCH_CHECK_INTERVAL": "0.5",
        "BATCH_TIME_ZONE": "Europe/Berlin",
        "REDIS_URL": "redis://127.0.0.1:6379",
    }
    llmo("queue", "add", json.dumps(JOB), "--job-type", "t", "--provider", "openai", env=env)
    words = [str(LLMO), "scheduler", "start", "--run-now", "--clock", sim.url]
    worker = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert worker.stderr is not None
        assert "03:15 (Europe/Berlin)" in worker.stderr.readline()
        end = time.monotonic() + 200
        while said(llmo("queue", "stats", "--json", env=env))["total_queued"]:
            assert time.monotonic() < end, "nobody has taken the job"
        while not said(llmo("scheduler", "status", "--json", env=env))["audit"]["at"]:
            assert time.monotonic() < end, "nothing was audited"
        assert "\naudited: " in llmo("scheduler", "status", env=env).stdout
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait()
        assert worker.stderr is not None
        worker.stderr.close()


def test_jobs_are_found_by_every_name_and_failures_are_told(
    llmo: Run, config: Path, sim: Simulator
) -> None:
    named = ("--job-type", "creative_scoring")
    bad = {**JOB, "model": "gpt-4o+fault=content-filter"}
    assert llmo("queue", "list").stderr == "No jobs.\n"
    for provider, data in (("claude", {"script": "Buy!"}), ("openai", bad)):
        done = llmo("queue", "add", json.dumps(data), *named, "--provider", provider)
        assert done.returncode == 0, done.stderr
    (found,) = said(llmo("queue", "list", "--provider", "claude", "--json"))
    assert found["provider"] == "anthropic"
    done = llmo("scheduler", "run-now", "--clock", sim.url)
    assert done.returncode == 4
    assert "1 job failed; `llmo queue list --state failed` says why" in done.stderr
    assert "ContentFilterError" in llmo("queue", "list", "--state", "failed").stdout
    assert llmo("queue", "list", "--limit", "0").returncode == 2


def test_jobs_that_have_to_wait_are_not_called_nothing(
    llmo: Run, config: Path, sim: Simulator
) -> None:
    add = ("queue", "add", json.dumps({"script": "Buy!"}), "--job-type", "creative_scoring")
    assert llmo(*add, "--provider", "groq").returncode == 0
    done = llmo("scheduler", "run-now", "--clock", sim.url)
    assert "no API key" in done.stderr
    assert "1 job waiting; none can be run now." in done.stderr
