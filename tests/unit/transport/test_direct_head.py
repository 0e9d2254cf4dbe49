"""From a call to an address and the bytes of a request's head."""

import pytest

from llm_orchestrator import __version__
from llm_orchestrator.errors import ConfigError
from llm_orchestrator.transport.direct.address import address
from llm_orchestrator.transport.direct.head import head
from llm_orchestrator.types.http import HTTPCall


def lines(call: HTTPCall, headers: dict[str, str] | None = None) -> list[str]:
    _, start = head(call, headers or {})
    text = start.decode()
    assert text.endswith("\r\n\r\n")
    return text[:-4].split("\r\n")


def test_a_post() -> None:
    call = HTTPCall("https://api.example.com/v1/chat?q=1#part", b"{}")
    assert lines(call, {"Authorization": "Bearer k", "content-type": "application/json"}) == [
        "POST /v1/chat?q=1 HTTP/1.1",
        "Host: api.example.com",
        "Accept: */*",
        "Accept-Encoding: identity",
        f"User-Agent: llm_orchestrator/{__version__}",
        "Authorization: Bearer k",
        "content-type: application/json",
        "Content-Length: 2",
    ]


def test_a_get() -> None:
    found = lines(HTTPCall("http://127.0.0.1:8000", method="GET"))
    assert found[:2] == ["GET / HTTP/1.1", "Host: 127.0.0.1:8000"]
    assert "Accept-Encoding: gzip" in found
    assert not [line for line in found if line.startswith("Content-Length")]
    assert "Content-Length: 0" in lines(HTTPCall("http://127.0.0.1:8000"))


def test_own_headers_take_the_place_of_ours() -> None:
    given = {"HOST": "a", "accept": "b", "Accept-Encoding": "c", "user-agent": "d"}
    found = lines(HTTPCall("http://x"), given)
    assert found == ["POST / HTTP/1.1", "HOST: a", "accept: b", "Accept-Encoding: c",
                     "user-agent: d", "Content-Length: 0"]  # fmt: skip


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Connection", "EXPECT"])
def test_the_framing_is_ours(name: str) -> None:
    found = lines(HTTPCall("http://x", b"ab"), {"X-A": "1", name: "9", "X-B": "2"})
    assert found[-3:] == ["X-A: 1", "X-B: 2", "Content-Length: 2"]
    assert not [line for line in found[:-1] if line.lower().startswith(name.lower())]


@pytest.mark.parametrize(
    "url, target",
    [
        ("http://x/a%3Ab/%2F?q=%20&r=%s", "/a%3Ab/%2F?q=%20&r=%s"),
        ("http://x?a=b", "/?a=b"),
        ("http://x/ä?b=ö", "/%C3%A4?b=%C3%B6"),
        ("http://x//double/", "//double/"),
        ("http://x/model:generate", "/model:generate"),
    ],
)
def test_paths_arrive_as_they_are(url: str, target: str) -> None:
    assert lines(HTTPCall(url), {"X%s": "%d"})[0] == f"POST {target} HTTP/1.1"


@pytest.mark.parametrize(
    "url, origin, host, port, named",
    [
        ("http://x", "http://x:80", "x", 80, "x"),
        ("HTTPS://API.Example.com:443/", "https://api.example.com:443", "api.example.com", 443,
         "api.example.com"),
        ("https://x:80", "https://x:80", "x", 80, "x:80"),
        ("http://[::1]:81/", "http://[::1]:81", "::1", 81, "[::1]:81"),
        ("http://user:secret@x/", "http://x:80", "x", 80, "x"),
        ("http://bücher.example", "http://xn--bcher-kva.example:80", "xn--bcher-kva.example", 80,
         "xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_addresses(url: str, origin: str, host: str, port: int, named: str) -> None:
    where = address(url)
    assert (where.origin, where.host, where.port, where.host_header) == (origin, host, port, named)
    assert where.secure is url.lower().startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "x:80", "ftp://x", "http://", "http://:80", "http://[::1", "http://x:y", "//x",
        "http://x:99999", "http://x/a b", "http://x/a\r\nX-Evil: 1", "http://x\n", "http://\ud800/",
        "http://x/\ud800", "http://.ü./", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        head(HTTPCall(url), {})


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\n", "\ra", "a\0", "a\x7f", "a\x1b[0m"])
def test_a_value_cannot_break_its_line(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        head(HTTPCall("http://x"), {"X-Good": "1", "Authorization": f"Bearer sk-secret{value}"})
    assert "Authorization" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "a\0"])
def test_a_name_cannot_break_its_line(name: str) -> None:
    with pytest.raises(ConfigError):
        head(HTTPCall("http://x"), {name: "1"})


@pytest.mark.parametrize("method", ["", "GET /", "PO\nST"])
def test_a_method_cannot_break_its_line(method: str) -> None:
    with pytest.raises(ConfigError):
        head(HTTPCall("http://x", method=method), {})


def test_values_beyond_ascii_are_sent_as_utf_8() -> None:
    _, start = head(HTTPCall("http://x"), {"X-Name": "Zoë\t\u00a0"})
    assert "X-Name: Zoë\t\u00a0\r\n".encode() in start
    with pytest.raises(ConfigError, match="X-Name"):
        head(HTTPCall("http://x"), {"X-Name": "\ud800"})
