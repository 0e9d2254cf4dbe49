"""Who made a model, whoever offers it: models of one maker make the same mistakes."""

import re
from functools import lru_cache

from llm_orchestrator.types.provider import Candidate

# The first pattern that is found in the id, in lower case, decides. A model that was distilled into
# another one comes first: it learned from the one and is built on the other.
_PATTERNS = (
    ("deepseek", r"deepseek"),
    ("anthropic", r"claude"),
    ("openai", r"gpt|(^|[/.:-])o[134](-|$)|chatgpt|davinci|codex"),
    ("google", r"gemini|gemma|palm|learnlm"),
    ("mistral", r"mi(s|x)tral|ministral|magistral|codestral|devstral|pixtral"),
    ("perplexity", r"sonar"),
    ("qwen", r"qwen|qwq"),
    ("meta", r"llama"),
    ("cohere", r"command|aya|c4ai"),
    ("xai", r"grok"),
    ("amazon", r"nova|titan"),
    ("moonshot", r"kimi|moonshot"),
    ("zhipu", r"glm"),
    ("minimax", r"minimax|abab"),
    ("microsoft", r"(^|[/.:-])phi|wizardlm|mai-"),
    ("ai21", r"jamba|jurassic|j2-"),
    ("nvidia", r"nemotron"),
    ("ibm", r"granite"),
    ("01", r"(^|[/.:-])yi-"),
    ("huggingface", r"smollm"),
)
_COMPILED = tuple((maker, re.compile(pattern).search) for maker, pattern in _PATTERNS)


def maker_of(candidate: Candidate) -> str:
    """The maker's name; of unknown models the folder of the id, or the provider."""
    return _maker(candidate.model.id, candidate.model.family or "", candidate.provider.name)


@lru_cache(maxsize=4096)
def _maker(model_id: str, family: str, provider: str) -> str:
    for name in (model_id.lower(), family.lower()):
        for maker, fits in _COMPILED:
            if name and fits(name):
                return maker
    folder, slash, _ = model_id.lower().partition("/")
    return folder if slash and folder else provider
