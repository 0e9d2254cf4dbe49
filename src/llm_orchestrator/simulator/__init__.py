"""All providers on the wire, without their bills: a server of fake LLM APIs that stands alone.

`Simulator` serves from a test, `llmo sim` and `python -m llm_orchestrator.simulator` from a shell.
It is written from the wire formats and shares no code with the rest of the package.
"""

from llm_orchestrator.simulator.server import Simulator
from llm_orchestrator.simulator.world import Settings, account_of

__all__ = ["Settings", "Simulator", "account_of"]
