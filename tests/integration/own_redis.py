"""A Redis that a test may kill, and one that accepts and never answers."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis

from tests.ports import quiet_port

DEAF_S = 60.0


class OwnRedis:
    """A `redis-server` on a port of its own, with nothing on disk."""

    def __init__(self) -> None:
        self.port = quiet_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Returns when it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", "."]
        self._process = subprocess.Popen(
            ["redis-server", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(1000):
            try:
                with self.client as client:
                    client.ping()
                return
            except redis.RedisError:
                time.sleep(0.01)
        raise AssertionError("redis-server does not start")

    def kill(self) -> None:
        """At once, with all that it knew."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@asynccontextmanager
async def deaf() -> AsyncIterator[str]:
    """The URL of a Redis that takes connections and says nothing."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.add(writer)
        await reader.read(-1)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        for writer in open_ones:
            writer.close()
        server.close()
