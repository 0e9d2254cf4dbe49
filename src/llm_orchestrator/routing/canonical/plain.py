"""A text without its dress: thoughts, Markdown, LaTeX and typographic characters taken off."""

import re
import unicodedata

_THOUGHTS = re.compile(
    r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_CHARACTERS = str.maketrans(
    {"²": "^2", "³": "^3", "\u2212": "-", "“": '"', "”": '"', "„": '"',
     "\u2018": "'", "\u2019": "'",
     "\u2044": "/",
     "\u200b": "", "\ufeff": "", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "×": "*",
     "÷": "/", "·": "*", "√": "\\sqrt ", "π": "\\pi "}
)  # fmt: skip
_WRAPPED = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|operatorname|mbox|rm|bf)\s*\{([^{}]*)\}"
)
_SPACES = re.compile(
    r"\\[,;!:> ]|\\q?quad(?![A-Za-z])|(?<!\\)~|\\(?:left|right|displaystyle|limits)(?![A-Za-z])"
)
_COMMANDS = (
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:cdot|times|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\s*\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])|\\circ(?![A-Za-z])"), "°"),
    (re.compile(r"\\(?:approx|simeq)(?![A-Za-z])"), "≈"),
    (re.compile(r"\\([%$#&_])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:lbrace|\{)"), "{"),
    (re.compile(r"\\(?:rbrace|\})"), "}"),
)
_PAIRS = (("$$", "$$"), ("\\(", "\\)"), ("\\[", "\\]"), ("$", "$"), ("**", "**"), ("__", "__"),
          ("`", "`"), ("*", "*"))  # fmt: skip
_FENCE = re.compile(r"\A```[\w+-]*\s*\n?(.*?)\n?```\s*\Z", re.DOTALL)


def without_thoughts(text: str) -> str:
    """The answer behind the thoughts that some models write before it."""
    return _THOUGHTS.sub("", text).strip() if "<" in text else text.strip()


def characters(text: str) -> str:
    """Typographic characters as those of a keyboard; letters of all scripts stay."""
    return unicodedata.normalize("NFKC", text.translate(_CHARACTERS)).translate(_CHARACTERS)


def unwrapped(text: str) -> str:
    """The text inside of fences, Markdown marks and mathematical delimiters."""
    text = text.strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    changed = True
    while changed and text:
        changed = False
        for left, right in _PAIRS:
            inner = text[len(left) : -len(right)]
            if (
                len(text) > len(left) + len(right)
                and text.startswith(left)
                and text.endswith(right)
                and left not in inner
            ):
                text, changed = inner.strip(), True
                break
    return text


def formula(text: str) -> str:
    """Mathematics with LaTeX's spacing, styles and synonyms taken off; its structure stays."""
    if "\\" in text or "{" in text or "~" in text:
        text = _SPACES.sub(" ", text)
        for _ in range(3):  # styles inside of styles
            text, found = _WRAPPED.subn(r" \1 ", text)
            if not found:
                break
        for pattern, plain in _COMMANDS:
            text = pattern.sub(plain, text)
    return re.sub(r"\s+", " ", text).strip()


def short(text: str) -> str:
    """An answer as it is interpreted: characters, wrappers and the last full stop gone."""
    text = unwrapped(characters(text))
    text = text.rstrip(" \t\n.,;:")
    # Marks of which only one half was cut out with the answer.
    text = re.sub(r"\A(?:\*\*|__|[>#\s])+|(?:\*\*|__)\Z", "", text)
    return unwrapped(text).rstrip(" .,;:").strip()
