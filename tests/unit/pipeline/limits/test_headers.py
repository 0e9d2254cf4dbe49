"""Rate-limit headers in the notation of each provider."""

from typing import Any

import pytest

from llm_orchestrator.pipeline.limits import headers as wire
from llm_orchestrator.pipeline.limits.gates import INPUT, OUTPUT, REQUESTS, TOKENS
from llm_orchestrator.transport.direct.headers import Headers

DATE = {"date": "Fri, 20 Nov 2026 10:00:00 GMT"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12ms", 0.012),
        ("1s", 1),
        ("59.143s", 59.143),
        ("6m0s", 360),
        ("1h0m0s", 3600),
        ("2m59.56s", 179.56),
        ("1d2h", 93_600),
        ("120µs", 0.00012),
        ("17", 17),
        ("0.5", 0.5),
        ("0", 0),
        ("2026-11-20T10:00:30Z", 30),
        ("2026-11-20T10:00:30.500+00:00", 30.5),
        ("2026-11-20T12:01:00+02:00", 60),
        ("2026-11-20T09:59:00Z", 0),
        ("1795168830", 30),  # seconds since 1970
        ("1795168830500", 30.5),  # and milliseconds
    ],
)
def test_a_reset(text: str, expected: float) -> None:
    assert wire.seconds(text, DATE) == pytest.approx(expected)


@pytest.mark.parametrize("text", [None, "", "soon", "-1", "nan", "inf", "6m 0s!", "2026-11-20T10"])
def test_a_reset_that_says_nothing(text: str | None) -> None:
    assert wire.seconds(text, DATE) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("59", 59), ("59.0", 59), ("-1", None), ("", None), (None, None), ("many", None),
     ("inf", None), ("nan", None)],
)  # fmt: skip
def test_an_amount(text: str | None, expected: int | None) -> None:
    assert wire.amount(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("100", 100), ("100, 100;w=60", 100), ("10;w=1", 10), ("", None)]
)
def test_a_limit(text: str, expected: int | None) -> None:
    assert wire.limit(text) == expected


OPENAI = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "30000",
    "x-ratelimit-remaining-tokens": "29000",
    "x-ratelimit-reset-tokens": "2s",
}


@pytest.mark.parametrize(
    ("headers", "kinds"),
    [
        (OPENAI, [REQUESTS, TOKENS]),
        (
            {
                f"anthropic-ratelimit-{what}-remaining": "1"
                for what in ("requests", "tokens", "input-tokens", "output-tokens")
            },
            [REQUESTS, TOKENS, INPUT, OUTPUT],
        ),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-remaining-tokens-minute": "1"},
         [REQUESTS, TOKENS]),
        ({"x-ratelimit-remaining-req-minute": "1"}, [REQUESTS]),
        ({"x-ratelimit-remaining": "1", "x-tokenlimit-remaining": "1"}, [REQUESTS, TOKENS]),
        ({"ratelimit-remaining": "1"}, [REQUESTS]),
        ({"content-type": "application/json"}, []),
    ],
)  # fmt: skip
def test_what_is_told(headers: dict[str, str], kinds: list[int]) -> None:
    assert [one.kind for one in wire.told(headers)] == kinds


def test_names_are_found_without_case() -> None:
    raw: Any = {name.title().encode(): value.encode() for name, value in OPENAI.items()}
    assert len(wire.told(Headers(raw))) == 2


def test_requests_by_the_day() -> None:
    assert [one.period for one in wire.told(OPENAI, daily=True)] == [86_400, 60]
