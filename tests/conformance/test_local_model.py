"""The local model for real: the scenarios that do not depend on what a simulator says."""

from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator import UnsupportedError
from llm_orchestrator.providers import local
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.types.model import Ability, Model
from llm_orchestrator.types.provider import Candidate

from .case import Case
from .rows import Row
from .scenarios import SCENARIOS

pytestmark = [pytest.mark.local_model, pytest.mark.timeout(300)]
RUN = "plain image tools tool_result parallel_tools schema embeddings models count".split()


class Real(Row):
    """The row as it is: its server starts with the first call."""

    def section(self, address: str, key: str | None) -> dict[str, Any]:
        return {}

    def target(  # type: ignore[override]  # the other one is cached
        self, ability: Ability | None = None
    ) -> Candidate:
        return Candidate(self.provider, Model(provider="local", id=local.MODEL))


@pytest.mark.parametrize("name", RUN)
async def test_local_model(name: str, llmo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row, scenario = Real("local", ""), SCENARIOS[name]
    setenv, outcome = monkeypatch.setenv, scenario.outcome(row)
    case = Case(row, Simulator(), llmo_home, setenv, scenario.needs, outcome)
    try:
        if outcome == "refused":
            with pytest.raises(UnsupportedError):
                await scenario.run(case)
        else:
            await scenario.run(case)
        assert [reply.cost for reply in case.replies] == [0] * len(case.replies)
        assert not any(reply.usage.estimated for reply in case.replies)
    finally:
        await case.llm.close()
