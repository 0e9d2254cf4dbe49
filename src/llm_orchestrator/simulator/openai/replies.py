"""Bodies and chunks of the chat wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_orchestrator.simulator.answers import Answer
from llm_orchestrator.simulator.body import encode
from llm_orchestrator.simulator.frames import Frame
from llm_orchestrator.simulator.prices import Usage
from llm_orchestrator.simulator.wire import Reply

_FINISH = {"stop_sequence": "stop"}


def sse(body: Any) -> bytes:
    """One event."""
    return b"data: " + encode(body) + b"\n\n"


class Writer:
    """Writes one reply as OpenAI does; providers that follow it differ in a method or two."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.ask = reply.ask
        self._head = self.head()

    def head(self) -> dict[str, Any]:
        """What the body and every chunk share."""
        world, model = self.reply.world, self.ask.model
        return {
            "id": world.id("chatcmpl-", 29, self.reply.number),
            "object": "chat.completion.chunk" if self.ask.stream else "chat.completion",
            "created": int(world.clock.now()),
            "model": model.snapshot,
            "service_tier": self.ask.tier.replace("batch", "") or "default",
            "system_fingerprint": world.id("fp_", 10, model.id),
        }

    def finish(self, answer: Answer) -> str:
        """The word for how an answer ended."""
        return _FINISH.get(answer.finish, answer.finish)

    def usage(self, total: Usage) -> dict[str, Any]:
        """The usage object: cached tokens inside the prompt, reasoning inside the completion."""
        return {
            "prompt_tokens": total.input_tokens,
            "completion_tokens": total.output_tokens,
            "total_tokens": total.input_tokens + total.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": total.cache_read_tokens,
                "cache_write_tokens": total.cache_write_tokens,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": total.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def call(self, answer: Answer, index: int, arguments: str) -> dict[str, Any]:
        """A tool call with this much of its arguments."""
        call = answer.calls[index]
        function = {"name": call.name, "arguments": arguments}
        return {"id": self.call_id(call.id), "type": "function", "function": function}

    def call_id(self, name: str) -> str:
        """The id of a call on this wire."""
        return f"call_{name}"

    # ---------------------------------------------------------------- plain replies

    def message(self, answer: Answer) -> dict[str, Any]:
        """The message of one choice."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text,
            "refusal": None,
            "annotations": [],
        }
        return message | self.calls(answer)

    def calls(self, answer: Answer) -> dict[str, Any]:
        """The tool calls of a message, beside which an empty text is null."""
        if not answer.calls:
            return {}
        numbers = range(len(answer.calls))
        calls = [self.call(answer, n, answer.arguments(n)) for n in numbers]
        return {"tool_calls": calls, "content": answer.text or None}

    def choice(self, index: int, answer: Answer) -> dict[str, Any]:
        """One choice of a body."""
        return {
            "index": index,
            "message": self.message(answer),
            "logprobs": None,
            "finish_reason": self.finish(answer),
        }

    def plain(self) -> dict[str, Any]:
        """The body of a reply in one piece."""
        choices = [self.choice(n, answer) for n, answer in enumerate(self.reply.answers)]
        return self._head | {"choices": choices, "usage": self.usage(self.reply.usage)}

    # ---------------------------------------------------------------- streams

    def opening(self, answer: Answer) -> dict[str, Any]:
        """The first delta of a choice."""
        return {"role": "assistant", "content": None if answer.calls else "", "refusal": None}

    def delta(self, answer: Answer, number: int) -> dict[str, Any] | None:
        """What piece `number` adds, or None when it is not shown."""
        piece = answer.pieces[number]
        if piece.kind == "text":
            return {"content": piece.text}
        if piece.kind == "call":
            return {"tool_calls": [{"index": piece.index} | self.call(answer, piece.index, "")]}
        if piece.kind == "arguments":
            call = {"index": piece.index, "function": {"arguments": piece.text}}
            return {"tool_calls": [call]}
        return None

    def chunk(self, index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """One chunk of a choice; `usage` is null in all but the last when that is asked for."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        counted = {"usage": None} if self.ask.usage_chunk else {}
        return self._head | {"choices": [choice]} | counted

    def last(self, index: int, answer: Answer) -> dict[str, Any]:
        """The chunk that ends a choice."""
        return self.chunk(index, {}, self.finish(answer))

    def counted(self) -> dict[str, Any] | None:
        """The chunk with the usage after all choices, if there is one."""
        if not self.ask.usage_chunk:
            return None
        return self._head | {"choices": [], "usage": self.usage(self.reply.usage)}

    def frames(self) -> Iterator[Frame]:
        """The events of a streamed reply, choice after choice."""
        for index, answer in enumerate(self.reply.answers):
            yield Frame("head", sse(self.chunk(index, self.opening(answer))))
            for number, piece in enumerate(answer.pieces):
                delta = self.delta(answer, number)
                data = b"" if delta is None else sse(self.chunk(index, delta))
                yield Frame("token", data, piece.tokens, thought=piece.kind == "thinking")
            yield Frame("finish", sse(self.last(index, answer)))
        counted = self.counted()
        if counted is not None:
            yield Frame("usage", sse(counted))
        yield Frame("done", b"data: [DONE]\n\n")
