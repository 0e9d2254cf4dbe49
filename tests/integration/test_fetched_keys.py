"""Keys from files and commands: fetched when needed, renewed when refused, shown nowhere."""

import asyncio
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import AsyncLLMOrchestrator
from llm_orchestrator import errors as E  # noqa: N812 - one word for many classes
from llm_orchestrator.config import load
from llm_orchestrator.providers.accounts import account
from llm_orchestrator.providers.keys import key_id
from llm_orchestrator.providers.resolve import Directory
from llm_orchestrator.simulator import Simulator
from tests.integration.world import HELLO, KEY, MINI
from tests.unit.transport.raw import Exchange, raw

OTHER = "sk-canary-9876543210fedcba"


def python(program: str) -> str:
    """A command line that runs a small program."""
    return shlex.join([sys.executable, "-c", program])


def configured(sim: Simulator, name: str = "openai", **section: Any) -> dict[str, Any]:
    base = {"openai": sim.openai_url, "anthropic": sim.anthropic_url}[name]
    return {
        "active_provider": name,
        "active_model": MINI if name == "openai" else None,
        "providers": {name: {"base_url": base} | section},
        "fallback": {"enabled": False},
    }


@pytest.fixture
async def sim() -> Any:
    async with Simulator(keys=(KEY,)) as simulator:
        yield simulator


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_a_file(sim: Simulator, tmp_path: Path, name: str) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    config = configured(sim, name, api_key_file=str(tmp_path / "key"))
    async with AsyncLLMOrchestrator(config) as llm:
        assert (await llm.send_request(HELLO)).content
        assert await llm.refresh_models(name)


async def test_a_command_runs_once_and_only_when_needed(sim: Simulator, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"open({str(log)!r}, 'a').write('x'); print({KEY!r}); print('login: ann')"
    async with AsyncLLMOrchestrator(configured(sim, api_key_cmd=python(program))) as llm:
        await llm.plan(HELLO)
        await llm.get_available_models()
        assert not log.exists()
        await asyncio.gather(*(llm.send_request(HELLO) for _ in range(5)))
        assert [str(event) async for event in llm.send_streaming_request(HELLO)]
    assert log.read_text() == "x"


async def test_it_wins_over_the_environment(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment-0123")
    (tmp_path / "key").write_text(KEY)
    config = configured(sim, api_key_file=str(tmp_path / "key"))
    async with AsyncLLMOrchestrator(config) as llm:
        assert (await llm.send_request(HELLO)).content


async def test_a_key_that_was_replaced_is_read_again(sim: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(OTHER)
    config = configured(sim, api_key_file=str(file))
    async with AsyncLLMOrchestrator(config) as llm:
        with pytest.raises(E.AuthenticationError) as caught:
            await llm.send_request(HELLO)
        assert "check the key that providers.openai.api_key_file leads to" in str(caught.value)
        assert "canary" not in str(caught.value) + repr(vars(caught.value))
        file.write_text(KEY)
        assert (await llm.send_request(HELLO)).content


async def test_a_key_that_is_echoed_is_blanked(tmp_path: Path) -> None:
    async def echo(seen: Exchange) -> None:
        words = f'{{"error": {{"message": "no: {seen.headers["authorization"]}"}}}}'
        await seen.reply(400, words.encode(), Content_Type="application/json")

    (tmp_path / "key").write_text(OTHER)
    async with raw(echo) as server:
        section = {"base_url": server.url, "api_key_file": str(tmp_path / "key")}
        config = {"active_provider": "openai", "providers": {"openai": section}}
        async with AsyncLLMOrchestrator(config) as llm:
            with pytest.raises(E.InvalidRequestError, match=r"no: Bearer \*\*\*"):
                await llm.send_request(HELLO)


@pytest.mark.parametrize(
    "section, words",
    [
        ({"api_key_cmd": python("exit('the store is locked')")}, "status 1: the store is locked"),
        ({"api_key_cmd": python("raise SystemExit(3)")}, "ended with status 3"),
        ({"api_key_cmd": python("print()")}, "cannot be an API key: it is empty"),
        ({"api_key_cmd": python("print('a key')")}, "cannot be an API key: it holds a space"),
        ({"api_key_cmd": python(r"import os; os.write(1, b'\xff\xfe\n')")}, "it holds no text"),
        ({"api_key_file": "two-lines"}, "it holds a line break"),
        ({"api_key_file": "empty"}, "it is empty"),
    ],
)
async def test_what_gives_no_key(
    section: dict[str, str], words: str, sim: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "two-lines").write_text("a\nb")
    (tmp_path / "empty").write_text("")
    async with AsyncLLMOrchestrator(configured(sim, **section)) as llm:
        with pytest.raises(E.AuthenticationError) as caught:
            await llm.send_request(HELLO)
    assert words in caught.value.message
    assert f"providers.openai.{next(iter(section))}" in caught.value.message
    assert sim.log() == []


@pytest.mark.parametrize(
    "section, words",
    [
        ({"api_key_file": "/nowhere/key"}, "api_key_file: there is no file /nowhere/key"),
        ({"api_key_cmd": "no-such-program show"}, "there is no program no-such-program"),
        ({"api_key_cmd": "'"}, "no command line"),
        ({"api_key_cmd": " "}, "no command line: it is empty"),
        ({"api_key": KEY, "api_key_cmd": "x"}, "give api_key or api_key_cmd, not both of them"),
    ],
)
async def test_what_is_wrong_is_said_before_any_call(
    section: dict[str, str], words: str, sim: Simulator
) -> None:
    with pytest.raises(E.ConfigError, match=words):
        await AsyncLLMOrchestrator(configured(sim, **section)).send_request(HELLO)


def test_another_key_is_another_account() -> None:
    def row(**section: str) -> Any:
        found = Directory(load({"providers": {"openai": section, "groq": section}}, env={}))
        return found.rows["openai"]

    rows = [row(api_key_file="a"), row(api_key_file="b"), row(api_key_cmd="a"), row(api_key="a")]
    assert len({account(one) for one in rows}) == len({key_id(one) for one in rows}) == 4
    assert [one.key for one in rows[:3]] == [None] * 3


def test_a_server_of_ones_own_behind_a_guard(tmp_path: Path) -> None:
    section = {"dialect": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key_file": "key"}
    directory = Directory(load({"providers": {"mine": section}}, env={}))
    assert directory.rows["mine"].auth == "bearer"
    assert directory.rows["mine"].key_file == "key"
    ollama = Directory(load({"providers": {"ollama": {"api_key_cmd": "x"}}}, env={})).rows["ollama"]
    assert ollama.auth == "bearer"
