"""Credentials that expire: fetched when a call needs them, by the module of their kind.

A row with ``auth="google"`` or ``"sigv4"`` and no key of its own is signed by `google` or `aws`; a
key that lies in a file or that a command prints is read by `fetched`. All of these modules offer
the functions of `Source`; they and their libraries are imported on first use.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from llm_orchestrator.providers import auth
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

_MODULES = {"google": "google", "sigv4": "aws", "fetched": "fetched"}
SIGNED = frozenset(("google", "sigv4"))
"""Ways of proving who asks that are more than a key, though a key may stand in for them."""
_SERVICES = {"s3": "sigv4"}
"""Storages that calls may go to beside the provider, to how those are signed."""


class Source(Protocol):
    """One kind of credentials."""

    async def sign(self, call: HTTPCall, provider: Provider) -> Mapping[str, str]:
        """The headers that prove who sends this call; raises `AuthenticationError`.

        Must not block the loop: what needs I/O runs in a thread, once for all who wait.
        """
        ...

    def fault(self, provider: Provider, *, named: bool) -> str | None:
        """Why there can be no credentials here, found without network; ``None`` if there may be.

        ``named`` says that the user's configuration names the provider: then a source that only
        the network can confirm (a metadata server) counts.
        """
        ...

    def forget(self, provider: Provider) -> None:
        """The provider refused the credentials: fetch new ones for the next call."""
        ...

    def held(self, provider: Provider) -> Sequence[Secret]:
        """The secrets that its calls carry now, to be blanked where a reply repeats them."""
        ...


async def signed(call: HTTPCall, provider: Provider) -> dict[str, str]:
    """The headers of the call with what proves who sends it; raises `AuthenticationError`."""
    if call.sign == "none":
        return dict(call.headers)
    if call.sign in _SERVICES:
        # A key of the provider's is none of its storage's.
        return {**call.headers, **await _source(_SERVICES[call.sign]).sign(call, provider)}
    if not expires(provider):
        return auth.authorised(call, provider)
    proof = await _source(_kind(provider)).sign(call, provider)
    headers = {**call.headers, **proof}
    for name, value in provider.headers.items():
        headers[name] = value.reveal()
    return headers


def fault(provider: Provider, *, named: bool) -> str | None:
    """Why the provider's calls cannot be signed; ``None`` if they may be, or need a plain key."""
    if not expires(provider):
        return None
    return _source(_kind(provider)).fault(provider, named=named)


def forget(provider: Provider) -> None:
    """Drop what is kept for a provider that has refused it."""
    if expires(provider):
        _source(_kind(provider)).forget(provider)


def blanked(text: str, provider: Provider) -> str:
    """``text`` from outside without any secret of the provider that it may echo."""
    text = auth.blanked(text, provider)
    if expires(provider):
        for secret in _source(_kind(provider)).held(provider):
            text = secret.hidden_in(text)
    return text


def expires(provider: Provider) -> bool:
    """Whether its calls are signed with what has to be fetched, instead of a key that is known."""
    return provider.key is None and _kind(provider) in _MODULES


def _kind(provider: Provider) -> str:
    return "fetched" if provider.key_file or provider.key_cmd else provider.auth


@cache
def _source(kind: str) -> Source:
    return cast("Source", import_module(f"llm_orchestrator.providers.{_MODULES[kind]}"))
