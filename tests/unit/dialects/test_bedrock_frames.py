"""Event-stream frames: cut anywhere, of any headers, and never believed when they are damaged."""

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.dialects.bedrock.frames import MOST_BYTES, FrameParser
from tests.unit.dialects.bedrock_samples import event, raw_frame
from tests.unit.dialects.feeding import cut

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
frames = st.builds(raw_frame, st.dictionaries(names, texts, max_size=4), st.binary(max_size=200))


def parsed(*pieces: bytes) -> tuple[list[tuple[dict[str, str], bytes]], str | None]:
    parser = FrameParser()
    found = [frame for piece in pieces for frame in parser.feed(piece)]
    return [(dict(frame.headers), frame.payload) for frame in found], parser.damage


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 5000), max_size=8))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    written: list[bytes], places: list[int]
) -> None:
    data = b"".join(written)
    found, damage = parsed(*cut(data, places))
    assert damage is None
    assert b"".join(raw_frame(headers, payload) for headers, payload in found) == data


@given(st.lists(frames, min_size=1, max_size=3))
def test_they_are_what_botocore_reads(written: list[bytes]) -> None:
    eventstream: Any = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(b"".join(written))
    theirs = [(one.headers, one.payload) for one in buffer]
    assert parsed(b"".join(written)) == (theirs, None)


@given(frames, st.data())
def test_a_changed_bit_is_found(frame: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    broken = bytearray(frame)
    broken[bit // 8] ^= 1 << bit % 8
    found, damage = parsed(bytes(broken), event("messageStart", role="assistant"))
    assert found == []
    assert damage is not None


def test_what_comes_before_the_damage_counts_and_nothing_after() -> None:
    good, bad = event("messageStart", role="assistant"), bytearray(event("messageStop"))
    bad[-1] ^= 1
    found, damage = parsed(good + bytes(bad) + good)
    assert len(found) == 1
    assert damage == "a frame does not match its checksum"


def test_a_frame_that_is_not_whole_says_nothing_yet() -> None:
    frame = event("messageStart", role="assistant")
    for length in range(len(frame)):
        assert parsed(frame[:length]) == ([], None)


def test_a_parser_that_found_damage_reads_no_more() -> None:
    parser = FrameParser()
    assert parser.feed(b"<html>a proxy</html>") == []
    assert parser.damage == "the lengths of a frame do not match their checksum"
    assert parser.feed(event("messageStart")) == []


@pytest.mark.parametrize("total", [0, 15, MOST_BYTES + 1, 2**32 - 1])
def test_lengths_that_no_frame_has_are_refused_at_once(total: int) -> None:
    prelude = struct.pack(">II", total, 0)
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + b"\0" * 16
    assert parsed(data) == ([], f"a frame claims to have {total} bytes")


def framed(head: bytes, headers_length: int | None = None) -> bytes:
    prelude = struct.pack(
        ">II", 16 + len(head), len(head) if headers_length is None else headers_length
    )
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head
    return message + struct.pack(">I", zlib.crc32(message))


def header(name: str, kind: int, value: bytes) -> bytes:
    return bytes((len(name),)) + name.encode() + bytes((kind,)) + value


def test_headers_of_every_type_are_passed_over_and_texts_kept() -> None:
    head = b"".join(
        (
            header("true", 0, b""),
            header("false", 1, b""),
            header("byte", 2, b"\x01"),
            header("short", 3, b"\0\x01"),
            header("integer", 4, b"\0\0\0\x01"),
            header("long", 5, b"\0" * 8),
            header("bytes", 6, b"\0\x03abc"),
            header("text", 7, b"\0\x04" + "größ".encode()[:4]),
            header("time", 8, b"\0" * 8),
            header("uuid", 9, b"\0" * 16),
        )
    )
    assert parsed(framed(head)) == ([({"text": "grö"}, b"")], None)


@pytest.mark.parametrize(
    "head",
    [
        header("x", 10, b""),  # no such type
        header("x", 7, b"\0\x05ab"),  # shorter than it says
        header("x", 7, b"\0"),  # ends within its length
        header("x", 4, b"\0\0"),
        header("x", 7, b"\0\x02\xff\xfe"),  # no UTF-8
        b"\x05ab",  # ends within its name
    ],
)
def test_headers_that_are_none_are_damage(head: bytes) -> None:
    assert parsed(framed(head)) == ([], "the headers of a frame cannot be read")


def test_headers_longer_than_their_frame_are_damage() -> None:
    assert parsed(framed(b"", headers_length=99))[1] == "the headers of a frame cannot be read"


def test_a_long_frame_in_small_pieces_is_read_in_linear_time() -> None:
    frame = raw_frame({":event-type": "x"}, b"a" * 1_000_000)
    pieces = [frame[place : place + 1000] for place in range(0, len(frame), 1000)]
    found, damage = parsed(*pieces)
    assert damage is None
    assert found[0][1] == b"a" * 1_000_000
