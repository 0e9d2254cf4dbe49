"""The page of all commands is current, and no option is left without a word."""

import importlib.util
from pathlib import Path
from types import ModuleType

TOOL = Path(__file__).parents[3] / "tools" / "build_cli_reference.py"


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


def test_every_option_is_described() -> None:
    rows = [row for row in tool().render().splitlines() if row.startswith("| `")]
    assert len(rows) > 80
    assert [row for row in rows if row.endswith("|  |")] == []
