"""Batches by way of OpenAI's SDK: files in and files out."""

import io
import json
from typing import Any

from .conftest import HELLO, Client

HOUR, DAY = 3600, 86_400


def line(key: str, **more: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 30} | more
    return {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}


def jsonl(lines: list[Any]) -> io.BytesIO:
    file = io.BytesIO("".join(f"{json.dumps(each)}\n" for each in lines).encode())
    file.name = "input.jsonl"
    return file


def create(client: Client, lines: list[Any], **more: Any) -> Any:
    file = client.files.create(file=jsonl(lines), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint=more.pop("endpoint", "/v1/chat/completions"),
        completion_window="24h",
        **more,
    )


def content(client: Client, name: str | None) -> list[Any]:
    assert name
    return [json.loads(each) for each in client.files.content(name).text.splitlines()]
