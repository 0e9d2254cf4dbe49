"""The classic rule: how much a prompt asks for, and of what kind, told from words in it.

The rule is old and widely known, so it is here by name. On graded prompts it routes no better than
a coin (docs/concepts/routing.md): nothing uses it unless it is asked for. It reads English.
"""

import re
from typing import Literal, TypeAlias, get_args

import msgspec

from llm_orchestrator.routing.pieces import ends, size

Level: TypeAlias = Literal["basic", "intermediate", "advanced", "expert"]
TaskType: TypeAlias = Literal[
    "math", "code", "research", "planning", "summary", "translation", "extraction", "writing",
    "general",
]  # fmt: skip
LEVELS: tuple[Level, ...] = get_args(Level)
"""From the one that asks least to the one that asks most."""

_HALF = 100


def _words(*patterns: str) -> re.Pattern[str]:
    """Any of these; texts are in lower case."""
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b")


LEVEL_WORDS: dict[Level, re.Pattern[str]] = {
    "expert": _words(
        "research",
        r"analy[sz]e deeply",
        "deep analysis",
        "comprehensive(?:ly)?",
        "compare multiple",
        "multi-?step",
        "prove",
        "derive",
        r"formali[sz]e",
    ),
    "advanced": _words(
        "explain why",
        "implement",
        "design",
        "debug",
        "compare",
        "evaluate",
        r"optimi[sz]e",
    ),
    "intermediate": _words(
        r"write (?:\S+ ){0,3}code",
        r"summari[sz]e",
        "calculate",
        "list",
        "identify",
        "solve",
    ),
    "basic": _words("what is", "define", "format", "simple", "basic", "quick"),
}
"""What names a level, the highest first: the first that is found counts, else ``basic``."""

TASK_WORDS: dict[TaskType, re.Pattern[str]] = {
    "math": _words(
        "calculate", "solve", "equations?", "integrals?", "derivatives?", "probability", "proof",
        "prove", "theorem", "sum of", r"how (?:many|much)", r"\d+(?:\.\d+)? ?[-+*/^×÷] ?\d+",
    ),
    "code": _words(
        "code", "function", "implement", "debug", "refactor", "script", "regex", "sql", "python",
        "javascript", "typescript", "java", "rust", "golang", r"unit tests?", "api", "class", "bug",
        "stack ?trace", "compile[rs]?",
    ),
    "research": _words(
        "research", "literature", "sources", "citations?", "compare multiple", "survey",
        "evidence", "investigate", "state of the art", "analy[sz]e", "evaluate", "compare",
    ),
    "planning": _words(
        "plan", "roadmap", "strategy", "schedule", "milestones?", "steps to", "design",
        "architecture", "organi[sz]e", "prioriti[sz]e",
    ),
    "summary": _words("summari[sz]e", "summary", "tl;?dr", "shorten", "condense", "key points"),
    "translation": _words(
        "translate", "translation",
        r"(?:in|into|to) (?:english|french|german|spanish|italian|portuguese|chinese|japanese)",
    ),
    "extraction": _words(
        "extract", "identify", "list", "classify", "categori[sz]e", "label", "format", "parse",
        "json",
    ),
    "writing": _words(
        "write", "draft", "essay", "email", "letter", "story", "poem", "blog", "article", "rewrite",
        "proofread", "slogan", "tweet",
    ),
}  # fmt: skip
"""What names a kind of task. The kind with the most different words counts, the first of equals."""


class Complexity(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule says of a prompt."""

    level: Level
    task_type: TaskType
    score: float
    """1 (basic) to 4 (expert), and up to 1 more for length: higher asks more of a model."""
    signs: tuple[str, ...] = ()
    """The words that told the level."""


class ComplexityAnalyzer:
    """The classic rule. Every method may be called on the class as well."""

    name = "complexity"

    @classmethod
    def analyze(cls, prompt: str) -> Complexity:
        """Level, kind of task and score of a prompt."""
        text = ends(prompt).lower()
        level, signs = _level(text)
        length = size(prompt)
        return Complexity(
            level=level,
            task_type=_task_type(text),
            score=1 + LEVELS.index(level) + length / (length + _HALF),
            signs=signs,
        )

    @classmethod
    def required_capability(cls, prompt: str) -> Level:
        """The level that a model must have for the prompt."""
        return _level(ends(prompt).lower())[0]

    @classmethod
    def task_type(cls, prompt: str) -> TaskType:
        """What kind of task the prompt is."""
        return _task_type(ends(prompt).lower())

    @classmethod
    def score(cls, prompt: str, *, category: str | None = None) -> float:  # noqa: ARG003 - a scorer
        """The score of `analyze`; a category changes nothing."""
        return cls.analyze(prompt).score


def _level(text: str) -> tuple[Level, tuple[str, ...]]:
    for level, words in LEVEL_WORDS.items():
        found = dict.fromkeys(words.findall(text))
        if found:
            return level, tuple(found)
    return "basic", ()


def _task_type(text: str) -> TaskType:
    counts = {kind: len(set(words.findall(text))) for kind, words in TASK_WORDS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else "general"
