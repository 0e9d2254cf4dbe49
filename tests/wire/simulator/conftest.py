import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import anthropic
import openai
import pytest

from llm_orchestrator.simulator import Simulator, account_of
from tests.steady import SteadyLoop

Client = Any
"""An SDK's client; its own types would need a cast at every line of a test."""

HELLO: list[Any] = [{"role": "user", "content": "Please describe a quiet morning by the sea."}]
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], SteadyLoop]]:
    return {"steady": SteadyLoop}


@pytest.fixture(scope="package")
def sim() -> Iterator[Simulator]:
    with Simulator(timings="fast", max_body=300_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def own() -> Iterator[Simulator]:
    """A simulator of a test's own, whose clock may be turned."""
    with Simulator(seed=3).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def key() -> str:
    """An account of its own for each test."""
    return f"sk-test-{uuid4().hex}"


@pytest.fixture
def oai(sim: Simulator, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=sim.openai_url, max_retries=0) as client:
        yield client


@pytest.fixture
def ant(sim: Simulator, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=key, base_url=sim.anthropic_url, max_retries=0) as client:
        yield client


@pytest.fixture
def rows(sim: Simulator, key: str) -> Callable[[], list[dict[str, Any]]]:
    """The bill of this test's account, read over the wire."""

    def read() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{sim.url}/_ledger", timeout=60) as reply:
            bill = json.load(reply)
        return [row for row in bill["rows"] if row["account"] == account_of(key)]

    return read


@pytest.fixture(autouse=True)
def _no_crash_in_the_server(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A fault is played on purpose; an exception inside the server is never one."""
    yield
    crashed = [
        record
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR and record.name.startswith(("aiohttp", "asyncio"))
    ]
    assert crashed == []
