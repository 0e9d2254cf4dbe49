"""What the decoders of server-sent events share: a wire adds what one event means."""

from collections.abc import Sequence

from llm_orchestrator.dialects.base import LATE_ERROR, MALFORMED, UNREADABLE
from llm_orchestrator.dialects.sse import SSEParser
from llm_orchestrator.errors import OrchestratorError
from llm_orchestrator.types.events import NoticeEvent, StreamEvent
from llm_orchestrator.types.provider import Candidate


class SSEDecoder:
    """A `base.StreamDecoder` of server-sent events.

    An event that cannot be read is skipped and noted: whether the answer is whole is then decided
    by the terminal marker.
    """

    __slots__ = ("_sse", "_target", "failure", "finished", "settled")

    def __init__(self, target: Candidate) -> None:
        self._target = target
        self._sse = SSEParser()
        self.finished = False
        self.settled = False
        self.failure: OrchestratorError | None = None

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """The events that these bytes complete."""
        return self._all(self._sse.feed(data))

    def close(self) -> Sequence[StreamEvent]:
        """The events of a last piece without its blank line."""
        return self._all(self._sse.close())

    def _all(self, payloads: Sequence[bytes]) -> list[StreamEvent]:
        out: list[StreamEvent] = []
        for payload in payloads:
            if self.failure is not None:
                break
            if payload == b"[DONE]":
                self.settled = self.finished
                continue
            try:
                self._one(payload, out)
            except UNREADABLE:
                out.append(NoticeEvent(MALFORMED))
        return out

    def _one(self, payload: bytes, out: list[StreamEvent]) -> None:
        """Add what the data of one event means; may raise what decoding JSON raises."""
        raise NotImplementedError

    def _fail(self, error: OrchestratorError, out: list[StreamEvent]) -> None:
        """An error came, which matters only while the answer is not whole."""
        if self.finished:
            self.settled = True
            out.append(NoticeEvent(LATE_ERROR))
        else:
            self.failure = error
