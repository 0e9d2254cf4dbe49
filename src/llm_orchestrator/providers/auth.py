"""How a call proves who sends it."""

from llm_orchestrator.errors import AuthenticationError
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.provider import Provider
from llm_orchestrator.types.secret import Secret

_NAMED = frozenset(("x-api-key", "x-goog-api-key", "api-key"))
"""Ways of sending a key that are named as their header is."""


def authorised(call: HTTPCall, provider: Provider) -> dict[str, str]:
    """The headers of the call with the provider's key; raises when there is none."""
    headers = dict(call.headers)
    if provider.key is not None:
        headers |= key_headers(provider, provider.key)
    elif provider.auth != "none":
        names = " or ".join(provider.key_env) or f"providers.{provider.name}.api_key"
        raise AuthenticationError(
            f"no key for {provider.label}: set {names}", provider=provider.name, code="no_key"
        )
    for name, value in provider.headers.items():
        headers[name] = value.reveal()
    return headers


def key_headers(provider: Provider, key: Secret) -> dict[str, str]:
    """The header that carries the key, as the provider wants it."""
    if provider.auth in _NAMED:
        return {provider.auth: key.reveal()}
    return {"Authorization": f"Bearer {key.reveal()}"}


def blanked(text: str, provider: Provider) -> str:
    """``text`` from outside without any secret of the provider that it may echo."""
    if provider.key is not None:
        text = provider.key.hidden_in(text)
    for value in (*provider.headers.values(), *provider.secrets.values()):
        text = value.hidden_in(text)
    return text
