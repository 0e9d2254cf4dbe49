"""The command: the address on stdout, a port file, a graceful end, and clear refusals."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.simulator.command import main

COMMAND = [sys.executable, "-m", "llm_orchestrator.simulator", "--port", "0"]


@contextmanager
def started(*options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    try:
        yield process, process.stdout.readline().strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()
        process.stderr.close()


def ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"authorization": "Bearer sk-1", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_serves_until_a_signal(tmp_path: Path, name: str) -> None:
    port_file, ledger = tmp_path / "port", tmp_path / "bill.jsonl"
    options = ["--port-file", str(port_file), "--ledger-file", str(ledger), "--seed", "5"]
    with started(*options) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert port_file.read_text().strip() == url
        with urllib.request.urlopen(f"{url}/_health", timeout=60) as reply:
            assert json.load(reply)["seed"] == 5
        body = {"model": "sim-chat", "messages": [{"role": "user", "content": "Hi"}]}
        reply = ask(url, body)
        assert reply["choices"][0]["finish_reason"] == "stop"
        process.send_signal(getattr(signal, name))
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert json.loads(ledger.read_text())["requested_model"] == "sim-chat"


@pytest.mark.parametrize(
    "options, message",
    [
        (["--latency", "slowish"], "is not none, realistic"),
        (["--speed", "0"], "speed must be above 0"),
        (["--batch", "lunch=1"], "no batch setting 'lunch'"),
        (["--batch", "queue=soon"], "queue='soon' is not a float"),
        (["--batch", "failures=2"], "is a share"),
        (["--fault-mix", '{"earthquake": 1}'], "no fault 'earthquake'"),
        (["--ledger-file", "/nowhere/at/all"], "No such file"),
    ],
)
def test_wrong_settings_are_said(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--port", "0", *options]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""


def test_a_port_that_is_taken_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with started() as (_, url):
        assert main(["--port", url.rpartition(":")[2]]) == 2
    assert "llmo sim:" in capsys.readouterr().err
