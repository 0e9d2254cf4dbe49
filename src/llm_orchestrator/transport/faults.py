"""What can go wrong between here and an endpoint, in one set of words for all transports."""

from llm_orchestrator.errors import APIConnectionError, APITimeoutError, ConfigError
from llm_orchestrator.transport.base import Limits

_LATE = {
    "first_token": "{host} did not begin to answer within {seconds:g} s",
    "idle": "{host} fell silent inside its answer for {seconds:g} s",
    "total": "{host} did not finish within {seconds:g} s",
}

_TLS = (
    (("not yet valid", "has expired"), "is this machine's clock right?"),
    (
        ("self-signed", "self signed", "issuer certificate"),
        "where a proxy opens TLS, name the file of its certificate in SSL_CERT_FILE",
    ),
    (
        ("wrong version number", "record layer", "unknown protocol", "http request"),
        "does that port speak TLS, or should base_url begin with http://?",
    ),
    (("mismatch", "not valid for", "doesn't match"), "is base_url right?"),
)
"""Words of a failure, and what to do about it."""
_WHO_ARE_YOU = 407


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
    return APIConnectionError(
        f"the name {host} cannot be resolved: is base_url right, also the region in it, and is "
        "there a network?",
        code="dns",
    )


def unreachable(host: str, why: str) -> APIConnectionError:
    """Nobody took the connection."""
    return APIConnectionError(
        f"cannot connect to {host}: {why}; is base_url right, and does a server run there?",
        code="connect",
    )


def untrusted(host: str, why: object) -> APIConnectionError:
    """TLS failed: a certificate, a protocol version, or no TLS at all."""
    low = str(why).lower()
    advice = next((advice for words, advice in _TLS if any(word in low for word in words)), "")
    return APIConnectionError(
        f"no trusted TLS connection to {host}: {why}{'; ' if advice else ''}{advice}", code="tls"
    )


def no_proxy(variable: str) -> ConfigError:
    """The environment names a proxy that is none; its address may hold a password."""
    return ConfigError(
        f"what {variable} names cannot be used: write http://host:port (proxies that speak SOCKS, "
        "or TLS themselves, are not supported), or name the provider's host in NO_PROXY"
    )


def unreachable_proxy(variable: str, proxy: str, why: str) -> APIConnectionError:
    """Nobody took the connection to the proxy of the environment."""
    return APIConnectionError(
        f"cannot connect to the proxy {proxy} that {variable} names: {why}; is the variable right, "
        "and does the proxy run?",
        code="proxy",
    )


def refused_by_proxy(host: str, status: int) -> APIConnectionError:
    """The proxy of the environment does not lead there."""
    advice = "put user and password into the address in HTTPS_PROXY"
    if status != _WHO_ARE_YOU:
        advice = "does HTTPS_PROXY name the right proxy, and may it go there (NO_PROXY)?"
    return APIConnectionError(
        f"the proxy on the way to {host} answered with status {status}: {advice}", code="proxy"
    )


def reset(host: str) -> APIConnectionError:
    """Closed before any part of an answer came."""
    return APIConnectionError(
        f"{host} closed the connection without an answer; if it does so each time, is base_url "
        "right (https or http), or does a firewall close it?",
        code="reset",
    )


def cut(host: str) -> APIConnectionError:
    """Closed inside an answer."""
    return APIConnectionError(
        f"{host} broke off inside its answer, before the length that it announced or the mark of "
        "its end; if it does so each time, a proxy on the way changes replies",
        code="cut",
    )


def improper(host: str, why: object) -> APIConnectionError:
    """What came is not HTTP."""
    return APIConnectionError(
        f"{host} does not speak proper HTTP: {why}; is base_url right, or does a proxy on the way "
        "change replies?",
        code="http",
    )
