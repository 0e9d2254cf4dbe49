"""One client against one upstream, in a process of its own; prints one JSON line.

    python -m benchmarks.speed.client NAME MODE BASE_URL CALLS IN_FLIGHT

NAME: ours, ours-no-ledger, aiohttp, openai, litellm, tensorzero (those that are installed here).
MODE: whole or stream. CPU time is user and system of this process: it says the same on a busy
machine, where wall time does not.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

Work = Callable[[], Awaitable[int]]
"""One call; returns how many chunks came."""

MODEL = "gpt-4o-mini"
OPTIONS: dict[str, Any] = {"temperature": 0.2, "max_tokens": 256}
_RULE = (
    "You help the customers of a small shop for house plants. Answer in two or three sentences, "
    "name the order, promise nothing that is not in the rules, and ask for one detail that is "
    "missing. If somebody is upset, say once that you are sorry and then solve the problem. "
)
_ASK = (
    "Hello, my fern came yesterday and half of its leaves are brown at the tips. I keep it away "
    "from the sun and have not watered it yet. Should I cut them off, or send the plant back? The "
    "order is 20318. By the way, the pot that came with it has a crack all along one side. "
)
MESSAGES = [
    {"role": "system", "content": _RULE},
    {"role": "user", "content": _ASK},
    {"role": "assistant", "content": "I am sorry about order 20318. Is the soil still moist?"},
    {"role": "user", "content": "It is nearly dry. " + _ASK},
]


def ours(base: str, mode: str, *, ledger: bool = True) -> Work:
    """This library, with everything on that is on by default."""
    os.environ["LLMO_HOME"] = tempfile.mkdtemp(prefix="llmo-bench-")
    from llm_orchestrator import AsyncLLMOrchestrator

    orchestrator = AsyncLLMOrchestrator(
        {
            "active_provider": "openai",
            "active_model": MODEL,
            "providers": {"openai": {"api_key": "sk-bench", "base_url": base}},
            "cost_tracking": {"enabled": ledger},
        }
    )

    async def whole() -> int:
        reply = await orchestrator.send_request(MESSAGES, **OPTIONS)
        assert reply.content
        return 0

    async def stream() -> int:
        seen = 0
        async for _ in orchestrator.send_streaming_request(MESSAGES, **OPTIONS):
            seen += 1
        return seen

    return whole if mode == "whole" else stream


def bare(base: str, mode: str) -> Work:
    """Bare aiohttp with json.loads and nothing else."""
    import aiohttp

    body = {"model": MODEL, "messages": MESSAGES, **OPTIONS}
    if mode == "stream":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-bench"}
    sessions: list[aiohttp.ClientSession] = []

    def session() -> aiohttp.ClientSession:
        if not sessions:
            connector = aiohttp.TCPConnector(limit=1000)
            sessions.append(aiohttp.ClientSession(connector=connector))
        return sessions[0]

    async def whole() -> int:
        async with session().post(f"{base}/chat/completions", data=data, headers=headers) as got:
            assert json.loads(await got.read())["choices"][0]["message"]["content"]
        return 0

    async def stream() -> int:
        seen = 0
        async with session().post(f"{base}/chat/completions", data=data, headers=headers) as got:
            async for line in got.content:
                if line.startswith(b"data: {"):
                    json.loads(line[6:])
                    seen += 1
        return seen

    return whole if mode == "whole" else stream


def openai(base: str, mode: str) -> Work:
    """The official SDK."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=base, api_key="sk-bench", max_retries=0)
    fields: Any = {"model": MODEL, "messages": MESSAGES, **OPTIONS}

    async def whole() -> int:
        await client.chat.completions.create(**fields)
        return 0

    async def stream() -> int:
        seen = 0
        async for _ in await client.chat.completions.create(stream=True, **fields):
            seen += 1
        return seen

    return whole if mode == "whole" else stream


def litellm(base: str, mode: str) -> Work:
    """LiteLLM's library call."""
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    peer: Any = import_module("litellm")

    peer.suppress_debug_info = True
    fields: Any = {"model": f"openai/{MODEL}", "messages": MESSAGES, "api_base": base, **OPTIONS}

    async def whole() -> int:
        await peer.acompletion(api_key="sk-bench", **fields)
        return 0

    async def stream() -> int:
        seen = 0
        async for _ in await peer.acompletion(api_key="sk-bench", stream=True, **fields):
            seen += 1
        return seen

    return whole if mode == "whole" else stream


def tensorzero(base: str, mode: str) -> Work:
    """TensorZero's embedded client, observability off."""
    os.environ["OPENAI_API_KEY"] = "sk-bench"
    peer: Any = import_module("tensorzero")

    with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
        file.write(
            "[gateway]\nobservability.enabled = false\n[models.m]\nrouting = ['p']\n"
            f"[models.m.providers.p]\ntype = 'openai'\nmodel_name = '{MODEL}'\n"
            f"api_base = '{base}/'\napi_key_location = 'env::OPENAI_API_KEY'\n"
            "[functions.f]\ntype = 'chat'\n[functions.f.variants.v]\ntype = 'chat_completion'\n"
            "model = 'm'\ntemperature = 0.2\nmax_tokens = 256\n"
        )
    built: list[Any] = []
    ask = {"system": _RULE, "messages": MESSAGES[1:]}

    async def gateway() -> Any:
        if not built:
            made = peer.AsyncTensorZeroGateway.build_embedded(config_file=file.name)
            built.append(await made if hasattr(made, "__await__") else made)
        return built[0]

    async def whole() -> int:
        await (await gateway()).inference(function_name="f", input=ask)
        return 0

    async def stream() -> int:
        seen = 0
        got = await (await gateway()).inference(function_name="f", input=ask, stream=True)
        async for _ in got:
            seen += 1
        return seen

    return whole if mode == "whole" else stream


CLIENTS: dict[str, Callable[[str, str], Work]] = {
    "ours": ours,
    "ours-no-ledger": lambda base, mode: ours(base, mode, ledger=False),
    "aiohttp": bare,
    "openai": openai,
    "litellm": litellm,
    "tensorzero": tensorzero,
}


async def measure(work: Work, calls: int, in_flight: int) -> dict[str, float]:
    """CPU of ``calls`` calls after one warm round, in microseconds a call and a chunk."""
    await work()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    left = iter(range(calls))
    seen = 0

    async def worker() -> None:
        nonlocal seen
        for _ in left:
            came = await work()  # awaited apart: += would read the sum before
            seen += came

    before = _cpu()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    spent = _cpu() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cpu_us_per_call": spent / calls * 1e6,
        "cpu_us_per_chunk": spent / seen * 1e6 if seen else 0.0,
        "peak_mb": peak,
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure what the arguments name."""
    name, mode, base, calls, in_flight = sys.argv[1:]
    work = CLIENTS[name](base, mode)
    print(json.dumps(asyncio.run(measure(work, int(calls), int(in_flight)))), flush=True)
    os._exit(0)  # some clients leave threads behind


if __name__ == "__main__":
    main()
