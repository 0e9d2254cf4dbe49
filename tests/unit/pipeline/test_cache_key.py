"""What a key depends on: everything that changes the answer, and nothing else."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from llm_orchestrator.pipeline.cache_key import Keys, plain
from llm_orchestrator.pipeline.cache_policy import CachePolicy
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate, Provider, Quirks
from llm_orchestrator.types.request import (
    Image,
    Message,
    OutputSchema,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from llm_orchestrator.types.secret import Secret

ROW = Provider(name="office", dialect="openai", base_url="http://a.example/v1")
MODEL = Model(provider="office", id="m", abilities=frozenset(("system", "sampling", "tools")))
ONE = Candidate(ROW, MODEL)
OTHER = Candidate(ROW, msgspec.structs.replace(MODEL, id="n"))
ASK = (Message("system", "Be kind."), Message("user", "Hello"))
REQUEST = Request(messages=ASK, temperature=0.5, tools=(Tool("look"),))
PICTURE = "data:image/png;base64,AAAA"

CHANGES: dict[str, Any] = {
    "messages": (ASK[0], Message("user", "Hello!")),
    "tools": (Tool("look", "Looks."),),
    "tool_choice": ToolChoice("required"),
    "parallel_tool_calls": False,
    "schema": OutputSchema("a", {"type": "object"}),
    "temperature": 0.6,
    "top_p": 0.9,
    "top_k": 5,
    "max_tokens": 10,
    "stop": ("END",),
    "seed": 1,
    "effort": "low",
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "service_tier": "flex",
    "strict": True,
    "extra": {"logit_bias": {"50256": -100}},
}
NOT_ASKED = {"stream": True, "user": "ann"}


def key(request: Request = REQUEST, *candidates: Candidate, **more: Any) -> str:
    return Keys().of(CachePolicy(request, candidates or (ONE,), 60.0, **more))


def changed(**changes: Any) -> Request:
    return msgspec.structs.replace(REQUEST, **changes)


def test_every_field_of_a_request_is_known_here() -> None:
    assert set(Request.__struct_fields__) == CHANGES.keys() | NOT_ASKED.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_the_answer_changes_the_key(name: str) -> None:
    assert key(changed(**{name: CHANGES[name]})) != key()


@pytest.mark.parametrize("name", NOT_ASKED)
def test_what_does_not_change_the_answer_leaves_the_key(name: str) -> None:
    assert key(changed(**{name: NOT_ASKED[name]})) == key()


def test_numbers_that_are_equal_are_the_same() -> None:
    assert key(changed(temperature=1)) == key(changed(temperature=1.0))
    assert key(changed(top_p=0)) == key(changed(top_p=0.0))
    assert key(changed(temperature=0)) != key(changed(temperature=None))


def test_the_order_of_extra_fields_does_not_matter_but_that_of_properties_does() -> None:
    assert key(changed(extra={"a": 1, "b": 2})) == key(changed(extra={"b": 2, "a": 1}))
    one: dict[str, Any] = {"a": {}, "b": {}}
    two: dict[str, Any] = {"b": {}, "a": {}}
    assert key(changed(tools=(Tool("f", "", {"properties": one}),))) != key(
        changed(tools=(Tool("f", "", {"properties": two}),))
    )
    assert key(changed(schema=OutputSchema("a", one))) != key(
        changed(schema=OutputSchema("a", two))
    )


@pytest.mark.parametrize(
    "part",
    [
        Image(url=PICTURE[:-1] + "B"),
        Image(url=PICTURE, detail="low"),
        Image(url="https://a.example/a.png"),
        Text(text=PICTURE),
        ToolResult(call_id="1", content=(Image(url=PICTURE),)),
        ToolCall(id="1", name="look", arguments='{"a":1}'),
        ToolCall(id="1", name="look", arguments='{"a":1}', signature="x"),
    ],
)
def test_parts_count_with_all_they_hold(part: Any) -> None:
    first = changed(messages=(Message("user", (Image(url=PICTURE),)),))
    assert key(changed(messages=(Message("user", (part,)),))) != key(first)


def test_who_may_answer_counts_and_in_which_order() -> None:
    assert len({key(), key(REQUEST, ONE, OTHER), key(REQUEST, OTHER, ONE)}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "home"},
        {"base_url": "http://b.example/v1"},
        {"dialect": "anthropic"},
        {"quirks": Quirks(unsupported=frozenset(("seed",)))},
        {"lacks": frozenset(("tools",))},
        {"headers": {"X-Version": Secret("2")}},
    ],
)
def test_what_a_row_sends_counts(changes: dict[str, Any]) -> None:
    assert key(REQUEST, Candidate(msgspec.structs.replace(ROW, **changes), MODEL)) != key()


@pytest.mark.parametrize("changes", [{"key": Secret("sk-other")}, {"display_name": "Office"}])
def test_another_account_has_the_same_answers(changes: dict[str, Any]) -> None:
    assert key(REQUEST, Candidate(msgspec.structs.replace(ROW, **changes), MODEL)) == key()


def test_what_a_model_can_do_counts_as_requests_are_fitted_to_it_but_its_price_does_not() -> None:
    poor = msgspec.structs.replace(MODEL, abilities=frozenset(("system",)))
    assert key(REQUEST, Candidate(ROW, poor)) != key()
    aliased = msgspec.structs.replace(MODEL, aliases=("x",), prices=())
    assert key(REQUEST, Candidate(ROW, aliased)) == key()


def test_the_port_of_a_server_that_we_start_does_not_count() -> None:
    def local(base: str) -> str:
        row = msgspec.structs.replace(ROW, name="local", base_url=base, local=True)
        return key(REQUEST, Candidate(row, MODEL))

    assert local("http://127.0.0.1:1234/v1") == local("") == local("http://127.0.0.1:9/v1")
    assert local("http://gpu.example:1234/v1") != local("")


def test_tenants_and_strategies_are_apart() -> None:
    found = [
        key(),
        key(tenant="a"),
        key(tenant="b"),
        key(options=("vote",)),
        key(options=("vote", 0.6)),
        key(tenant="vote"),
    ]
    assert len(set(found)) == len(found)


def test_how_long_it_counts_and_how_it_is_read_do_not_matter() -> None:
    assert key(refresh=True, parse=str) == key()
    assert Keys().of(CachePolicy(REQUEST, (ONE,), 1.0)) == key()


def test_texts_are_apart_from_requests_and_from_each_other() -> None:
    keys = Keys()
    found = [
        keys.of_text("Hello", ONE, None, ""),
        keys.of_text("Hello", ONE, 256, ""),
        keys.of_text("Hello", OTHER, None, ""),
        keys.of_text("Hello", ONE, None, "a"),
        keys.of_text("hello", ONE, None, ""),
        key(),
    ]
    assert len(set(found)) == len(found)


def test_a_candidate_made_anew_is_the_same_and_many_do_not_pile_up() -> None:
    keys = Keys()
    made = [
        keys.of(CachePolicy(REQUEST, (Candidate(msgspec.structs.replace(ROW), MODEL),), 60.0))
        for _ in range(3000)
    ]
    assert set(made) == {key()}
    assert len(keys._names) <= 1024
    assert len(keys._rows) <= 1024


def test_what_json_cannot_hold_has_no_key() -> None:
    with pytest.raises(TypeError):
        key(changed(extra={"a": object()}))


def test_a_plain_request_is_made_once() -> None:
    assert plain(plain(REQUEST)) == plain(REQUEST)


def test_keys_are_the_same_in_every_process() -> None:
    code = "from tests.unit.pipeline.test_cache_key import key; print(key())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=__file__.rpartition("/tests/")[0],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        )
        assert done.stdout.strip() == key()
