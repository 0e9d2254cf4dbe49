"""What starting the command loads: `llmo --version` is for scripts and prompts of shells."""

import json
import os
import subprocess
import sys

import pytest

_PROGRAM = """
import json, sys
sys.argv = ["llmo", *{arguments}]
from llm_orchestrator.cli.main import app
try:
    app()
except SystemExit:
    print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


def loaded(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        check=True,
        # What measures the coverage of this test would be loaded as well.
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_version_needs_next_to_nothing() -> None:
    heavy = {"rich", "msgspec", "asyncio", "aiohttp", "yaml", "sqlite3", "sqlalchemy", "psycopg"}
    assert loaded("--version") & heavy == set()


@pytest.mark.parametrize("arguments", [("costs", "stats"), ("run", "hi"), ("config", "show")])
def test_no_command_loads_what_only_tools_need(arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments) & {"alembic", "sqlalchemy", "xllamacpp", "openai"} == set()
