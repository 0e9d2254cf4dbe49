"""What the families of models want differently behind the one wire: data, found by the model's id.

Converse is the same for all models, but thinking, ``top_k``, forced tools and a few blocks are
not. Sources: the user guides of Bedrock and Nova 2, and what others measured on the live service.
"""

import re
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

Thinking: TypeAlias = Literal["budget", "nova", "flat", "nested", "word", ""]
"""How an effort is asked for, see `effort`; empty where no field for it is known."""

_LOW_TO_HIGH = ("low", "medium", "high")


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One family of models."""

    thinking: Thinking = ""
    efforts: tuple[str, ...] = _LOW_TO_HIGH
    """The words for an effort, weakest first."""
    top_k: tuple[str, ...] = ()
    """Where ``top_k`` goes below ``additionalModelRequestFields``; empty where it is not taken."""
    choices: frozenset[str] = frozenset(("auto", "any", "tool"))
    """The ways of choosing tools that are taken."""
    json_results: bool = False
    """Whether results of tools must be JSON objects."""
    result_status: bool = False
    """Whether a result of a tool may say that it is an error."""
    thoughts: bool = False
    """Whether signed thoughts may be sent back."""
    cache_tools: bool = False
    cache_hour: bool = False
    """Whether prompts can be cached for an hour."""


_OPENAI = Family(
    thinking="nested",
    efforts=("none", "low", "medium", "high", "xhigh", "max"),
    thoughts=True,
    cache_tools=True,
)
_UNKNOWN = Family(
    top_k=("top_k",), result_status=True, thoughts=True, cache_tools=True, cache_hour=True
)
"""For an id that tells nothing, such as an application inference profile: ask as asked."""

# The maker begins the id, follows the region of an inference profile, or the path of an ARN.
_ROWS: tuple[tuple[str, Family], ...] = (
    (
        r"anthropic\.",
        Family(
            thinking="budget",
            top_k=("top_k",),
            result_status=True,
            thoughts=True,
            cache_tools=True,
            cache_hour=True,
        ),
    ),
    (r"amazon\.nova-2", Family(thinking="nova", top_k=("inferenceConfig", "topK"))),
    (r"amazon\.nova", Family(top_k=("inferenceConfig", "topK"), result_status=True)),
    (r"amazon\.", Family(choices=frozenset())),
    (r"openai\.gpt-oss", Family(thinking="flat", choices=frozenset(("auto",)))),
    (r"openai\.", _OPENAI),
    (r"moonshot(ai)?\.kimi-k3", Family(thinking="flat", efforts=("low", "high", "max"))),
    (r"moonshot(ai)?\.", Family(thinking="flat")),
    (r"deepseek\.v3", Family(thinking="flat", choices=frozenset(("auto", "any")))),
    (r"zai\.", Family(thinking="word")),
    (r"meta\.", Family(choices=frozenset(("auto",)))),
    (
        r"mistral\.",
        Family(top_k=("top_k",), choices=frozenset(("auto", "any")), json_results=True),
    ),
    (r"cohere\.", Family(top_k=("k",), choices=frozenset(("auto",)))),
    (r"(ai21|deepseek|google|minimax|nvidia|qwen|writer|xai)\.", Family()),
)
_FAMILIES = tuple((re.compile(rf"(?:^|[./]){pattern}").search, row) for pattern, row in _ROWS)
_REGIONS = re.compile(r"(?:af|apac|au|ca|eu|global|il|in|jp|me|mx|sa|us|us-gov)\.(?=[a-z0-9]+\.)")


@lru_cache(maxsize=1024)
def family_of(model_id: str) -> Family:
    """The family of a model by its id, the id of an inference profile, or an ARN."""
    return next((family for fits, family in _FAMILIES if fits(model_id)), _UNKNOWN)


def without_region(model_id: str) -> str:
    """The id of the model behind an inference profile (``us.anthropic.claude-...``)."""
    name = model_id.rpartition("/")[2] if model_id.startswith("arn:") else model_id
    return name[found.end() :] if (found := _REGIONS.match(name)) else name
