"""Images on their way in: what is taken, what is refused and how it says so."""

import base64
import struct
import time
import zlib
from pathlib import Path

import pytest

from llm_orchestrator.engine.images import check_image, corrected, load_image
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.types.request import Image


def png(width: int = 3, height: int = 2, padding: int = 0) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = b"".join(b"\x00" + b"\x7f" * 3 * width for _ in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"tEXt", b"Comment\x00" + b"x" * padding)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def jpeg(width: int, height: int, metadata: int = 0) -> bytes:
    head = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    for start in range(0, metadata, 60_000):
        length = min(60_000, metadata - start)
        head += b"\xff\xe1" + struct.pack(">H", length + 2) + b"\x00" * length
    frame = struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return head + b"\xff\xff\xc2" + frame + b"\xff\xd9" + b"\x00" * 20


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00" * 20


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBP" + kind + b"\x0a\x00\x00\x00" + body


PICTURES = [
    (png(3, 2), "image/png", (3, 2)),
    (png(640, 480, padding=100_000), "image/png", (640, 480)),
    (jpeg(1920, 1080), "image/jpeg", (1920, 1080)),
    (jpeg(4000, 3000, metadata=130_000), "image/jpeg", (4000, 3000)),
    (gif(10, 20), "image/gif", (10, 20)),
    (
        webp(b"VP8X", b"\x00" * 4 + (99).to_bytes(3, "little") + (49).to_bytes(3, "little")),
        "image/webp",
        (100, 50),
    ),
    (
        webp(b"VP8L", b"\x2f" + (99 | 49 << 14).to_bytes(4, "little") + b"\x00" * 10),
        "image/webp",
        (100, 50),
    ),
    (
        webp(b"VP8 ", b"\x00" * 3 + b"\x9d\x01\x2a" + struct.pack("<HH", 100, 50)),
        "image/webp",
        (100, 50),
    ),
    (b"\x89PNG\r\n\x1a\n" + b"\x00" * 30, "image/png", None),  # the size cannot be told
    (b"\xff\xd8\xff\xd9" + b"\x00" * 30, "image/jpeg", None),
    (webp(b"????", b"\x00" * 20), "image/webp", None),
    (gif(0, 0), "image/gif", None),
]


def url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("data, kind, size", PICTURES)
def test_pictures_are_known_by_their_bytes(
    data: bytes, kind: str, size: tuple[int, int] | None, tmp_path: Path
) -> None:
    assert check_image(url(data, "image/png")) == (kind, size)
    path = tmp_path / "picture"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data)):
        image = load_image(source, detail="low")
        assert image == Image(url=url(data, kind), detail="low")


def test_a_wrong_media_type_is_corrected_and_said() -> None:
    right = Image(url=url(png()), detail="high", cache="5m")
    assert corrected(right) == (right, None)
    for stated in ("image/jpeg", "application/octet-stream", ""):
        image, notice = corrected(Image(url=url(png(), stated), detail="high", cache="5m"))
        assert image == right
        assert notice is not None
        assert "is image/png" in notice
    with_charset = Image(url=url(png(), "image/png;charset=utf-8"))
    assert corrected(with_charset) == (Image(url=url(png())), None)
    assert corrected(Image(url=url(jpeg(1, 1), "image/jpg"))) == (
        Image(url=url(jpeg(1, 1), "image/jpeg")),
        None,
    )


def test_an_address_is_taken_as_it_is() -> None:
    image = Image(url="https://example.com/a%20cat.png?size=2")
    assert check_image(image.url) == (None, None)
    assert corrected(image) == (image, None)
    assert load_image(image.url) == image


def test_a_data_url_can_be_loaded() -> None:
    assert load_image(url(png(), "image/gif")) == Image(url=url(png()))


@pytest.mark.parametrize("cut", [1, 2])
def test_missing_padding_is_taken(cut: int) -> None:
    data = png() + b"\x00" * ((cut - len(png())) % 3)
    assert check_image(url(data).rstrip("=")) == ("image/png", (3, 2))


@pytest.mark.parametrize(
    "address, reason",
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("photo.png", "pass load_image"),
        ("/home/me/photo.png", "pass load_image"),
        ("http://example.com/cat.png", "not https"),
        ("ftp://example.com/cat.png", "no https:// address"),
        ("file:///cat.png", "no https:// address"),
        ("https://", "no https:// address"),
        ("https://example.com/a cat.png", "encode it as %20"),
        ("data:image/png", "no data: URL"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/svg+xml,<svg></svg>", "must be base64"),
        ("data:image/png;base64,nonsense!", "not valid base64"),
        ("data:image/png;base64,AAAAA", "not valid base64"),
        ("data:image/png;base64,aGVsbG8gd29ybGQ=", "plain text ('hello world')"),
        (base64.b64encode(png()).decode(), "bare base64"),
        (url(b"%PDF-1.7 ..."), "a PDF; convert its pages"),
        (url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "an SVG drawing"),
        (url(b"\xef\xbb\xbf <?xml version='1.0'?>"), "an XML document"),
        (url(b"<!DOCTYPE html><html>"), "an HTML page"),
        (url(b"BM\x00\x00\x00\x00"), "a BMP image"),
        (url(b"II*\x00\x00"), "a TIFF image"),
        (url(b"\x00\x00\x00\x1cftypavif"), "an AVIF, HEIC or video file"),
        (url(b"PK\x03\x04...."), "a zip archive"),
        (url(b'{"error": "no such image"}'), "JSON text"),
        (url(b"\x00\x01\x02\x03"), "no image that is known"),
    ],
)
def test_what_is_no_image_is_refused_by_what_it_is(address: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_image(address)
    assert reason in str(caught.value)
    assert caught.value.code == "invalid_image"
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("source", [b"", b"plain words", b"%PDF-1.4"])
def test_bytes_that_are_no_image_are_refused(source: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="not an image that providers take"):
        load_image(source)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="there is no image file"):
        load_image(tmp_path / "gone.png")
    with pytest.raises(InvalidRequestError, match="is a folder"):
        load_image(tmp_path)
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        load_image("a\x00b.png")
    with pytest.raises(InvalidRequestError, match="not a int"):
        load_image(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="not a NoneType"):
        check_image(None)  # type: ignore[arg-type]
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(InvalidRequestError, match="larger than 50 MB"):
        load_image(huge)


def test_a_large_picture_is_looked_at_in_a_few_places() -> None:
    address = url(png(100, 100, padding=20_000_000))
    check_image(address)
    started = time.process_time()
    for _ in range(100):
        assert check_image(address) == ("image/png", (100, 100))
    assert time.process_time() - started < 2  # decoding all of it would take ten times as long


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_damage_in_a_long_text_is_seen_where_it_is_looked_at(share: float) -> None:
    address = url(png(padding=1_000_000))
    place = min(len(address) - 10, 40 + int(share * len(address)))
    with pytest.raises(InvalidRequestError, match="not valid base64"):
        check_image(address[:place] + "\n" * 4096 + address[place:])
