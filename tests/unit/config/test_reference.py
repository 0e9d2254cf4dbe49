"""The page of all keys is current, and says something of each of them."""

import importlib.util
from pathlib import Path
from types import ModuleType

from llm_orchestrator.config.read import keys
from llm_orchestrator.config.schema import Config

TOOL = Path(__file__).parents[3] / "tools" / "build_config_reference.py"


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current() -> None:
    made = tool()
    assert made.PAGE.read_text(encoding="utf-8") == made.render(), f"run {TOOL}"


def test_every_key_is_described() -> None:
    made = tool()
    sections = [("top", "", Config), *made._sections(Config, "")]
    silent = [
        f"{title}.{name}"
        for title, _, kind in sections
        for name, field in keys(kind).items()
        if not (
            made._description(field) or made._docstrings(kind).get(name) or made._opened(field.type)
        )
    ]
    assert len(sections) > 10
    assert silent == []
