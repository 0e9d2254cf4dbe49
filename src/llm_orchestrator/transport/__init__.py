"""The only place that speaks to an LLM endpoint: connections, time limits, bytes."""

from llm_orchestrator.transport.base import Transport, proxied


def default() -> Transport:
    """The transport that fits the environment: aiohttp's where a proxy is set, else our own.

    Each is loaded only when it is used: aiohttp alone takes 100 ms.
    """
    if proxied():
        from llm_orchestrator.transport.http import HTTPTransport

        return HTTPTransport()
    from llm_orchestrator.transport.direct import DirectTransport

    return DirectTransport()
