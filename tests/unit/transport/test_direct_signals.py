"""What a signal does to a program that it finds inside the transport."""

import asyncio
import sys
from types import FrameType

import pytest

from llm_orchestrator.transport.direct import DirectTransport
from tests.unit.transport.rawserver import OK, always, ask, serving


@pytest.mark.parametrize("place", ["on_headers_complete", "on_message_complete"])
def test_the_end_of_the_program_inside_a_callback_of_the_parser(place: str) -> None:
    """A handler of a signal runs wherever Python does: what it raises is not the bytes' fault."""

    def arrives(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == place:
            sys.setprofile(None)
            raise SystemExit(3)

    async def call() -> None:
        direct = DirectTransport()
        async with serving(always(OK)) as url:
            sys.setprofile(arrives)
            await ask(direct, url)

    try:
        with pytest.raises(SystemExit) as ended:
            asyncio.run(call())
    finally:
        sys.setprofile(None)
    assert ended.value.code == 3
