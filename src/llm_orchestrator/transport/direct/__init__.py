"""HTTP/1.1 straight on asyncio's protocols: a quarter of the CPU of a general client.

What an LLM endpoint needs and nothing else: no redirects, no cookies, no proxies (where one is
configured, the transport over aiohttp serves: `llm_orchestrator.transport.default`).
"""

from llm_orchestrator.transport.direct.transport import DirectTransport as DirectTransport
