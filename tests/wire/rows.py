"""Rows of the table beside what the provider's own SDK sends."""

from typing import Any

import msgspec

from llm_orchestrator import dialects
from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.http import HTTPCall
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.provider import Candidate
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
from tests.wire.recorded import MISSING, Difference, differences, requests

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = Tool("get_weather", "Weather", WEATHER)
HI = (Message("user", "Hi"),)
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
ASKED: dict[str, Request] = {
    "plain": Request(messages=HI),
    "system": Request(messages=(Message("system", "Be brief."), *HI)),
    "multi_turn": Request(
        messages=(Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    ),
    "image_base64": Request(messages=(Message("user", (Text(text="What?"), Image(url=PIXEL))),)),
    "tools": Request(messages=HI, tools=(TOOL,), tool_choice=ToolChoice("auto")),
    "tool_result": Request(
        messages=(
            Message("user", "Weather?"),
            Message(
                "assistant",
                (ToolCall(id="call_1", name="get_weather", arguments='{"city": "Paris"}'),),
            ),
            Message("tool", (ToolResult(call_id="call_1", content='{"temp": 20}'),)),
        ),
        tools=(TOOL,),
    ),
    "json_schema": Request(messages=HI, schema=OutputSchema("out", WEATHER)),
    "params": Request(
        messages=HI, max_tokens=64, seed=7, stop=("END",), temperature=0.2, top_p=0.9
    ),
    "stream": Request(messages=HI, stream=True),
}
"""What the SDKs were asked for in the cases that all of them have."""

JSON_ASKED: Difference = {"headers.accept": ("application/json", MISSING)}
"""The transport accepts anything, and the decoder says what came instead of JSON."""
STREAM_ASKED: Difference = {"headers.accept": ("text/event-stream", MISSING)}


class Row:
    """One row and the recordings of its SDK."""

    def __init__(self, name: str, sdk: str | None = None) -> None:
        self.provider = msgspec.structs.replace(TABLE[name], key=Secret("TEST_KEY"))
        self.dialect = dialects.load(self.provider.dialect)
        self.recorded = requests(sdk or name)

    def target(self, model: str) -> Candidate:
        """Any model of the provider, of which nothing is known."""
        return Candidate(self.provider, Model(provider=self.provider.name, id=model))

    def case(self, case: str, request: Request) -> tuple[Difference, HTTPCall]:
        """Where the request differs from the recorded one of the case."""
        model = self.recorded[case]["body"]["model"]
        target = self.target(model)
        call = dialects.load(target.provider.dialect).encode(request, target)
        return differences(self.recorded[case], call, self.provider), call

    def models(self) -> Difference:
        """The same for the list of models."""
        call = self.dialect.list_models(self.provider, None)
        return differences(self.recorded["models_list"], call, self.provider)

    def embeddings(self, dimensions: int | None = None) -> Difference:
        """The same for embeddings."""
        recorded = self.recorded["embeddings"]
        texts: Any = recorded["body"].get("input") or recorded["body"]["texts"]
        texts = [texts] if isinstance(texts, str) else texts
        target = self.target(recorded["body"]["model"])
        call = self.dialect.encode_embeddings(texts, target, dimensions)
        return differences(recorded, call, self.provider)
