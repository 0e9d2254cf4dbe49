"""Every provider has its page, and what is made of the conformance suite is current."""

import pytest

from llm_orchestrator.providers.table import TABLE
from tools import build_provider_table as tool

RUN = "run: python -m tools.build_provider_table"
NAMES = sorted(TABLE)


def test_the_table_is_current() -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.render_table(), RUN


def test_the_table_of_batches_is_current() -> None:
    assert tool.BATCH_PAGE.read_text(encoding="utf-8") == tool.render_batches(), RUN


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_current(name: str) -> None:
    text = tool.page(name).read_text(encoding="utf-8")
    assert text == tool.render(name), RUN
    assert "## Good to know" in text
    assert TABLE[name].local or not TABLE[name].base_url or "## Get a key" in text


def test_there_is_no_page_of_another() -> None:
    assert {path.stem for path in tool.page("x").parent.glob("*.md")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_a_configuration_that_names_it(name: str) -> None:
    text = tool.page(name).read_text(encoding="utf-8")
    assert f"```yaml\n# llmo.yaml\nactive_provider: {name}\n" in text
