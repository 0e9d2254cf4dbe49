"""How often a large image is in memory while its request is encoded. Speed is for `make bench`."""

import pytest

from benchmarks.wires import IMAGE, MOST_COPIES, REPLY, memory, reply, wires
from llm_orchestrator.dialects import load
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.request import Image, Message, Request, Text

WIRES = wires()


@pytest.mark.parametrize("wire", WIRES)
def test_copies(wire: str) -> None:
    target = WIRES[wire]
    url = "data:image/png;base64," + "iVBORw0K" * (IMAGE // 8)
    picture = Message("user", (Text(text="What is this?"), Image(url=url)))
    request = Request(messages=(picture,), max_tokens=400)
    peak, slack = memory(lambda: load(target.provider.dialect).encode(request, target))
    assert 1 <= peak - slack <= MOST_COPIES + 0.05
    assert slack < 0.6


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_measured_is_an_answer(wire: str) -> None:
    target, found = WIRES[wire], reply(wire)
    answer = load(target.provider.dialect).decode(found, target)
    assert len(found.body) == REPLY
    assert answer.text.startswith("The sea is quiet")
    assert answer.usage
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (320, 180)
    assert answer.finish_reason == "stop"
    quirks = target.provider.quirks
    assert (answer.reported_cost is not None) == bool(quirks.cost)
    assert answer.extra or not quirks.keep


def test_a_copy_too_many_shows() -> None:
    def wasteful() -> HTTPCall:
        pieces = [bytes([number]) * IMAGE for number in range(3)]
        return HTTPCall("https://x", pieces[0])

    peak, slack = memory(wasteful)
    assert peak - slack > MOST_COPIES
