"""From our turns to the ``messages`` and ``system`` of Converse."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from llm_orchestrator.dialects.base import (
    UNREADABLE,
    Notices,
    data_url,
    no_media,
    raw_json,
    unsealed,
    unsupported,
)
from llm_orchestrator.dialects.bedrock.families import Family
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import (
    CacheTTL,
    Image,
    Media,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)

Block = dict[str, Any]

_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_encode_json = msgspec.json.Encoder().encode
_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Writer:
    """Writes the blocks of one request for one target."""

    def __init__(self, target: Candidate, family: Family, notices: Notices) -> None:
        self._target = target
        self._family = family
        self._notices = notices

    def system(self, messages: Sequence[Message]) -> list[Block]:
        """All system turns as the one system prompt of this wire."""
        blocks: list[Block] = []
        for turn in messages:
            if turn.role != "system":
                continue
            parts = (Text(text=turn.content),) if isinstance(turn.content, str) else turn.content
            for part in parts:
                if isinstance(part, Text) and part.text.strip():  # blank texts are refused
                    blocks.append({"text": part.text})
                    self.mark(blocks, part.cache)
        return blocks

    def messages(self, messages: Sequence[Message]) -> list[Block]:
        """The other turns; neighbours of one role become one: roles must take turns here."""
        out: list[Block] = []
        spoken = False
        for message in messages:
            if message.role == "system":
                if spoken:
                    self._notices.drop("a later system turn", "was moved to the front")
                continue
            spoken = True
            if message.name:
                self._notices.drop("the name of a speaker")
            role = "assistant" if message.role == "assistant" else "user"
            content = self._content(message)
            if out and out[-1]["role"] == role:
                out[-1]["content"] += content
            elif content:
                out.append({"role": role, "content": content})
        for turn in out:
            turn["content"] = _not_blank(turn["content"])
        if out and out[-1]["role"] == "assistant" and not self._target.can("prefill"):
            why = "ending with an assistant turn (prefill) is not supported here"
            raise unsupported(why, self._target)
        return out

    def mark(self, blocks: list[Block], cache: CacheTTL | None, *, able: bool = True) -> None:
        """Put a cache marker behind the last block, where the target knows them."""
        if not cache:
            return
        if not (able and self._target.can("cache")):
            self._notices.drop("a cache marker", "is not supported here by this model")
            return
        # The five minutes are the default of this wire and go without saying.
        point = {"type": "default"}
        if cache == "1h" and self._family.cache_hour:
            point["ttl"] = "1h"
        elif cache == "1h":
            self._notices.drop("a cache marker for an hour", "holds for five minutes here")
        blocks.append({"cachePoint": point})

    def _content(self, message: Message) -> list[Block]:
        if isinstance(message.content, str):
            return [{"text": message.content}]
        blocks: list[Block] = []
        for part in message.content:
            if (block := self._block(part)) is not None:
                blocks.append(block)
                self.mark(blocks, part.cache)
        return blocks

    def _block(self, part: Part) -> Block | None:
        match part:
            case Text():
                return {"text": part.text}
            case Image():
                return {"image": self._image(part)}
            case Media():
                raise no_media(self._target)
            case ToolCall():
                call = {"toolUseId": call_id(part.id), "name": part.name}
                return {"toolUse": call | {"input": raw_json(part.arguments)}}
            case ToolResult():
                return {"toolResult": self._result(part)}
            case Reasoning():
                return self._thought(part)

    def _image(self, part: Image) -> Block:
        if not self._target.can("vision"):
            raise unsupported("images are not supported by this model", self._target)
        if part.detail is not None:
            self._notices.drop("the detail of an image")
        if part.url.startswith("s3://"):
            kind = part.url.rpartition(".")[2].lower().replace("jpg", "jpeg")
            source: Block = {"s3Location": {"uri": part.url}}
        elif (found := data_url(part.url)) is not None:
            kind, source = _FORMATS.get(found[0], ""), {"bytes": found[1]}
        else:
            why = "an image by its address: this wire takes its bytes (a data: URL) or s3:// only"
            raise unsupported(why, self._target)
        if kind not in _FORMATS.values():
            raise unsupported("an image that is no png, jpeg, gif or webp", self._target)
        return {"format": kind, "source": source}

    def _result(self, part: ToolResult) -> Block:
        failed = part.is_error
        before = "Error: " if failed and not self._family.result_status else ""
        if isinstance(part.content, str):
            content = [self._told(before + part.content)]
        else:
            texts = [{"text": before + part.text}] if before or part.text else []
            content = [*texts, *({"image": self._image(image)} for image in part.images)]
        result: Block = {"toolUseId": call_id(part.call_id), "content": content}
        return result | ({"status": "error"} if failed and not before else {})

    def _told(self, text: str) -> Block:
        """What a tool said, as JSON where it is an object and as text otherwise."""
        if text.lstrip().startswith("{"):
            try:
                _read_object(text)
            except UNREADABLE:
                pass  # it only looks like JSON
            else:
                return {"json": raw_json(text)}
        if self._family.json_results:
            return {"json": {"result": text}}
        return {"text": text}

    def _thought(self, part: Reasoning) -> Block | None:
        if self._family.thoughts and part.redacted is not None:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        if self._family.thoughts and (signature := unsealed(part.signature)):
            text = {"text": part.text, "signature": signature}
            return {"reasoningContent": {"reasoningText": text}}
        self._notices.drop("earlier reasoning", "is not this model's own and was left out")
        return None


def call_id(text: str) -> str:
    """The id of a tool call as this wire takes it; other wires have longer and stranger ones."""
    return text if _CALL_ID.fullmatch(text) else "call_" + sha256(text.encode()).hexdigest()[:32]


def _not_blank(blocks: list[Block]) -> list[Block]:
    """Without blank texts, which are refused, unless there is nothing else."""
    kept = [block for block in blocks if "text" not in block or block["text"].strip()]
    return kept if any("cachePoint" not in block for block in kept) else blocks
