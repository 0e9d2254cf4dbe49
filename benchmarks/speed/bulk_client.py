"""Many prompts by one client, in a process of its own; prints one JSON line.

    python -m benchmarks.speed.bulk_client NAME URL ROWS [IN_FLIGHT]

NAME: online (ours, calls in real time), aiohttp, openai, litellm, curator (those that are installed
here), or batch (ours, by a simulator's batch API). URL: a base URL, or that of the simulator.
CPU time is user and system of this process, from the first row to the last file; what loading the
client takes comes before it.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.speed.client import MESSAGES, MODEL, OPTIONS
from benchmarks.speed.pace import pace

SYSTEM, ASK = MESSAGES[0]["content"], MESSAGES[1]["content"]
POST = "Row {number}: the parcel came a day early and nothing in it was broken, which is good."
Ask = Callable[[list[dict[str, str]]], Awaitable[str]]


def cpu() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def prompts(count: int) -> Iterator[list[dict[str, str]]]:
    """What each client asks."""
    system = {"role": "system", "content": SYSTEM}
    for number in range(count):
        yield [system, {"role": "user", "content": f"Row {number}: {ASK}"}]


def rows(count: int, text: str) -> Iterator[dict[str, str]]:
    """The same as rows of an input."""
    for number in range(count):
        yield {"id": f"r{number}", "text": text.format(number=number)}


# ------------------------------------------------------------------ ours


async def ours(config: dict[str, Any], given: Iterator[dict[str, str]], **more: Any) -> int:
    """A whole run, with its checkpoints, its ledger and its files; the rows that were answered."""
    from llm_orchestrator import AsyncLLMOrchestrator

    async with AsyncLLMOrchestrator(config | {"store": {"url": f"sqlite:///{HOME / 'l.db'}"}}) as o:
        run = await o.bulk(given, models=MODEL, out=HOME / "out", **more)
        state = await run.wait()
        report = await run.report()
    assert state == "completed", f"{state}: {report.run.error}"
    with (HOME / f"out/ai_results_openai/{report.units[0].task}_analysis.jsonl").open() as file:
        assert sum(1 for _ in file) == report.count("done")
    return report.count("done")


async def online(url: str, count: int, in_flight: int) -> int:
    """The online lane."""
    config = {"providers": {"openai": {"api_key": "sk-bench", "base_url": url}}}
    task = {"name": "answer", "system": SYSTEM, "prompt": "{{ text }}", "options": OPTIONS}
    given = rows(count, "Row {number}: " + ASK)
    return await ours(config, given, task=task, lane="online", concurrency=in_flight)


async def batch(url: str, count: int, in_flight: int) -> int:
    """The batch lane; the simulator tells the time."""
    del in_flight
    config = {"providers": {"openai": {"api_key": "sk-bench", "base_url": f"{url}/openai/v1"}}}
    task = {
        "name": "sentiment",
        "system": "Say whether the post is positive, negative or neutral.",
        "prompt": "{{ text }}",
        "options": {"max_tokens": 60},
    }
    return await ours(config, rows(count, POST), task=task, lane="batch", clock=url)


# ------------------------------------------------------------------ the others


async def each(ask: Ask, count: int, in_flight: int) -> int:
    """The usual script: workers that share the prompts, and a line for each answer."""
    left = enumerate(prompts(count))
    done = 0
    with (HOME / "out.jsonl").open("w") as file:

        async def worker() -> None:
            nonlocal done
            for number, messages in left:
                text = await ask(messages)
                file.write(json.dumps({"id": number, "text": text}) + "\n")
                done += 1

        await asyncio.gather(*(worker() for _ in range(in_flight)))
    return done


async def bare(url: str, count: int, in_flight: int) -> int:
    """Bare aiohttp: no checkpoint, no ledger, no second try."""
    import aiohttp

    headers = {"Authorization": "Bearer sk-bench"}
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=in_flight), headers=headers
    ) as session:

        async def ask(messages: list[dict[str, str]]) -> str:
            body = {"model": MODEL, "messages": messages, **OPTIONS}
            async with session.post(f"{url}/chat/completions", json=body) as got:
                text: str = json.loads(await got.read())["choices"][0]["message"]["content"]
                return text

        return await each(ask, count, in_flight)


async def openai(url: str, count: int, in_flight: int) -> int:
    """The official SDK."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=url, api_key="sk-bench", max_retries=0) as client:

        async def ask(messages: Any) -> str:
            got = await client.chat.completions.create(model=MODEL, messages=messages, **OPTIONS)
            return got.choices[0].message.content or ""

        return await each(ask, count, in_flight)


async def litellm(url: str, count: int, in_flight: int) -> int:
    """LiteLLM's library call."""
    peer: Any = import_module("litellm")
    peer.suppress_debug_info = True
    fields: dict[str, Any] = {"model": f"openai/{MODEL}", "api_base": url, **OPTIONS}

    async def ask(messages: list[dict[str, str]]) -> str:
        got = await peer.acompletion(messages=messages, api_key="sk-bench", **fields)
        text: str = got.choices[0].message.content
        return text

    return await each(ask, count, in_flight)


def curator(url: str, count: int, in_flight: int) -> int:
    """Curator, with its cache of answers."""
    peer: Any = import_module("bespokelabs.curator")

    def prompt(self: Any, row: dict[str, str]) -> list[dict[str, str]]:  # noqa: ARG001
        system = {"role": "system", "content": SYSTEM}
        return [system, {"role": "user", "content": row["text"]}]

    def parse(self: Any, row: dict[str, str], response: str) -> dict[str, str]:  # noqa: ARG001
        return {"id": row["id"], "text": response}

    limits = {"max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10}
    asked = type("Asked", (peer.LLM,), {"prompt": prompt, "parse": parse})(
        model_name=MODEL,
        backend="openai",
        generation_params=OPTIONS,
        backend_params={
            "base_url": url,
            "max_concurrent_requests": in_flight,
            "require_all_responses": True,
            **limits,
        },
    )
    found = asked(list(rows(count, "Row {number}: " + ASK)))
    return len(getattr(found, "dataset", found))


def vocabularies() -> dict[str, str]:
    """Where tiktoken finds its files without a network: LiteLLM brings them."""
    found = find_spec("litellm")
    if found is None or found.origin is None:
        return {}
    place = Path(found.origin).with_name("litellm_core_utils") / "tokenizers"
    return {"TIKTOKEN_CACHE_DIR": str(place)}


_OURS = tuple(
    f"llm_orchestrator.{name}"
    for name in (
        *("orchestrator", "engine.build", "bulk.arguments", "bulk.opening", "bulk.run"),
        *("bulk.tasks.forms", "bulk.tasks.templates", "dialects.openai", "dialects.openai.batch"),
        "transport.direct.transport",
    )
)
_MODULES = {
    "online": _OURS,
    "batch": _OURS,
    "aiohttp": ("aiohttp",),
    "openai": ("openai",),
    "litellm": ("litellm",),
    "curator": ("bespokelabs.curator",),
}
"""What is loaded before the clock runs; we would load it when it is first used."""
_ASYNC = {"online": online, "batch": batch, "aiohttp": bare, "openai": openai, "litellm": litellm}
HOME = Path()


def main() -> None:
    """Measure what the arguments name."""
    global HOME  # noqa: PLW0603 - a folder of this process
    name, url, count, *more = sys.argv[1:]
    in_flight = int(more[0]) if more else 100
    with tempfile.TemporaryDirectory(prefix="llmo-bulk-") as folder:
        HOME = Path(folder)
        os.environ |= {"LLMO_HOME": folder, "CURATOR_CACHE_DIR": folder, "CURATOR_VIEWER": "0"}
        os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        os.environ |= {
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": url,
            "NO_PROXY": "127.0.0.1",
        }
        os.environ |= {"TELEMETRY_ENABLED": "false", "HF_HUB_OFFLINE": "1"} | vocabularies()
        for module in _MODULES[name]:
            import_module(module)
        before = pace()
        began, spent = time.monotonic(), cpu()
        if name == "curator":
            done = curator(url, int(count), in_flight)
        else:
            done = asyncio.run(_ASYNC[name](url, int(count), in_flight))
        spent = cpu() - spent
        found = {
            "cpu_us_per_row": spent / int(count) * 1e6,
            "seconds": time.monotonic() - began,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "done": done,
            "job_ms": (before + pace()) / 2,
        }
    print(json.dumps(found), flush=True)
    os._exit(0)  # some clients leave threads behind


if __name__ == "__main__":
    main()
