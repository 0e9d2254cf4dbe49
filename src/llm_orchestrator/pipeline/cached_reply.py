"""What is kept of a reply, whether it is worth keeping, and the reply that comes of it again."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import MALFORMED
from llm_orchestrator.types.reply import Reply
from llm_orchestrator.types.request import Part, Text, ToolCall

STOPGAP_S = 300.0
"""An answer that others gave because somebody had failed counts no longer than this."""
_WHOLE = frozenset(("stop", "tool_calls"))
_FAILED = ("error", "truncated")
_OF_ITS_CALL = ("the cost of attempt ",)
"""Beginnings of notices that tell of the call that made the answer, not of the answer."""
_MENDED = (MALFORMED, "broke off and was continued")
"""Words of notices about answers that came with a flaw."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Reply).decode
_DAMAGED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def lifetime(reply: Reply, ttl: float, *, keep_cut: bool = False) -> float:
    """For how many seconds the reply may be given again; 0 is not at all.

    Only whole, good answers are: no refusals, nothing that a cap has stopped, nothing that was
    mended; what was cut at its longest length only with ``keep_cut``.
    """
    if reply.finish_reason not in _WHOLE and not (keep_cut and reply.finish_reason == "length"):
        return 0.0
    if reply.stopped or not (reply.content or _calls_tools(reply)):
        return 0.0
    if reply.notices and any(word in notice for notice in reply.notices for word in _MENDED):
        return 0.0
    return min(ttl, STOPGAP_S) if _somebody_failed(reply) else ttl


def pack(reply: Reply, before: frozenset[str] = frozenset()) -> bytes:
    """The reply as JSON, without what belongs to its call: ``before`` are notices of that kind.

    Raises what encoding JSON raises.
    """
    parts, notices = reply.parts, reply.notices
    if len(parts) == 1 and _is_content(parts[0], reply.content):
        parts = ()
    if notices:
        notices = tuple(
            one for one in notices if one not in before and not one.startswith(_OF_ITS_CALL)
        )
    return _encode(
        msgspec.structs.replace(
            reply,
            parts=parts,
            parsed=None,
            attempts=(),
            notices=notices,
            latency_s=0.0,
            request_id=None,
        )
    )


def unpack(body: bytes) -> Reply | None:
    """The reply as it was made, with its cost then and its call's id; ``None``: it is damaged."""
    try:
        reply = _decode(body)
    except _DAMAGED:
        return None
    if not reply.parts:
        msgspec.structs.force_setattr(reply, "parts", (Text(text=reply.content),))
    if reply.routing is not None:
        msgspec.structs.force_setattr(reply, "routing", _amounts(reply.routing))
    return reply


def _is_content(part: Part, content: str) -> bool:
    return type(part) is Text and part.cache is None and part.text == content


def _calls_tools(reply: Reply) -> bool:
    return any(type(part) is ToolCall for part in reply.parts)


def _somebody_failed(reply: Reply) -> bool:
    """Whether a model that was asked never answered."""
    if len(reply.attempts) <= 1:
        return False
    failed = {(one.provider, one.model) for one in reply.attempts if one.status in _FAILED}
    answered = {(one.provider, one.model) for one in reply.attempts if one.status == "ok"}
    return bool(failed - answered)


def _amounts(value: Any) -> Any:
    """JSON with its amounts as they were: exact text becomes `Decimal`."""
    if isinstance(value, Mapping):
        return {
            name: _amount(item) if name.endswith("_usd") else _amounts(item)
            for name, item in value.items()
        }
    return [_amounts(item) for item in value] if isinstance(value, list) else value


def _amount(value: Any) -> Any:
    try:
        return Decimal(value) if isinstance(value, str) else value
    except InvalidOperation:
        return value
