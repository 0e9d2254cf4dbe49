"""What can go wrong between here and an endpoint, in one set of words for all transports."""

from llm_orchestrator.errors import APIConnectionError, APITimeoutError, ConfigError
from llm_orchestrator.transport.base import Limits

_LATE = {
    "first_token": "{host} did not begin to answer within {seconds:g} s",
    "idle": "{host} fell silent inside its answer for {seconds:g} s",
    "total": "{host} did not finish within {seconds:g} s",
}


def late(phase: str, limits: Limits, host: str) -> APITimeoutError:
    """A time limit was passed; ``phase`` is connect, first_token, idle or total."""
    if phase == "connect":
        text = f"no connection to {host} in time; is the address right and reachable?"
    else:
        seconds = limits.first if phase == "first_token" else getattr(limits, phase)
        text = _LATE[phase].format(host=host, seconds=seconds)
    return APITimeoutError(text, code=f"{phase}_timeout", phase=phase)


def no_address(url: str) -> ConfigError:
    """The URL cannot be called."""
    return ConfigError(f"{url!r} is no address that can be called; check base_url")


def unresolved(host: str) -> APIConnectionError:
    """There is no such name, or nobody to ask for it."""
    return APIConnectionError(f"the name {host} cannot be resolved", code="dns")


def unreachable(host: str, why: str) -> APIConnectionError:
    """Nobody took the connection."""
    return APIConnectionError(f"cannot connect to {host}: {why}", code="connect")


def untrusted(host: str, why: object) -> APIConnectionError:
    """TLS failed: a certificate, a protocol version, or no TLS at all."""
    return APIConnectionError(f"no trusted TLS connection to {host}: {why}", code="tls")


def reset(host: str) -> APIConnectionError:
    """Closed before any part of an answer came."""
    return APIConnectionError(f"{host} closed the connection without an answer", code="reset")


def cut(host: str) -> APIConnectionError:
    """Closed inside an answer."""
    return APIConnectionError(f"{host} broke off inside its answer", code="cut")


def improper(host: str, why: object) -> APIConnectionError:
    """What came is not HTTP."""
    return APIConnectionError(f"{host} does not speak proper HTTP: {why}", code="http")
