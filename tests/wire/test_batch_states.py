"""Every state that an official SDK knows is one of ours: none is taken for running by default."""

from collections.abc import Callable
from typing import Any, get_args

import boto3
import pytest
from anthropic.types.messages import MessageBatch
from cohere.batches.types.batch_status import BatchStatus as CohereStatus
from google.genai.types import JobState
from openai.types import Batch

from llm_orchestrator.dialects.anthropic import batch as anthropic_batch
from llm_orchestrator.dialects.bedrock import batch as bedrock_batch
from llm_orchestrator.dialects.cohere import batch as cohere_batch
from llm_orchestrator.dialects.gemini import batch as gemini_batch
from llm_orchestrator.dialects.openai import batch as openai_batch
from llm_orchestrator.dialects.openai import mistral_batch
from llm_orchestrator.types.batch import BatchState


def words(kind: Any) -> set[str]:
    """The texts in a type of the SDK, however deep."""
    found = set()
    for one in get_args(kind):
        found |= {one} if isinstance(one, str) else words(one)
    return found


def bedrock() -> set[str]:
    client = boto3.client(
        "bedrock", region_name="x", aws_access_key_id="x", aws_secret_access_key="x"
    )
    return set(client.meta.service_model.shape_for("ModelInvocationJobStatus").enum)


def groq() -> set[str]:
    from groq.types import BatchRetrieveResponse

    return words(BatchRetrieveResponse.model_fields["status"].annotation)


def together() -> set[str]:
    from together.types import BatchJob

    return words(BatchJob.model_fields["status"].annotation)


def mistral() -> set[str]:
    from mistralai.client.models import BatchJobStatus

    return words(BatchJobStatus)


def openrouter() -> set[str]:
    from openrouter.components.batchobject import BatchObjectStatus

    return words(BatchObjectStatus)


def perplexity() -> set[str]:
    from perplexity.generated.api import BatchOutput

    return words(BatchOutput.model_fields["status"].annotation)


OPENAI, GEMINI = openai_batch.STATES, gemini_batch.STATES
OWN: dict[str, tuple[set[str], dict[str, BatchState]]] = {
    "openai": (words(Batch.model_fields["status"].annotation), OPENAI),
    "anthropic": (
        words(MessageBatch.model_fields["processing_status"].annotation),
        anthropic_batch._STATES,
    ),
    "gemini": ({one.value for one in JobState}, GEMINI),
    "cohere": (words(CohereStatus), cohere_batch._STATES),
    "bedrock": (bedrock(), bedrock_batch._STATES),
}
OTHERS: dict[str, tuple[Callable[[], set[str]], dict[str, BatchState]]] = {
    "groq": (groq, OPENAI),
    "together": (together, OPENAI),
    "mistral": (mistral, mistral_batch._STATES),
    "openrouter": (openrouter, OPENAI),
    "perplexity": (perplexity, OPENAI),
}


def known(given: set[str], states: dict[str, BatchState]) -> None:
    assert len(given) > 2
    bare = {one.removeprefix("JOB_STATE_").removeprefix("BATCH_STATUS_").lower() for one in given}
    assert bare - states.keys() <= {"unspecified"}
    assert any(states[one].over for one in bare & states.keys())


@pytest.mark.parametrize("name", OWN)
def test_every_state_is_known(name: str) -> None:
    known(*OWN[name])


@pytest.mark.sdk
@pytest.mark.parametrize("name", OTHERS)
def test_every_state_of_the_other_sdks_is_known(name: str) -> None:
    given, states = OTHERS[name]
    known(given(), states)
