"""The server: one process that is every provider, on one port of the loopback interface."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from aiohttp import web

from llm_orchestrator.simulator.application import application
from llm_orchestrator.simulator.batches.control import paid_twice, view
from llm_orchestrator.simulator.compat.routes import PROVIDERS
from llm_orchestrator.simulator.control import show_rule
from llm_orchestrator.simulator.world import Settings, World

_GRACE = 0.5  # seconds that open requests get when the server stops


class Simulator:
    """Fake providers on the wire: `async with Simulator(seed=7) as sim: ... sim.url`.

    Takes the port (0 = a free one), the host, and every field of `Settings`. In code without a
    loop use `with Simulator().run_in_thread() as sim`.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", **settings: Any) -> None:
        self.host = host
        self.port = port
        self.world = World(Settings(**settings))
        self._runner: web.AppRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://{self.host}:{self.port}"

    def provider_url(self, provider: str) -> str:
        """The base URL of any provider, as its own SDK wants it."""
        own = {"openai": "/openai/v1", "azure": "/azure/openai/v1"} | {
            p.chat.provider: p.chat.prefix for p in PROVIDERS
        }
        return f"{self.url}{own.get(provider, f'/{provider}')}"

    @property
    def openai_url(self) -> str:
        """The `base_url` of an OpenAI client."""
        return f"{self.url}/openai/v1"

    @property
    def anthropic_url(self) -> str:
        """The `base_url` of an Anthropic client."""
        return f"{self.url}/anthropic"

    @property
    def gemini_url(self) -> str:
        """The `base_url` of a client of the Gemini API; it adds the version itself."""
        return f"{self.url}/gemini"

    @property
    def vertex_url(self) -> str:
        """The `base_url` of a client of Vertex AI; it adds the version itself."""
        return f"{self.url}/vertex"

    @property
    def bedrock_url(self) -> str:
        """The `endpoint_url` of clients of Bedrock, of its runtime and of its control plane."""
        return f"{self.url}/bedrock"

    @property
    def s3_url(self) -> str:
        """The `endpoint_url` of a client of S3, with the bucket in the path."""
        return f"{self.url}/s3"

    @property
    def gcs_url(self) -> str:
        """The endpoint of a client of Cloud Storage's JSON API."""
        return f"{self.url}/gcs"

    @property
    def cohere_url(self) -> str:
        """The `base_url` of a client of Cohere."""
        return f"{self.url}/cohere"

    def ledger(self, since: int = 0, *, items: bool = False) -> dict[str, Any]:
        """The bill, as `GET /_ledger` shows it."""
        self._catch_up()
        return self.world.bill.view(since, items=items)

    def batches(self) -> dict[str, Any]:
        """Every batch that was accepted, as `GET /_batches` shows it."""
        self._catch_up()
        return view(self.world)

    def paid_twice(self) -> dict[str, Any]:
        """What was paid for in two batches, as `GET /_batches/paid-twice` shows it."""
        self._catch_up()
        return paid_twice(self.world)

    def set_batches(self, **settings: Any) -> None:
        """Change fields of `BatchSettings` for batches from now on."""
        self.world.batches.book.change(settings)

    def advance(self, seconds: float) -> float:
        """Let virtual time jump; returns what it is then, in seconds since 1970."""
        self.world.clock.advance(seconds)
        return self.world.clock.virtual()

    def _catch_up(self) -> None:
        """Have done what batches should have done by now, in the thread that serves."""
        if self._loop is None or self._loop.is_closed():
            return
        batches = self.world.batches
        if self._thread == threading.get_ident():
            batches.catch_up_now()
        elif self._loop.is_running():
            asyncio.run_coroutine_threadsafe(batches.catch_up_all(scan=True), self._loop).result(
                120
            )

    def log(self) -> list[dict[str, Any]]:
        """Every request seen since the last reset."""
        return [dict(entry) for entry in list(self.world.log)]

    def add_fault(self, **spec: Any) -> dict[str, Any]:
        """Add a rule, as `POST /_faults` does."""
        return show_rule(self.world.faults.add(spec))

    def reset(self) -> None:
        """Forget attempts, rules, caches and the log, as `POST /_reset` does."""
        self.world.reset()

    async def start(self) -> Self:
        """Listen; afterwards `url` is known."""
        runner = web.AppRunner(
            application(self.world),
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=_GRACE,
        )
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, backlog=1024)
        await site.start()
        self._runner = runner
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self.port = runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """Stop listening; requests still open get half a second."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._loop = None
        self.world.batches.close()
        self.world.bill.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @contextmanager
    def run_in_thread(self) -> Iterator[Self]:
        """Serve from a thread of its own until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.start(), loop).result(30)
            try:
                yield self
            finally:
                asyncio.run_coroutine_threadsafe(self.stop(), loop).result(30)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)
            loop.close()
