"""Model lists that were asked for once are known later, also to other processes."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.catalog.catalog import DATA_FILE
from llm_orchestrator.simulator import Simulator
from tests.integration.world import HELLO, KEY, MINI, configuration, table
from tests.unit.transport.raw import Exchange, raw
from tests.waiting import until

NEW = "orion-1"
"""A model that the providers have and our catalogue does not know."""
REFRESH = """
import msgspec, sys
from llm_orchestrator import LLMOrchestrator
with LLMOrchestrator(msgspec.json.decode(sys.argv[1])) as llm:
    print(len(llm.refresh_models()))
"""
ONE_CALL = """
import msgspec, sys
from llm_orchestrator import LLMOrchestrator
with LLMOrchestrator(msgspec.json.decode(sys.argv[1])) as llm:
    llm.send_request("Hi")
    llm.send_request("Hi", model="gpt-4o")
assert "llm_orchestrator.store.models" not in sys.modules
"""


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[Simulator]:
    prices = msgspec.json.decode(DATA_FILE.read_bytes())
    for provider in ("openai", "openrouter"):
        prices["providers"][provider]["models"][NEW] = {
            "context": 50_000,
            "abilities": ["system", "sampling", "tools"],
            "prices": [{"input": 100_000, "output": 200_000}],
        }
    path = tmp_path / "prices.json"
    path.write_bytes(msgspec.json.encode(prices))
    async with Simulator(price_file=path) as simulator:
        yield simulator


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def config(request: pytest.FixtureRequest, sim: Simulator, tmp_path: Path) -> dict[str, Any]:
    """Both wires of the simulator, with the store in each of the databases."""
    url = f"sqlite:///{tmp_path}/lists.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    return configuration(sim, store={"url": url})


def elsewhere(program: str, config: dict[str, Any]) -> str:
    """What another process prints."""
    given = msgspec.json.encode(config).decode()
    command = [sys.executable, "-c", program, given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def refreshed_elsewhere(config: dict[str, Any]) -> None:
    assert int(await asyncio.to_thread(elsewhere, REFRESH, config)) > 1


async def test_another_process_asked(config: dict[str, Any], sim: Simulator) -> None:
    await refreshed_elsewhere(config)
    seen = len(sim.log())
    async with AsyncLLMOrchestrator(config) as llm:
        models = {model.id: model for model in await llm.get_available_models("openai")}
    assert len(sim.log()) == seen
    found = models[NEW]
    assert not found.known
    assert found.found_at is not None
    assert models[MINI].known
    assert models[MINI].prices
    assert models[MINI].found_at == found.found_at


async def test_a_model_that_only_the_list_knows(config: dict[str, Any], sim: Simulator) -> None:
    config["active_provider"] = "anthropic"
    del config["active_model"]
    # Without a list there is nobody to ask: the wire of the simulator is not its maker's.
    config["providers"]["anthropic"]["base_url"] = "https://api.anthropic.com/v1"
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.ModelNotFoundError):
            await llm.send_request(HELLO, model=NEW)
    await refresh_openai(config)
    async with AsyncLLMOrchestrator(config) as llm:
        reply = await llm.send_request(HELLO, model=NEW)
        assert (reply.provider, reply.model) == ("openai", NEW)
        events = [event async for event in llm.send_streaming_request(HELLO, model=NEW)]
        assert events
        with pytest.raises(E.ModelNotFoundError):
            await llm.send_request(HELLO, model="sim-none")


async def test_a_name_that_is_written_wrong(config: dict[str, Any]) -> None:
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.ModelNotFoundError) as caught:
            await llm.send_request(HELLO, provider="openai", model="oriom-1")
        assert NEW not in caught.value.suggestions
        await llm.refresh_models("openai")
        with pytest.raises(E.ModelNotFoundError, match="did you mean orion-1"):
            await llm.send_request(HELLO, provider="openai", model="oriom-1")


async def test_names_that_are_none_are_left_out(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    names = ["", " ", "good", "a\0b", "line\nbreak", "good", "gut-ü"]

    async def listing(seen: Exchange) -> None:
        body = msgspec.json.encode({"data": [{"id": name} for name in names]})
        await seen.reply(200, body, Content_Type="application/json")

    async with raw(listing) as server:
        config["providers"] = {"openai": {"api_key": KEY, "base_url": server.url}}
        for _ in range(2):
            async with AsyncLLMOrchestrator(config) as llm:
                found = await llm.refresh_models("openai")
                assert [model.id for model in found] == ["good", "gut-ü"]
                assert await llm.get_available_models("openai") == found
        async with AsyncLLMOrchestrator(config) as llm:
            assert await llm.get_available_models("openai") == found
    assert caplog.messages == []


async def refresh_openai(config: dict[str, Any]) -> None:
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.refresh_models("openai")


async def test_what_a_list_told_is_used_once_it_is_read(
    config: dict[str, Any], sim: Simulator
) -> None:
    config["providers"] = {
        "openrouter": {
            "api_key": KEY,
            "base_url": f"{sim.url}/openrouter/api/v1",
        }
    }
    config["active_provider"], config["active_model"] = "openrouter", NEW
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.refresh_models()
    async with AsyncLLMOrchestrator(config) as llm:
        # The first call that names it does not wait for the store; a later one knows more.
        plan = await llm.plan(HELLO)
        assert plan.candidates[0].model == NEW
        target = llm._runtime.candidates
        await until(lambda: target.of(None, None)[0].model.found_at)
        model = target.of(None, None)[0].model
    assert not model.known
    assert model.context == 50_000
    assert model.can("tools")
    assert not model.can("vision")


async def test_accounts_are_apart(config: dict[str, Any]) -> None:
    await refreshed_elsewhere(config)
    config["providers"]["openai"]["api_key"] = "sk-other-0123456789abcdef"
    async with AsyncLLMOrchestrator(config) as llm:
        openai = await llm.get_available_models("openai")
        anthropic = await llm.get_available_models("anthropic")
    assert {model.found_at for model in openai} == {None}
    assert all(model.found_at for model in anthropic)


async def test_one_provider_that_does_not_answer(
    config: dict[str, Any], sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    config["providers"]["anthropic"]["api_key"] = "bad-key-0123456789"
    async with AsyncLLMOrchestrator(config) as llm:
        found = await llm.refresh_models()
        assert {model.found_at is None for model in found if model.provider == "openai"} == {False}
        assert {model.found_at for model in found if model.provider == "anthropic"} == {None}
        with pytest.raises(E.AuthenticationError):
            await llm.refresh_models("anthropic")
        await sim.stop()
        with pytest.raises(E.OrchestratorError):
            await llm.refresh_models()
    (warning,) = caplog.messages
    assert "the models of anthropic could not be asked for" in warning
    assert "bad-key" not in warning


async def test_a_broken_store_is_told_of_once_and_breaks_nothing(
    sim: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"no database at all, but long enough to look like one " * 40)
    caplog.set_level(logging.WARNING)
    async with AsyncLLMOrchestrator(configuration(sim, store={"url": str(path)})) as llm:
        assert await llm.get_available_models("openai")
        assert NEW in {model.id for model in await llm.refresh_models("openai")}
        # What was found is still known here.
        assert NEW in {model.id for model in await llm.get_available_models("openai")}
        told = [text for text in caplog.messages if "model lists" in text]
        assert len(told) == 1
        assert "file is not a database" in told[0]
        assert (await llm.send_request(HELLO)).content


async def test_a_call_does_not_read_the_lists(config: dict[str, Any]) -> None:
    await refreshed_elsewhere(config)
    await asyncio.to_thread(elsewhere, ONE_CALL, config)


async def test_without_records_nothing_is_kept(sim: Simulator, llmo_home: Path) -> None:
    config = configuration(sim)
    async with AsyncLLMOrchestrator(config) as llm:
        await llm.refresh_models()
    assert table(llmo_home, "discovered_models")
    off = config | {"cost_tracking": {"enabled": False}}
    async with AsyncLLMOrchestrator(off) as llm:
        found = await llm.get_available_models("openai")
        assert {model.found_at for model in found} == {None}
        await llm.refresh_models("openai")
        found = await llm.get_available_models("openai")
        assert None not in {model.found_at for model in found}
