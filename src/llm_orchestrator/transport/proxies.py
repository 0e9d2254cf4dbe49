"""The proxy that the environment names for an address: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY."""

from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL

from llm_orchestrator.transport import faults


def proxy_of(url: URL) -> tuple[URL | None, str]:
    """The proxy that leads there, and the variable that names it; ``None`` where none does.

    Raises `ConfigError` for one that cannot be used: going there without it could tell others what
    is none of their business.
    """
    found = getproxies_environment()
    kind = url.scheme if found.get(url.scheme) else "all"
    address = found.get(kind)
    if not address or proxy_bypass(url.host or ""):
        return None, ""
    variable = f"{kind.upper()}_PROXY"
    try:
        proxy = URL(address if "://" in address else f"http://{address}")
    except ValueError:
        raise faults.no_proxy(variable) from None
    if proxy.scheme != "http" or not proxy.host:
        raise faults.no_proxy(variable)
    return proxy, variable
