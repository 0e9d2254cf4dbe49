"""Which transport is used where nobody names one, and what it loads."""

import subprocess
import sys

import pytest

from llm_orchestrator import transport
from llm_orchestrator.transport.direct import DirectTransport
from llm_orchestrator.transport.http import HTTPTransport

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_our_own_where_there_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(transport.default(), DirectTransport)
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert isinstance(transport.default(), DirectTransport)


@pytest.mark.parametrize("name", [*PROXIES, *map(str.lower, PROXIES)])
def test_the_one_that_knows_proxies_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:3128")
    assert isinstance(transport.default(), HTTPTransport)


def test_without_a_proxy_the_other_is_not_loaded() -> None:
    code = (
        "import sys; from llm_orchestrator import transport; transport.default(); "
        "print(*{'aiohttp', 'yarl', 'multidict'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
