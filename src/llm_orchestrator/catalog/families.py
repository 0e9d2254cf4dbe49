"""How each family of models counts: vocabulary, factor, overheads and images.

OpenAI's own models count by their public vocabulary. For the others the count of o200k_base is
multiplied by a factor in percent. Measured by us with the published tokenizers on English prose,
Python, JSON, German, French, Chinese, Japanese and Russian, against o200k_base:

==========  =======  ======  ====  ======================  =====================
tokenizer   English  Python  JSON  European languages      Chinese, Japanese
==========  =======  ======  ====  ======================  =====================
Llama 3     1.00     0.99    0.99  1.09 to 1.30            0.91 to 1.07
Llama 4     1.00     1.00    0.98  0.85 to 1.10            0.75 to 0.93
Mistral     1.05     1.05    1.41  0.98 to 1.19            1.03 to 1.31
DeepSeek    1.02     1.06    1.04  1.12 to 1.27            0.79 to 0.91
Qwen        1.03     1.00    1.35  1.09 to 1.31            0.84 to 0.86
==========  =======  ======  ====  ======================  =====================

Claude publishes no tokenizer. Up to Opus 4.6, comparisons found 16 % more tokens than GPT-4o for
English, 21 % for mathematics and 30 % for Python: 120 percent here. Opus 4.7 and the models after
it produce about 30 % more again (Anthropic, "Token counting"): 156 percent. Gemini publishes none
for its newest models; the 5 percent on top of o200k_base are ours, as for all that are unknown.
"""

import re
from functools import lru_cache

import msgspec

from llm_orchestrator.catalog.image_tokens import Crops, Flat, ImageRule, Patches, Tiles
from llm_orchestrator.catalog.vocabulary import VocabularyName


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """How a family counts. Overheads are tokens of the chat template, by the family's own count."""

    name: str
    vocabulary: VocabularyName = "o200k_base"
    percent: int = 105
    """The family's tokens for 100 tokens of the vocabulary; 100 is the vocabulary itself."""
    image: ImageRule
    per_message: int = 4
    per_request: int = 3
    tools: int = 0
    """The provider's own prompt that comes with any tools."""

    @property
    def method(self) -> str:
        """How tokens are counted, for people: ``o200k_base`` or ``o200k_base x 1.2``."""
        if self.percent == 100:
            return self.vocabulary
        return f"{self.vocabulary} x {self.percent / 100:g}"


_BIG_CLAUDE = Patches(patch=28, limit=4784, edge=2576)
_CLAUDE = Patches(patch=28, limit=1568, edge=1568)
_NEW_GPT = Patches(patch=32, limit=2500, percent=120, original=10_000, worst_percent=162)
_UNKNOWN_IMAGE = Flat(usual=1100, largest=16_384)


def _gpt(name: str, image: ImageRule, *, old: bool = False, per_request: int = 3) -> Family:
    """OpenAI's templates: 3 tokens a message, 3 to open the answer ("How to count tokens")."""
    return Family(
        name=name,
        vocabulary="cl100k_base" if old else "o200k_base",
        percent=100,
        image=image,
        per_message=3,
        per_request=per_request,
        tools=8,
    )


def _other(name: str, percent: int, image: ImageRule = _UNKNOWN_IMAGE, tools: int = 0) -> Family:
    return Family(name=name, percent=percent, image=image, tools=tools)


UNKNOWN = _other("unknown", 105)

# The first pattern that is found in the model's id, in lower case, decides.
_ROWS: tuple[tuple[str, Family], ...] = (
    # 346 tokens come with tools on Claude 4 (Anthropic, "Tool use").
    (
        r"claude-(opus-4[.-][7-9]|(opus|sonnet|haiku)-[5-9](?!\d)|fable|mythos)",
        _other("claude-5", 156, _BIG_CLAUDE, 346),
    ),
    (r"claude", _other("claude", 120, _CLAUDE, 346)),
    # The template of the open GPT models brings a system message of its own.
    (r"gpt-oss", _gpt("gpt-oss", _UNKNOWN_IMAGE, per_request=70)),
    (r"gpt-4o-mini", _gpt("gpt-4o-mini", Tiles(2833, 5667))),
    (r"gpt-4\.1-mini", _gpt("gpt-4.1-mini", Patches(patch=32, limit=1536, percent=162))),
    (r"gpt-4\.1-nano", _gpt("gpt-4.1-nano", Patches(patch=32, limit=1536, percent=246))),
    (r"o4-mini|codex-mini-latest", _gpt("o4-mini", Patches(patch=32, limit=1536, percent=172))),
    (r"gpt-4o|gpt-4\.[15]|chatgpt", _gpt("gpt-4o", Tiles(85, 170))),
    (r"gpt-(4|3)|davinci|text-embedding-(3|ada)", _gpt("gpt-4", Tiles(85, 170), old=True)),
    (
        r"gpt-5(\.1)?(-codex)?-(mini|nano)",
        _gpt("gpt-5-mini", Patches(patch=32, limit=1536, percent=150, worst_percent=246)),
    ),
    (r"gpt-5(\.1)?(?![.\d])", _gpt("gpt-5", Tiles(70, 140))),
    (
        r"gpt-.*(mini|nano)",
        _gpt("gpt-mini", Patches(patch=32, limit=2500, percent=120, worst_percent=246)),
    ),
    (r"(^|[/.:-])o[13](?![\d.])", _gpt("o", Tiles(75, 150))),
    (r"gpt|chat-latest|codex|daybreak|computer-use", _gpt("gpt", _NEW_GPT)),
    (r"gemini-[12]|gemma", _other("gemini-2", 105, Crops())),
    (r"gemini|learnlm|deep-research", _other("gemini", 105, Flat(1120, 2240, low=280))),
    (r"llama-?4", _other("llama-4", 105)),
    (r"llama|sonar", _other("llama", 110, Flat(usual=1601, largest=6404))),
    (r"mi(s|x)tral|ministral|magistral|codestral|devstral|pixtral", _other("mistral", 110)),
    (r"deepseek", _other("deepseek", 110)),
    (r"qwen|qwq", _other("qwen", 110)),
    (r"grok", _other("grok", 105, Flat(usual=1280, largest=1792))),
    (r"command|aya|c4ai", _other("command", 110)),
)
LARGEST_IMAGE = max(family.image.most(None) for _, family in _ROWS)
"""The most tokens that an image can cost with any known model (GPT-4o mini's 48,169)."""
_FAMILIES = tuple((re.compile(pattern).search, family) for pattern, family in _ROWS)


@lru_cache(maxsize=4096)
def family_of(model_id: str) -> Family:
    """The family of a model by its id, as any provider spells it; `UNKNOWN` when none fits."""
    name = model_id.lower()
    return next((family for fits, family in _FAMILIES if fits(name)), UNKNOWN)
