"""How each provider of the table takes batches: the part of its row that says so.

Figures that the provider's own pages do not agree on, or that nothing confirms, are ``None`` or
said to be so in the note.
"""

from llm_orchestrator.types.batch import BatchLimits, BatchWire

_MB = 1_000_000
_CHAT = "/v1/chat/completions"
_OPENAI = {"openai": _CHAT, "responses": "/v1/responses", "embeddings": "/v1/embeddings"}

OWN_BATCHES = BatchWire(endpoints=_OPENAI)
"""How a provider of the user's own takes batches, when the configuration says that it does."""

BATCHES: dict[str, BatchWire] = {
    "openai": BatchWire(
        wire="openai",
        tag="metadata",
        endpoints=_OPENAI,
        limits=BatchLimits(requests=50_000, size=200 * _MB, texts=50_000),
        discount=50,
        note="The input tokens that wait for a model have a limit of the account.",
    ),
    "azure": BatchWire(
        wire="openai",
        tag="metadata",
        endpoints=_OPENAI,
        limits=BatchLimits(requests=50_000, size=200 * _MB, texts=50_000),
        note="The model is a deployment of the kind Global Batch.",
    ),
    "anthropic": BatchWire(
        wire="anthropic",
        tag="none",
        path="/messages/batches",
        endpoints={"anthropic": "/v1/messages"},
        limits=BatchLimits(requests=100_000, size=256 * _MB),
        inline=True,
        discount=50,
        note="Nothing can be counted before the whole batch has ended.",
    ),
    "gemini": BatchWire(
        wire="gemini",
        tag="display_name",
        endpoints={"gemini": "batchGenerateContent", "embeddings": "asyncBatchEmbedContent"},
        limits=BatchLimits(requests=None, size=2_000 * _MB),
        keeps=False,
        discount=50,
        note="Meant for a day; expires after two. An expired or cancelled batch has no results.",
    ),
    "vertex": BatchWire(
        wire="vertex",
        tag="display_name",
        path="/projects/{project}/locations/{location}/batchPredictionJobs",
        files="https://storage.googleapis.com",
        endpoints={"gemini": "jsonl"},
        limits=BatchLimits(requests=200_000, size=1_000 * _MB, id_length=63),
        discount=50,
        note="Needs a bucket (`variables.bucket`). The price of cached tokens takes the place of "
        "the discount.",
    ),
    "mistral": BatchWire(
        wire="mistral",
        tag="metadata",
        path="/batch/jobs",
        endpoints={"openai": _CHAT, "embeddings": "/v1/embeddings"},
        limits=BatchLimits(requests=100_000, size=512 * _MB),
        windows=(24, 48, 72, 96, 120, 144, 168),
        discount=50,
        note="Of two figures for the requests (a million and 100,000) the smaller is kept to. Its "
        "page on limits keeps results for a day only.",
    ),
    "groq": BatchWire(
        wire="openai",
        tag="metadata",
        endpoints={"openai": _CHAT},
        limits=BatchLimits(requests=50_000, size=100 * _MB),
        windows=(24, 48, 72, 96, 120, 144, 168),
        page=0,
        discount=50,
        note="Its list of batches has no pages. Of two figures for the size (100 and 200 MB) the "
        "smaller is kept to.",
    ),
    "together": BatchWire(
        wire="together",
        tag="file",
        endpoints={"openai": _CHAT},
        limits=BatchLimits(requests=50_000, size=100 * _MB, enqueued=30_000_000_000),
        page=0,
        discount=0,
        note="Half price for Llama-3.3-70B-Instruct-Turbo alone; all other chat models cost the "
        "same as in real time. Best effort: large batches may take three days.",
    ),
    "bedrock": BatchWire(
        wire="bedrock",
        tag="client_token",
        path="/model-invocation-job",
        files="",
        endpoints={"bedrock": "Converse", "embeddings": "InvokeModel"},
        limits=BatchLimits(requests=50_000, size=1_000 * _MB, least=100),
        windows=(24, 48, 72, 96, 120, 144, 168),
        discount=50,
        note="Needs a bucket and a role (`variables.bucket`, `variables.role`). The least and the "
        "most requests are quotas of the account and differ between models.",
    ),
    "cohere": BatchWire(
        wire="cohere",
        tag="name",
        path="/v2/batches",
        files="/v1/datasets",
        endpoints={"cohere": "batch-chat-v2-input", "embeddings": "batch-embed-v2-input"},
        lacks=frozenset(("tools", "vision", "schema", "reasoning")),
        limits=BatchLimits(requests=None, size=1_500 * _MB),
        note="Needs a production key. Tools and pictures are not taken, a schema is asked for in "
        "words; models for vectors have names of their own (`batch-embed-v4`).",
    ),
    "openrouter": BatchWire(
        wire="openrouter",
        tag="none",
        endpoints={"openai": _CHAT, "embeddings": "/v1/embeddings"},
        limits=BatchLimits(requests=5_000, size=200 * _MB),
        inline=True,
        cancels=False,
        discount=50,
        note="Typical discount; each batch reports its cost. A batch cannot be cancelled.",
    ),
    "deepinfra": BatchWire(
        wire="openai",
        tag="metadata",
        endpoints={"openai": _CHAT, "embeddings": "/v1/embeddings"},
        limits=BatchLimits(requests=None, size=None),
        discount=20,
    ),
    "perplexity": BatchWire(
        wire="openai",
        tag="idempotency_key",
        path="/v1/batches",
        files="/v1/files",
        endpoints={"responses": "/v1/responses"},
        limits=BatchLimits(requests=None, size=None),
        note="Only for the models of its agent API (`maker/model`), not for `sonar`.",
    ),
}
"""Provider name to its batch wire."""
