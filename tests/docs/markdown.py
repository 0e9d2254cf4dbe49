"""The pages and what is in them: fenced blocks, links, headings.

What the fences say:

- a `python` block runs; the blocks of a page share their names, as one session at a prompt would
- a `sh` block runs line by line; `sh status=2` says with which code the last line ends
- a `yaml` block is a configuration, and is loaded; a `yaml task` one is a task
- a block whose first line is a comment with a file's name (`# app.py`) is written there instead
- a `text` block right after one that runs is what that prints; digits count as equal, and `...`
  stands for anything

`<!-- needs: postgres -->` on the first line of a page names a service that the page needs.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OTHERS = [ROOT / name for name in ("CHANGELOG.md", "SECURITY.md", "examples/README.md")]

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^# (?P<name>[\w./-]+\.\w+)\n")
_NEEDS = re.compile(r"\A<!-- needs: (\w+) -->")
_LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; ``prints`` is the text block that follows it at once."""

    page: Path
    line: int
    kind: str
    words: tuple[str, ...]
    text: str
    prints: str | None

    @property
    def place(self) -> str:
        """Where it is, as editors take it."""
        return f"{name_of(self.page)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that it shows, if it shows one."""
        named = _NAMED.match(self.text)
        return named["name"] if named else None


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """All fenced blocks in order."""
    text = page.read_text(encoding="utf-8")
    fences = list(_FENCE.finditer(text))
    found = []
    for number, fence in enumerate(fences):
        kind, *words = fence["info"].split() or [""]
        following = fences[number + 1] if number + 1 < len(fences) else None
        prints = None
        if following and following["info"] == "text":
            between = text[fence.end() : following.start()]
            prints = following["body"] if not between.strip() else None
        line = text.count("\n", 0, fence.start()) + 1
        found.append(Block(page, line, kind, tuple(words), fence["body"], prints))
    return found


def needs(page: Path) -> str | None:
    """The service that the page needs to run."""
    said = _NEEDS.match(page.read_text(encoding="utf-8"))
    return said[1] if said else None


def prose(page: Path) -> str:
    """The page without its fenced blocks and its code."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "", text)


def links(page: Path) -> list[str]:
    return [link["target"] for link in _LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """The fragments that links into the page may name."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in _HEADING.finditer(text):
        slug = re.sub(r"[^\w\- ]", "", heading["title"].lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found
