"""Which entries of the two sources belong to which of our providers, and under which id."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tools.catalog_build.community import Entry

# Models of other kinds that a source without a "mode" key cannot tell from text models.
_OTHER_KINDS = re.compile(
    r"(^|[-/._:])(tts|image|images|audio|realtime|transcribe|live|whisper|moderation|ocr|rerank"
    r"|sonic|lyria|veo|imagen|orpheus|omni|speech|decider|voxtral-mini|nano-banana|music|video"
    r"|dall-e|sora|container|exp-1114|exp-1206)([-/._:]|$)|^(ada|babbage|curie|davinci|text-davinci)"
)
# Azure's spelling, the retired completion models and internal names that no provider takes.
_NO_IDS = re.compile(r"gpt-35-|^regional\.|:extended|\.ft-|instruct-0914|gpt-3\.5-turbo-instruct")


@dataclass(frozen=True)
class Source:
    """Where the models of one provider come from."""

    name: str
    history: str | None = None
    """Id of the provider in genai-prices."""
    ours: Callable[[str], bool] = lambda _: True
    """Whether an id that genai-prices has for its provider is one of this provider."""
    community: tuple[str, ...] = ()
    """Values of ``litellm_provider``; one that ends in ``*`` is a prefix."""
    prefix: str = ""
    """What litellm puts before the id."""
    regional: bool = False
    """Whether ids may still hold a slash after the prefix that names a region."""

    def community_id(self, name: str, entry: Entry) -> str | None:
        """The provider's own id of a litellm entry, ``None`` when it is not one of its models."""
        kind = str(entry.get("litellm_provider", ""))
        if not any(
            kind.startswith(known[:-1]) if known.endswith("*") else kind == known
            for known in self.community
        ):
            return None
        model_id = name.removeprefix(self.prefix)
        if self.regional and "/" in model_id:
            return None
        if model_id.startswith("together-ai-") or not is_text(model_id):
            return None
        return model_id


def is_text(model_id: str) -> bool:
    """Whether an id looks like that of a chat or embedding model that can be asked for."""
    lowered = model_id.lower()
    return not _OTHER_KINDS.search(lowered) and not _NO_IDS.search(lowered)


def _gemini(name: str) -> bool:
    return not name.startswith(("claude", "anthropic/")) and not name.endswith("-maas")


SOURCES = (
    Source("openai", "openai", community=("openai",), prefix="openai/"),
    Source("anthropic", "anthropic", community=("anthropic",), prefix="anthropic/"),
    Source("gemini", "google", _gemini, ("gemini",), "gemini/"),
    Source(
        "bedrock",
        "aws",
        community=("bedrock", "bedrock_converse"),
        prefix="bedrock/",
        regional=True,
    ),
    Source(
        "vertex",
        "google",
        lambda name: not name.startswith("gemma") or name.endswith("-maas"),
        ("vertex_ai*",),
        "vertex_ai/",
    ),
    Source("groq", "groq", community=("groq",), prefix="groq/"),
    Source("perplexity", "perplexity", community=("perplexity",), prefix="perplexity/"),
    Source("mistral", "mistral", lambda n: ":free" not in n, ("mistral",), "mistral/"),
    Source("together", "together", community=("together_ai",), prefix="together_ai/"),
    Source("cohere", "cohere", community=("cohere", "cohere_chat"), prefix="cohere/"),
    Source(
        "openrouter",
        "openrouter",
        lambda name: "/" in name,
        community=("openrouter",),
        prefix="openrouter/",
    ),
    Source("deepinfra", None, community=("deepinfra",), prefix="deepinfra/"),
)
