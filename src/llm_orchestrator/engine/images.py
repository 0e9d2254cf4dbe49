"""Images on their way in: is this one, of which kind, and how large.

Providers take png, jpeg, gif and webp, by an ``https://`` address or as ``data:`` URL. Everything
else would be refused by them later, less clearly: so it is refused here, by what it is and with
what to do. Nothing is fetched, and a large picture is looked at only in a few places.
"""

import base64
import os
import re
from pathlib import Path
from typing import NoReturn

from llm_orchestrator.catalog.picture import base64_reader, media_type, size_of
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.request import Image

Checked = tuple[str | None, tuple[int, int] | None]
"""Media type and size; both ``None`` for an address, which is not fetched."""

MAX_BYTES = 50_000_000
"""The largest picture that is loaded; no provider takes more in one request."""

_DATA_URL = re.compile(r"data:([^,;]*)((?:;[^,;]*)*?)(;base64)?,", re.IGNORECASE)
_ADDRESS = re.compile(r"https://[^\s/]+", re.IGNORECASE)
_SAMPLE = 4096  # characters of base64 looked at in one place
_SAMPLES = 16
_SAME = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}

# What is often sent by mistake: first bytes, what they are, what to do.
_CONVERT = "convert it to png or jpeg first"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF", "convert its pages to png, or send its text"),
    (b"<svg", "an SVG drawing", _CONVERT),
    (b"<?xml", "an XML document, perhaps an SVG drawing", _CONVERT),
    (b"<!doctype", "an HTML page", "check the address that it was loaded from"),
    (b"<html", "an HTML page", "check the address that it was loaded from"),
    (b"BM", "a BMP image", _CONVERT),
    (b"II*\x00", "a TIFF image", _CONVERT),
    (b"MM\x00*", "a TIFF image", _CONVERT),
    (b"\x00\x00\x01\x00", "an icon", _CONVERT),
    (b"PK\x03\x04", "a zip archive or an office document", "send the pictures inside it"),
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"{", "JSON text", "check what was loaded"),
    (b"data:", "the text of a data: URL", "pass it as the address, not as bytes"),
)


def check_image(url: str) -> Checked:
    """Media type and size of an image in a ``data:`` URL; an ``https://`` address is accepted.

    Raises `InvalidRequestError` for what is neither, or no png, jpeg, gif or webp.
    """
    if not isinstance(url, str):
        _refuse(f"an image is an address or a data: URL, not a {type(url).__name__}")
    found = _DATA_URL.match(url, 0, 512)
    if found is not None:
        return _check_data(url, found)
    if not _ADDRESS.match(url):
        _refuse_address(url)
    if re.search(r"\s", url):
        _refuse(f"the image address {_short(url)} contains a space; encode it as %20")
    return None, None


def corrected(image: Image) -> tuple[Image, str | None]:
    """The image with the media type that its bytes have, and what was changed, if anything.

    Raises `InvalidRequestError` as `check_image` does.
    """
    kind, _ = check_image(image.url)
    if kind is None:
        return image, None
    comma = image.url.index(",")
    stated = image.url[5:comma].split(";")[0].strip()
    fixed = f"data:{kind};base64"
    if image.url.startswith(fixed):
        return image, None
    repaired = Image(url=fixed + image.url[comma:], detail=image.detail, cache=image.cache)
    if _SAME.get(stated.lower(), stated.lower()) == kind:
        return repaired, None  # only spelled otherwise
    return repaired, f"an image was called {stated or 'nothing'} but is {kind}: sent as {kind}"


def load_image(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview, detail: str | None = None
) -> Image:
    """An image from a file, its bytes, an ``https://`` address or a ``data:`` URL.

    Raises `InvalidRequestError` when there is no such file or it holds no png, jpeg, gif or webp.
    """
    if isinstance(source, str) and re.match(r"(https?|data):", source, re.IGNORECASE):
        return corrected(Image(url=source, detail=detail))[0]
    if isinstance(source, str | os.PathLike):
        data = _read_file(Path(source))
    elif isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    else:
        _refuse(f"an image is a path, bytes or an address, not a {type(source).__name__}")
    kind = media_type(data[:16])
    if kind is None:
        _refuse_bytes(data[:64])
    return Image(url=f"data:{kind};base64,{base64.b64encode(data).decode()}", detail=detail)


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            _refuse(f"{path} is a folder, not an image")
        if path.stat().st_size > MAX_BYTES:
            _refuse(f"{path} is larger than {MAX_BYTES // 1_000_000} MB; scale the image down")
        return path.read_bytes()
    except FileNotFoundError:
        _refuse(f"there is no image file {path} (looked from {Path.cwd()})")
    except (OSError, ValueError) as error:
        _refuse(f"the image file {_short(str(path))} cannot be read: {error}")


def _check_data(url: str, found: re.Match[str]) -> Checked:
    if found[3] is None:
        _refuse("a data: URL of an image must be base64: data:image/png;base64,<data>")
    start = found.end()
    if len(url) == start:
        _refuse("the data: URL of an image is empty")
    read = base64_reader(url, start)
    try:
        head = read(0, 64)
        _check_base64(url, start)
        kind = media_type(head)
        size = size_of(read)
    except ValueError:
        _refuse(
            "the data: URL of an image is not valid base64; "
            "encode the bytes with base64.b64encode(data).decode(), without line breaks"
        )
    if kind is None:
        _refuse_bytes(head)
    return kind, size


def _check_base64(text: str, start: int) -> None:
    """Decode all of a short text and samples of a long one; raises `ValueError`."""
    length = len(text) - start
    if length % 4 == 1:
        raise ValueError("a base64 text of impossible length")
    read = base64_reader(text, start)
    span = _SAMPLE // 4 * 3
    last = max(0, length // 4 * 3 - span)
    steps = _SAMPLES if length > _SAMPLE * _SAMPLES else length // _SAMPLE + 1
    for step in range(steps + 1):
        offset = last * step // steps // 3 * 3
        read(offset, span + (6 if step == steps else 0))


def _refuse(message: str) -> NoReturn:
    raise InvalidRequestError(message, code="invalid_image")


def _refuse_bytes(head: bytes) -> NoReturn:
    stripped = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lowered = stripped.lower()
    what, to_do = "no image that is known", "send a png, jpeg, gif or webp image"
    if not head:
        what, to_do = "empty", "check what was loaded"
    elif head[4:8] == b"ftyp":
        what, to_do = "an AVIF, HEIC or video file", _CONVERT
    else:
        for magic, name, advice in _OTHERS:
            if stripped.startswith(magic) or lowered.startswith(magic):
                what, to_do = name, advice
                break
        else:
            if stripped.isascii() and stripped.decode("ascii").isprintable():
                what = f"plain text ({stripped[:24].decode()!r})"
    _refuse(f"this is not an image that providers take: it is {what}; {to_do}")


def _refuse_address(url: str) -> NoReturn:
    shown = _short(url)
    if not url.strip():
        _refuse("the address of an image is empty")
    if url.lower().startswith("http://"):
        _refuse(f"the image address {shown} is not https, which providers do not fetch")
    if url.lower().startswith("data:"):
        _refuse(f"{shown} is no data: URL; it must be data:image/png;base64,<data>")
    if "://" in url:
        _refuse(f"{shown} is no https:// address; load the image and pass load_image(<bytes>)")
    if len(url) > 64 and re.fullmatch(r"[A-Za-z0-9+/]+", url[:64]):
        _refuse("the image is bare base64; write data:image/png;base64, before it")
    _refuse(f"{shown} is no address; for a file, pass load_image({shown})")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
