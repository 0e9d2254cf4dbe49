"""Every Python block and every command of README and docs runs."""

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.conformance.rows import ROWS

from .markdown import PAGES, blocks, name_of, needs
from .playground import KEYS, Playground

RUNNING = {"python", "sh", "yaml"}


def pages() -> list[ParameterSet]:
    """The pages with something to run, each under its name and its marks."""
    found = []
    for page in PAGES:
        if any(block.kind in RUNNING for block in blocks(page)):
            service = needs(page)
            marks = [getattr(pytest.mark, service)] if service else []
            found.append(pytest.param(page, id=name_of(page), marks=marks))
    return found


@pytest.mark.timeout(300)  # some pages start many processes
@pytest.mark.parametrize("page", pages())
def test_page_runs(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    for name in ("LLMO_CONFIG", "DATABASE_URL", "NO_COLOR"):
        monkeypatch.setenv(name, "")  # restored afterwards, whatever the page exports
    given = set()
    if needs(page) == "postgres":
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("postgres_url"))
        given = {"DATABASE_URL"}
    row = ROWS.get(page.stem) if page.parent.name == "providers" else None
    for name, value in (row.env if row else {}).items():
        monkeypatch.setenv(name, value)
        given.add(name)
    folder = tmp_path / "page"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with Playground(folder, given) as playground:
        for block in blocks(page):
            playground.run(block)
