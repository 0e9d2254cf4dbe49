"""Bodies in parts: pieces of files are read in a thread, while they are sent."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from llm_orchestrator.errors import StoreError
from llm_orchestrator.types.http import HTTPCall

_SLICE = 256 * 1024


async def pieces(call: HTTPCall) -> AsyncGenerator[bytes, None]:
    """The body, a quarter of a megabyte at a time; raises `StoreError` for a file that shrank."""
    for part in call.parts:
        if isinstance(part, bytes):
            yield part
            continue
        try:
            file = await asyncio.to_thread(Path(part.path).open, "rb", 0)
            with file:
                left = part.size
                while left:
                    data = await asyncio.to_thread(file.read, min(left, _SLICE))
                    if not data:
                        raise StoreError(f"{part.path} has become shorter than it was")
                    left -= len(data)
                    yield data.replace(b"\n", b",") if part.joined else data
        except OSError as error:
            raise StoreError(f"{part.path} cannot be read: {error.strerror}") from None
