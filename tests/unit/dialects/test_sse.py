"""The event parser: any line ends, any cuts, nothing but data."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_orchestrator.dialects.sse import SSEParser
from tests.unit.dialects.feeding import cut, one_by_one


def parse(*pieces: bytes) -> list[bytes]:
    parser = SSEParser()
    return [data for piece in pieces for data in parser.feed(piece)] + parser.close()


@pytest.mark.parametrize(
    "stream, expected",
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b": a comment\n\ndata: a\n\n", [b"a"]),
        (b": a comment\ndata: a\n\n", [b"a"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"\n\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\r\n", [b"a"]),
        (b"data: a\n\ndata: b", [b"a", b"b"]),
        (b"event: x\ndata: a", [b"a"]),
        (b"data:\n\n", [b""]),
        (b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"\xef\xbb\xbf: a comment\ndata: a\n\n", [b"a"]),
        (b"dat", []),
        (b"event: x\n\n", []),
        (b"", []),
        (b"database: no\n\n", []),
    ],
)
def test_what_is_data(stream: bytes, expected: list[bytes]) -> None:
    assert parse(stream) == expected
    assert parse(*one_by_one(stream)) == expected


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    parser = SSEParser()
    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"\n") == [b"a"]
    assert parser.feed(b"data: b\r\n\r") == []
    assert parser.feed(b"\n") == [b"b"]
    assert parser.close() == []


def test_closing_twice_says_nothing_twice() -> None:
    parser = SSEParser()
    parser.feed(b"data: a")
    assert parser.close() == [b"a"]
    assert parser.close() == []


# Lines as servers send them; a lone CR is no line end here.
LINES = st.lists(
    st.sampled_from(
        [
            "data: a",
            "data:b",
            "data: {}",
            "event: x",
            ": comment",
            "",
            "data",
            "data: ä漢🙂",
            "id: 7",
        ]
    ),
    max_size=12,
)


@settings(deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.lists(st.integers(0, 500), max_size=10))
def test_neither_cuts_nor_line_ends_matter(lines: list[str], end: str, places: list[int]) -> None:
    plain = "".join(line + "\n" for line in lines).encode()
    cutted = cut("".join(line + end for line in lines).encode(), places)
    assert parse(*cutted) == parse(plain)


@settings(deadline=None)
@given(LINES)
def test_the_data_is_what_the_specification_says(lines: list[str]) -> None:
    """Checked against a plain reading of the rules, line by line."""
    events: list[bytes] = []
    found: list[str] = []
    for line in [*lines, ""]:
        if line.startswith("data:"):
            found.append(line[5:].removeprefix(" "))
        elif not line and found:
            events.append("\n".join(found).encode())
            found = []
    assert parse("".join(line + "\n" for line in lines).encode()) == events
