"""Links lead somewhere, and pages are found."""

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import llm_orchestrator

from .markdown import OTHERS, PAGES, ROOT, anchors, links, name_of

EVERYWHERE = [*PAGES, *OTHERS]


@pytest.mark.parametrize("page", EVERYWHERE, ids=name_of)
def test_links_are_alive(page: Path) -> None:
    dead = [link for link in links(page) if fault(page, link)]
    assert not dead


def fault(page: Path, link: str) -> bool:
    """Whether a link leads nowhere. Of other sites only the form is looked at."""
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme != "https" or "." not in parts.netloc
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(parts.fragment) and parts.fragment not in anchors(target)


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / urlsplit(link).path).resolve()
        for page in EVERYWHERE
        for link in links(page)
        if not urlsplit(link).scheme and urlsplit(link).path
    }
    assert not [name_of(page) for page in PAGES if page not in linked and page.name != "README.md"]


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_changelog_tells_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] == llm_orchestrator.__version__
    assert f"## [{llm_orchestrator.__version__}]" in text
    assert {"### Added", "### Changed", "### Fixed"} & set(text.splitlines())
