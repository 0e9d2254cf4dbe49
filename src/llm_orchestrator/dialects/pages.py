"""Replies that no API of ours wrote: what they are, for people, and what to do about it."""

import re
import zlib

import msgspec

from llm_orchestrator.types.http import HTTPReply

_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,120})", re.IGNORECASE)
_SHOWN = 120
_GZIP = b"\x1f\x8b"
_MOST_UNZIPPED = 16 * 1024 * 1024
_OF_PROXIES = {
    407: "a proxy on the way asks who you are: put user and password into the address in "
    "HTTPS_PROXY or HTTP_PROXY",
    511: "the network asks for a sign-in first: open any page in a browser, or ask who runs it",
}


def unexplained(reply: HTTPReply | None) -> str:
    """What a failure is whose body says nothing that can be read."""
    if reply is None:
        return "the provider failed without a message"
    if (known := _OF_PROXIES.get(reply.status)) is not None:
        return known
    if not reply.body:
        return f"the provider answered with status {reply.status} and no message"
    if is_page(reply):
        if reply.status >= 500:
            return (
                f"a web page came instead of an answer ({_start(reply)}): a proxy or the front of "
                "the API failed, which mostly passes"
            )
        return f"a web page came instead of an answer ({_start(reply)}): {_WHO}"
    return f"the provider failed without a readable message ({_kind(reply)}): {_start(reply)}"


def unreadable(reply: HTTPReply) -> str:
    """What a success is whose body is not what its wire sends."""
    if is_page(reply):
        return (
            f"a web page came instead of an answer ({_start(reply)}): is base_url right, or does "
            "a proxy or a network that wants a sign-in answer in its place?"
        )
    if not reply.body:
        return f"the answer is empty, not one of this API ({_kind(reply)}; is base_url right?)"
    if _broken_off(reply.body):
        return (
            f"the answer ends in the middle, after {len(reply.body)} bytes: if it does so each "
            f"time, a proxy on the way shortens it ({_kind(reply)}): {_start(reply)}"
        )
    return (
        f"the answer is not one of this API ({_kind(reply)}; is base_url right?): {_start(reply)}"
    )


_WHO = "is base_url right, or does a proxy answer in its place?"


def is_page(reply: HTTPReply) -> bool:
    """Whether the body is HTML, by what it is called or by how it begins."""
    start = reply.body[:64].lstrip().lower()
    return "html" in _kind(reply).lower() or start.startswith((b"<!doctype html", b"<html"))


def unzipped(reply: HTTPReply) -> HTTPReply:
    """The reply with its body inflated where that is gzip and no header says so.

    Proxies that take the header away and leave the body do this. What cannot be read stays.
    """
    if not reply.body.startswith(_GZIP):
        return reply
    try:
        body = zlib.decompressobj(31).decompress(reply.body, _MOST_UNZIPPED)
    except zlib.error:
        return reply
    return HTTPReply(reply.status, reply.headers, body)


def _kind(reply: HTTPReply) -> str:
    return reply.header("Content-Type") or "no content type"


def _start(reply: HTTPReply) -> str:
    """The title of a page, or the beginning of a body."""
    found = _TITLE.search(reply.body[:4096])
    start = found[1] if found else reply.body[:_SHOWN]
    return repr(" ".join(start.decode("utf-8", "replace").split()))


def _broken_off(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return body.lstrip()[:1] in {b"{", b"["} and "truncated" in str(error)
    return False
