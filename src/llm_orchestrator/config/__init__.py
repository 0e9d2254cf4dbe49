"""What the user may set, read from YAML, a mapping and the environment."""

from llm_orchestrator.config.env import Environment as Environment
from llm_orchestrator.config.load import load as load
from llm_orchestrator.config.schema import Config as Config
from llm_orchestrator.config.schema import ModelSettings as ModelSettings
from llm_orchestrator.config.schema import ProviderSettings as ProviderSettings
from llm_orchestrator.config.schema import Timeouts as Timeouts

__all__ = ["Config", "Environment", "ModelSettings", "ProviderSettings", "Timeouts", "load"]
