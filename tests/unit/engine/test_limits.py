"""How long an attempt may take."""

from typing import Any

import pytest

from llm_orchestrator.config.rate_limits import RateLimitSettings
from llm_orchestrator.config.schema import Config, ProviderSettings, Timeouts
from llm_orchestrator.engine.limits import limits
from llm_orchestrator.pipeline.speed import Speed
from llm_orchestrator.transport.base import Limits
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request
from tests.unit.dialects import targets
from tests.unit.pipeline.outcomes import attempt

CHAT = targets.openai("sampling tools")


def first(
    config: Config | None = None,
    target: Candidate = CHAT,
    speed: Speed | None = None,
    *,
    elsewhere: bool = True,
    **fields: Any,
) -> float:
    request = Request(messages=(Message("user", "Hi"),), **fields)
    return limits(config or Config(), speed or Speed(), request, target, elsewhere=elsewhere).first


def test_the_defaults() -> None:
    request = Request(messages=(), stream=True)
    assert limits(Config(), Speed(), request, CHAT, elsewhere=False) == Limits(5, 600, 20, 600)
    assert limits(Config(), Speed(), request, CHAT, elsewhere=True) == Limits(5, 10, 20, 600, 10)


def line(elsewhere: bool = False, **settings: Any) -> float:
    config = Config(rate_limits=RateLimitSettings(**settings))
    request = Request(messages=())
    return limits(config, Speed(), request, CHAT, elsewhere=elsewhere).line


def test_a_wait_in_line() -> None:
    """As long as was configured, and no longer than for a `Retry-After` if others could answer."""
    assert line() == 90
    assert line(max_wait=5) == line(True, max_wait=5) == 5
    assert line(True, max_wait=300) == 10
    assert line(queue=False) == line(True, queue=False) == 0


@pytest.mark.parametrize("stream", [False, True])
def test_patience_where_there_is_nobody_else(stream: bool) -> None:
    assert first(elsewhere=False, stream=stream, max_tokens=5) == 600


def test_a_whole_answer_may_take_as_long_as_its_tokens() -> None:
    """Two minutes at least: what is given up too early is paid for twice."""
    assert first() == 120
    assert first(max_tokens=200) == 120
    assert first(max_tokens=1000) == 120
    assert first(max_tokens=2000) == 20 + 2000 / 10
    assert first(max_tokens=100_000) == 600


@pytest.mark.parametrize(
    ("setting", "expected"), [("auto", 120), ("off", 600), (3.0, 120), (300.0, 300), (900.0, 600)]
)
def test_a_whole_answer_by_configuration(setting: Any, expected: float) -> None:
    """Without a limit to its length a number may lengthen the wait, not cut it."""
    config = Config(timeouts=Timeouts(first_token=setting))
    assert first(config) == expected


@pytest.mark.parametrize(("setting", "expected"), [("off", 600), (3.0, 40), (300.0, 300)])
def test_a_short_whole_answer_by_configuration(setting: Any, expected: float) -> None:
    """Whoever sets a number wants to go on soon, but not before the answer can be there."""
    config = Config(timeouts=Timeouts(first_token=setting))
    assert first(config, max_tokens=200) == expected


def test_a_whole_answer_within_the_total() -> None:
    assert first(Config(timeouts=Timeouts(total=60))) == 60


def test_the_first_token_of_a_model_that_was_measured() -> None:
    speed = Speed()
    for _ in range(19):
        measured(speed, 4.0)
    assert first(speed=speed, stream=True) == 10
    measured(speed, 4.0)
    assert first(speed=speed, stream=True) == 16
    for _ in range(100):
        measured(speed, 0.2)
    assert first(speed=speed, stream=True) == 10


def measured(speed: Speed, seconds: float) -> None:
    one = attempt(CHAT)
    one.first_token = seconds
    speed.leave(one)


def test_the_95th_percentile() -> None:
    speed = Speed()
    for number in range(100):
        measured(speed, float(number))
    assert speed.first_token_p95(CHAT) == 95
    assert speed.first_token_p95(targets.openai(id="other")) is None


@pytest.mark.parametrize(("setting", "expected"), [("off", 600), (3.0, 3.0), (900.0, 600)])
def test_the_first_token_by_configuration(setting: Any, expected: float) -> None:
    config = Config(timeouts=Timeouts(first_token=setting))
    assert first(config, stream=True) == expected


def test_a_provider_with_limits_of_its_own() -> None:
    section = ProviderSettings(timeouts={"first_token": 2.0, "connect": 1.0})
    config = Config(providers={"openai": section}, timeouts=Timeouts(idle=7))
    request = Request(messages=(), stream=True)
    found = limits(config, Speed(), request, CHAT, elsewhere=True)
    assert found == Limits(connect=1, first=2, idle=7, total=600, line=10)


THINKER = targets.openai("reasoning tools")
BOTH = targets.openai("reasoning sampling tools")


@pytest.mark.parametrize(
    ("target", "effort", "expected"),
    [
        (THINKER, None, 600),
        (THINKER, "none", 10),
        (BOTH, None, 10),
        (BOTH, "low", 600),
        (BOTH, "none", 10),
        (CHAT, "low", 10),
        (targets.openai(), None, 10),
        (targets.openai(), "low", 600),
    ],
)
def test_thinking_may_be_silent(target: Candidate, effort: Any, expected: float) -> None:
    assert first(target=target, effort=effort, stream=True) == expected
