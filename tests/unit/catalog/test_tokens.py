"""Token counts: the bound that budgets rest on, and the local count."""

import base64
import random
import struct
import time
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llm_orchestrator.catalog import vocabulary
from llm_orchestrator.catalog.families import UNKNOWN, family_of
from llm_orchestrator.catalog.tokens import (
    BOUND_PER_MESSAGE,
    BOUND_PER_REQUEST,
    count_method,
    count_request,
    count_text,
    upper_bound_input,
)
from llm_orchestrator.types.model import Model
from llm_orchestrator.types.request import (
    Image,
    Message,
    OutputSchema,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

PROSE = "The customer wrote last night: two of the three glasses arrived broken, what now? " * 40


def ask(*messages: Message, **fields: object) -> Request:
    return Request(messages=messages or (Message("user", "Hi"),), **fields)  # type: ignore[arg-type]


def png_url(width: int, height: int) -> str:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    data = b"\x89PNG\r\n\x1a\n" + chunk + b"\x00" * 100
    return "data:image/png;base64," + base64.b64encode(data).decode()


def image(model: str, width: int, height: int, detail: str | None = None) -> int:
    picture = Image(url=png_url(width, height), detail=detail)
    with_it = count_request(ask(Message("user", (Text(text="Hi"), picture))), model)
    return with_it - count_request(ask(Message("user", (Text(text="Hi"),))), model)


# ------------------------------------------------------------------ texts


@pytest.mark.parametrize(
    "text, model, tokens",
    [
        ("", "gpt-4o", 0),
        ("hello world", "gpt-4o", 2),
        ("hello world", "gpt-3.5-turbo", 2),
        ("tiktoken is great!", "gpt-4", 6),
        ("<|endoftext|>", "gpt-4o", 7),  # plain text, not the special token
        ("お誕生日おめでとう", "gpt-4o", 8),
        ("お誕生日おめでとう", "gpt-4", 9),
        ("hello world", "claude-opus-4-6", 3),  # 2 x 1.2, rounded up
        ("hello world", "claude-opus-4-8", 4),
        ("hello world", "something-new", 3),
    ],
)
def test_known_counts(text: str, model: str, tokens: int) -> None:
    assert count_text(text, model) == tokens


def test_long_texts_are_cut_where_no_token_is() -> None:
    text = PROSE * 40
    assert 100_000 < len(text) < vocabulary.EXACT_CHARACTERS
    whole = len(vocabulary.encoding("o200k_base").encode_ordinary(text))
    assert count_text(text, "gpt-4o") == whole


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_no_more_tokens_than_bytes(text: str) -> None:
    assert count_text(text, "gpt-4o") <= len(text.encode())
    assert count_text(text, "gpt-4") <= len(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        PROSE * 3_000,
        "a" * 10_000_000,
        " " * 10_000_000,
        "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=10_000_000)),
        "x" * vocabulary.EXACT_CHARACTERS,
        "\n" * vocabulary.EXACT_CHARACTERS,
        "\ud800" * 50_000,
    ],
    ids=["prose", "a", "spaces", "letters", "x", "lines", "surrogates"],
)
def test_no_text_takes_long(text: str) -> None:
    vocabulary.encoding("o200k_base")
    started = time.process_time()
    assert count_text(text, "gpt-4o") > 0
    assert time.process_time() - started < 5  # about 0.02 s; minutes if time grew with the square


def test_samples_come_close_to_the_whole() -> None:
    rng = random.Random(7)
    kinds = (PROSE, "".join(map(chr, rng.choices(range(0x4E00, 0x9FFF), k=3000))), "0123 " * 700)
    text = "".join(rng.choices(kinds, k=800))
    whole = len(vocabulary.encoding("o200k_base").encode_ordinary(text))
    assert count_text(text, "gpt-4o") == pytest.approx(whole, rel=0.15)


# ------------------------------------------------------------------ requests


def test_a_plain_chat_counts_as_openai_documents_it() -> None:
    # "How to count tokens with tiktoken": 3 a message, the name 1, 3 to open the answer.
    request = ask(Message("system", "hello world"), Message("user", "hello world", name="bob"))
    assert count_request(request, "gpt-4o") == 3 + (3 + 2) + (3 + 2 + 1 + 1)


def test_everything_on_the_wire_counts() -> None:
    plain = ask()
    more = [
        ask(Message("user", "Hi"), Message("assistant", "Hello")),
        ask(Message("user", (Text(text="Hi"), Text(text="there")))),
        ask(Message("assistant", (ToolCall(id="1", name="f", arguments='{"a": 1}'),))),
        ask(Message("tool", (ToolResult(call_id="1", content="a long result of the tool"),))),
        ask(Message("assistant", (Text(text="Hi"), Reasoning(text="I thought about it")))),
        ask(Message("assistant", (Text(text="Hi"), Reasoning(redacted="c2VhbGVk")))),
        ask(tools=(Tool("weather", "of a place", {"type": "object"}),)),
        ask(schema=OutputSchema("a", {"type": "object", "properties": {}})),
    ]
    result = ToolResult(call_id="1", content=(Text(text="Hi"), Image(url=png_url(640, 640))))
    more.append(ask(Message("tool", (result,))))
    for model in ("gpt-4o", "claude-opus-4-6", "mistral-small", "unheard-of"):
        for request in more:
            assert count_request(request, model) > count_request(plain, model)


def test_tools_bring_claudes_own_prompt() -> None:
    tools = (Tool("weather", "of a place", {"type": "object"}),)
    extra = count_request(ask(tools=tools), "claude-sonnet-4-5") - count_request(
        ask(), "claude-sonnet-4-5"
    )
    assert 346 < extra < 400


def test_a_request_of_ten_megabytes_is_counted_by_samples() -> None:
    request = ask(*(Message("user", PROSE) for _ in range(3_000)))
    one = count_text(PROSE, "gpt-4o")
    vocabulary.encoding("o200k_base")
    started = time.process_time()
    assert count_request(request, "gpt-4o") == pytest.approx(3_000 * (one + 3), rel=0.02)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "model, width, height, detail, tokens",
    [
        # The examples of OpenAI's guide.
        ("gpt-4o", 1024, 1024, "high", 765),
        ("gpt-4o", 2048, 4096, "high", 1105),
        ("gpt-4o", 4096, 8192, "low", 85),
        ("gpt-4o-mini", 512, 512, None, 8500),
        ("gpt-5", 512, 512, None, 210),
        ("o1", 512, 512, None, 225),
        ("gpt-4.1-mini", 1024, 1024, None, 1659),  # 1024 patches x 1.62
        ("gpt-4.1-mini", 9000, 9000, None, 2489),  # 1536 patches x 1.62
        ("gpt-5.4", 9000, 9000, None, 3000),
        ("gpt-5.4", 9000, 9000, "original", 12_000),
        ("claude-sonnet-4-6", 1000, 1000, None, 1296),  # 36 x 36 patches of 28
        ("claude-sonnet-4-6", 4000, 4000, None, 1568),
        ("claude-opus-4-8", 4000, 4000, None, 4784),
        ("gemini-2.5-flash", 300, 300, None, 258),
        ("gemini-2.5-flash", 1000, 700, None, 516),
        ("gemini-2.5-flash", 1000, 700, "low", 258),
        ("gemini-3-pro", 1000, 700, None, 1120),
        ("gemini-3-pro", 1000, 700, "low", 280),
        ("llama-3.2-90b-vision", 600, 600, None, 1601),
    ],
)
def test_images_cost_what_the_providers_publish(
    model: str, width: int, height: int, detail: str | None, tokens: int
) -> None:
    assert image(model, width, height, detail) == tokens


def test_an_image_at_an_address_counts_as_a_typical_one() -> None:
    there = Image(url="https://example.com/cat.png")
    request = ask(Message("user", (there,)))
    here = ask(Message("user", (Image(url=png_url(1024, 1024)),)))
    assert count_request(request, "gpt-4o") == count_request(here, "gpt-4o")


# ------------------------------------------------------------------ families


@pytest.mark.parametrize(
    "model, family",
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai/gpt-4o", "gpt-4o"),
        ("ft:gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
        ("gpt-4-turbo", "gpt-4"),
        ("text-embedding-3-small", "gpt-4"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5.1-codex-mini", "gpt-5-mini"),
        ("gpt-5.4-mini", "gpt-mini"),
        ("gpt-6-sol", "gpt"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss"),
        ("o3-mini", "o"),
        ("o4-mini", "o4-mini"),
        ("claude-3-5-sonnet-20241022", "claude"),
        ("anthropic.claude-sonnet-4-20250514-v1:0", "claude"),
        ("us.anthropic.claude-opus-4-1-20250805", "claude"),
        ("claude-opus-4-7", "claude-5"),
        ("anthropic/claude-opus-4.8", "claude-5"),
        ("claude-haiku-5-5", "claude-5"),
        ("claude-fable-5", "claude-5"),
        ("models/gemini-2.5-pro", "gemini-2"),
        ("gemini-3.1-pro-preview", "gemini"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama"),
        ("meta-llama/llama-4-scout", "llama-4"),
        ("mixtral-8x7b", "mistral"),
        ("Qwen/Qwen3-235B", "qwen"),
        ("deepseek-chat", "deepseek"),
        ("command-r-plus", "command"),
        ("sonar-pro", "llama"),
        ("grok-4", "grok"),
        ("whatever", "unknown"),
    ],
)
def test_families_are_known_by_their_ids(model: str, family: str) -> None:
    assert family_of(model).name == family


def test_the_method_is_told() -> None:
    assert count_method("gpt-4o") == "o200k_base"
    assert count_method("gpt-4") == "cl100k_base"
    assert count_method("claude-opus-4-6") == "o200k_base x 1.2"
    assert UNKNOWN.method == "o200k_base x 1.05"


# ------------------------------------------------------------------ the bound


def test_the_bound_is_exact_arithmetic() -> None:
    request = ask(Message("system", "äöü"), Message("user", "abc", name="é"))
    assert upper_bound_input(request) == BOUND_PER_REQUEST + 2 * BOUND_PER_MESSAGE + 6 + 3 + 2
    assert isinstance(upper_bound_input(request), int)
    surrogate = ask(Message("user", "\ud800"))
    assert upper_bound_input(surrogate) == BOUND_PER_REQUEST + BOUND_PER_MESSAGE + 3


def test_every_part_raises_the_bound_by_its_bytes() -> None:
    def bound(*parts: object, **fields: object) -> int:
        return upper_bound_input(ask(Message("user", tuple(parts)), **fields))  # type: ignore[arg-type]

    base = bound(Text(text=""))
    assert bound(Text(text="x" * 100)) == base + 100
    assert bound(ToolCall(id="1", name="f" * 10, arguments="x" * 90)) == base + 100
    assert bound(ToolResult(call_id="1", content="x" * 100)) == base + 100
    picture = Image(url=png_url(64, 64))
    shown = bound(ToolResult(call_id="1", content=(Text(text="x" * 100), picture)))
    assert shown > bound(picture) + 100
    sealed = Reasoning(text="x" * 50, signature="y" * 30, redacted="z" * 20)
    assert bound(sealed) == base + 100
    assert bound(Text(text=""), tools=(Tool("f", "x" * 1000),)) > base + 1000
    schema = OutputSchema("a", {"description": "x" * 1000})
    assert bound(Text(text=""), schema=schema) > base + 1000
    assert bound(Text(text=""), extra={"documents": ["x" * 1000]}) > base + 1000


MODELS = (
    "gpt-4o", "gpt-4o-mini", "gpt-4", "gpt-4.1-nano", "o3", "gpt-5", "gpt-5-nano", "gpt-5.4",
    "gpt-oss-120b", "claude-sonnet-4-6", "claude-opus-4-8", "gemini-2.5-pro", "gemini-3-pro",
    "llama-3.3-70b", "mistral-large", "grok-4", "unheard-of",
)  # fmt: skip
RARE = "\u9f98\U000112c0" * 200  # almost a token for each byte
TEXTS = st.text(max_size=60) | st.sampled_from([PROSE, "{" * 50, RARE, "0" * 77])


@settings(deadline=None)
@example([RARE], "claude-opus-4-8", None, (1, 1), 0)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.sampled_from(MODELS),
    st.sampled_from([None, "low", "high", "auto"]),
    st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
    st.integers(0, 2),
)
def test_no_count_is_above_the_bound(
    texts: list[str], model_id: str, detail: str | None, size: tuple[int, int], images: int
) -> None:
    parts = tuple(Image(url=png_url(*size), detail=detail) for _ in range(images))
    tools = (Tool("search", texts[0], {"type": "object", "properties": {}}),) * images
    messages = [Message("user", (*parts, Text(text=text))) for text in texts]
    request = ask(*messages, tools=tools)
    model = Model(provider="p", id=model_id)
    assert count_request(request, model) <= upper_bound_input(request, model)
    assert upper_bound_input(request, model) <= upper_bound_input(request)
