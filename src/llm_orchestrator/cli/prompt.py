"""Where ``llmo run`` gets its prompt from."""

import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from llm_orchestrator.errors import InvalidRequestError


def read_messages(
    prompt: str | None, words: str | None, images: Sequence[str]
) -> list[dict[str, Any]]:
    """The user's message: of the option, the argument or standard input, with its images."""
    if prompt is not None and words is not None:
        raise typer.BadParameter("give the prompt once: with -p or as an argument")
    text = prompt if prompt is not None else words
    if text is None or text == "-":
        if text is None and sys.stdin.isatty():
            raise typer.BadParameter("no prompt: give -p TEXT, or pipe a text into the command")
        text = _stdin()
    if not text.strip():
        raise typer.BadParameter("the prompt is empty")
    if not images:
        return [{"role": "user", "content": text}]
    parts = [{"type": "image_url", "image_url": {"url": _image(name)}} for name in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def read_schema(path: Path) -> Any:
    """The JSON schema in a file."""
    import msgspec

    try:
        schema = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"cannot read the schema {path}: {error.strerror}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise typer.BadParameter(f"the schema {path} is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise typer.BadParameter(f"the schema {path} is no JSON object")
    return schema


def _stdin() -> str:
    raw = sys.stdin.buffer.read()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"the prompt on standard input is not UTF-8 text (byte {error.start}); "
            "convert it first, for example with iconv"
        ) from None


_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def _image(name: str) -> str:
    """An address as it is, or a file as a data URL."""
    if name.startswith(("https://", "http://", "data:")):
        return name
    try:
        data = Path(name).expanduser().read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"cannot read the image {name}: {error.strerror}") from None
    kind = next((kind for start, kind in _KINDS if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise InvalidRequestError(f"{name} is no image that models take: PNG, JPEG, GIF or WebP")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
