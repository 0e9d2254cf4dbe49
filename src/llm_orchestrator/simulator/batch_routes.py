"""The paths of all batch APIs: which belongs to whom."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from llm_orchestrator.simulator.anthropic.batches import AnthropicBatches
from llm_orchestrator.simulator.batches.buckets import Buckets
from llm_orchestrator.simulator.batches.control import BatchControl
from llm_orchestrator.simulator.bedrock.jobs import BedrockJobs
from llm_orchestrator.simulator.bedrock.s3 import S3
from llm_orchestrator.simulator.cohere.batches import CohereBatches
from llm_orchestrator.simulator.compat.batches import (
    AzureBatches,
    DeepInfraBatches,
    GroqBatches,
    PerplexityBatches,
)
from llm_orchestrator.simulator.compat.mistral_batches import MistralBatches
from llm_orchestrator.simulator.compat.openrouter_batches import OpenRouterBatches
from llm_orchestrator.simulator.compat.together_batches import TogetherBatches
from llm_orchestrator.simulator.gemini.batches import GeminiBatches
from llm_orchestrator.simulator.gemini.files import GeminiFiles
from llm_orchestrator.simulator.gemini.predictions import PredictionJobs
from llm_orchestrator.simulator.gemini.routes import PROJECT, VERSIONS
from llm_orchestrator.simulator.gemini.storage import Storage
from llm_orchestrator.simulator.openai.batch_format import OpenAIFormat
from llm_orchestrator.simulator.openai.batches import FileBatches
from llm_orchestrator.simulator.openai.chat import Chat
from llm_orchestrator.simulator.world import World

_BETA = "{version:v1alpha|v1beta}"  # of the Gemini API where v1 is OpenAI's


def batch_routes(world: World) -> Iterator[web.RouteDef]:
    """Everything about files and batches; to be added before what has wider patterns."""
    yield from BatchControl(world).routes()
    openai, anthropic = FileBatches(world, Chat(), OpenAIFormat()), AnthropicBatches(world)
    for prefix in ("/openai/v1", "/v1"):
        yield from openai.routes(prefix)
    for prefix in ("/anthropic/v1", "/v1"):
        yield from anthropic.routes(prefix)
    files = GeminiFiles(world)
    gemini = GeminiBatches(world, files)
    for prefix, version in (("/gemini", VERSIONS), ("", _BETA)):
        yield from files.routes(prefix, version)
        yield from gemini.routes(prefix, version)
    cohere = CohereBatches(world)
    for prefix in ("/cohere", ""):
        yield from cohere.routes(prefix)
    s3 = Buckets(world.batches.spool)
    bedrock = BedrockJobs(world, s3)
    for prefix in ("/bedrock", ""):
        yield from bedrock.routes(prefix)
    yield from S3(world, s3).routes("/s3")
    storage = Buckets(world.batches.spool)
    predictions = PredictionJobs(world, storage)
    for prefix in ("/vertex", ""):
        yield from predictions.routes(f"{prefix}/{VERSIONS}/{PROJECT}")
    yield from Storage(world, storage).routes("/gcs")
    azure = AzureBatches(world)
    yield from azure.routes("/azure/openai/v1")
    yield from azure.dated("/azure/openai")
    yield from GroqBatches(world).routes("/groq/openai/v1")
    yield from DeepInfraBatches(world).routes("/deepinfra/v1/openai")
    yield from PerplexityBatches(world).routes("/perplexity/v1")
    yield from MistralBatches(world).routes("/mistral/v1")
    yield from OpenRouterBatches(world).routes("/openrouter/api/v1")
    yield from TogetherBatches(world).routes("/together/v1")
