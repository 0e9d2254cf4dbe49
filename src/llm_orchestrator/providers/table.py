"""One row per provider. A new OpenAI-compatible server is a row here or in the user's YAML.

How they take batches is beside it, in `batches`.
"""

import msgspec

from llm_orchestrator.providers.batches import BATCHES
from llm_orchestrator.providers.compatible import compatible
from llm_orchestrator.types.provider import Provider, Quirks, Variable, Wire

_PLACE = "/projects/{project}/locations/{location}"
_GEMINI = ("text", "functions", "vision", "ultra-long-context", "streaming", "embeddings")
_OPENAI = Quirks(
    unsupported=frozenset(("top_k",)),
    count_path="/responses/input_tokens",
    embeddings_format="base64",
    logprobs="flag",
)
_AZURE_ENDPOINT = Variable(env=("AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"), needed=False)
_RESPONSES_ONLY = Wire(
    models=r"gpt-[\d.]+-(pro|codex)|gpt-daybreak|o\d(-mini)?-(pro|deep-research)|codex-mini",
    dialect="responses",
    quirks=Quirks(count_path="/responses/input_tokens"),
)
_PERPLEXITY_AGENT = Wire(  # models of other makers, with search as a tool
    models=r"[a-z]+/",
    dialect="responses",
    quirks=Quirks(
        chat_path="/v1/responses",
        unsupported=frozenset(
            "temperature top_p tool_choice parallel_tool_calls user service_tier include".split()
        ),
        efforts=("minimal", "low", "medium", "high", "xhigh"),
        schema="prompt",
        keep=("usage.cost", "usage.tool_calls_details"),
        cost="usage.cost.total_cost",
    ),
)
_ROWS = (
    Provider(
        name="openai",
        display_name="OpenAI",
        dialect="openai",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        default_model="gpt-4o-mini",
        capability_words=("text", "functions", "vision", "streaming", "embeddings"),
        quirks=_OPENAI,
        wires=(_RESPONSES_ONLY,),
    ),
    Provider(
        name="anthropic",
        display_name="Anthropic (Claude)",
        dialect="anthropic",
        base_url="https://api.anthropic.com/v1",
        auth="x-api-key",
        key_env=("ANTHROPIC_API_KEY",),
        default_model="claude-haiku-4-5-20251001",
        aliases=("claude",),
        lacks=frozenset(("embeddings",)),
        capability_words=("text", "functions", "vision", "long-context", "streaming"),
        quirks=Quirks(version="2026-10-21"),
    ),
    Provider(
        name="gemini",
        display_name="Google Gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1",
        auth="x-goog-api-key",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        default_model="gemini-3.8-flash",
        aliases=("google",),
        capability_words=_GEMINI,
    ),
    Provider(
        name="vertex",
        display_name="Google Vertex AI",
        dialect="gemini",
        base_url="https://{location}-aiplatform.googleapis.com/v1beta1",
        auth="google",
        default_model="gemini-3.8-flash",
        variables={
            "project": Variable(env=("GOOGLE_CLOUD_PROJECT",)),
            "location": Variable(
                env=("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"),
                default="global",
                addresses={
                    "global": "https://aiplatform.googleapis.com/v1beta1",
                    "us": "https://aiplatform.us.rep.googleapis.com/v1beta1",
                    "eu": "https://aiplatform.eu.rep.googleapis.com/v1beta1",
                },
            ),
            "credentials": Variable(env=("GOOGLE_APPLICATION_CREDENTIALS",), needed=False),
            "bucket": Variable(env=("VERTEX_BATCH_BUCKET",), needed=False),
        },
        capability_words=_GEMINI,
        quirks=Quirks(
            chat_path=f"{_PLACE}/publishers/google/models/{{model}}:{{method}}",
            models_path="/publishers/google/models",
            embed_method="predict",
            flat_count=True,
        ),
        wires=(
            Wire(
                models="claude-",
                dialect="anthropic",
                lacks=frozenset(("embeddings",)),
                quirks=Quirks(
                    version="vertex-2023-10-16",
                    version_in_body=True,
                    chat_path=f"{_PLACE}/publishers/anthropic/models/{{model}}:{{method}}",
                    count_path=f"{_PLACE}/publishers/anthropic/models/count-tokens:rawPredict",
                ),
            ),
            # Open models and those of other makers but Mistral, by their publishers' names.
            Wire(
                models=r"(?!mistralai/)[a-z0-9-]+/",
                dialect="openai",
                lacks=frozenset(("embeddings",)),
                quirks=Quirks(
                    max_tokens="max_tokens",
                    chat_path=f"{_PLACE}/endpoints/openapi/chat/completions",
                ),
            ),
        ),
    ),
    Provider(
        name="bedrock",
        display_name="Amazon Bedrock",
        dialect="bedrock",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        auth="sigv4",
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        default_model="global.anthropic.claude-haiku-4-5-20251001-v1:0",
        aliases=("aws", "amazon"),
        capability_words=(
            "text",
            "functions",
            "vision",
            "long-context",
            "streaming",
            "embeddings",
        ),
        variables={
            "region": Variable(
                env=("AWS_REGION", "AWS_DEFAULT_REGION"),
                addresses={
                    "eusc-de-east-1": "https://bedrock-runtime.{region}.amazonaws.eu",
                    "cn-north-1": "https://bedrock-runtime.{region}.amazonaws.com.cn",
                    "cn-northwest-1": "https://bedrock-runtime.{region}.amazonaws.com.cn",
                },
            ),
            # A profile that is configured goes before keys in the environment; the variable of
            # Amazon's own tools goes after them.
            "profile": Variable(needed=False),
            "default_profile": Variable(env=("AWS_PROFILE", "AWS_DEFAULT_PROFILE"), needed=False),
            "access_key_id": Variable(env=("AWS_ACCESS_KEY_ID",), needed=False, secret=True),
            "secret_access_key": Variable(
                env=("AWS_SECRET_ACCESS_KEY",), needed=False, secret=True
            ),
            "session_token": Variable(env=("AWS_SESSION_TOKEN",), needed=False, secret=True),
            "bucket": Variable(env=("BEDROCK_BATCH_BUCKET",), needed=False),
            "role": Variable(env=("BEDROCK_BATCH_ROLE",), needed=False),
        },
    ),
    compatible(
        "groq",
        "Groq",
        "https://api.groq.com/openai/v1",
        model="openai/gpt-oss-120b",
        words="text functions fast-inference streaming",
        lacks=("embeddings",),
        max_tokens="max_completion_tokens",
        unsupported="top_k frequency_penalty presence_penalty stream_options",
        efforts="none low medium high",
        schema_without="tools stream",
        daily_requests=True,
    ),
    compatible(
        "perplexity",
        "Perplexity",
        "https://api.perplexity.ai",
        model="sonar",
        words="text online-search citations streaming",
        unsupported="seed user service_tier stream_options",
        efforts="minimal low medium high",
        paths={"models": "/v1/models", "embeddings": "/v1/embeddings"},
        wires=(_PERPLEXITY_AGENT,),
        embeddings_format="base64_int8",
        keep="citations search_results images related_questions usage.cost usage.citation_tokens",
        cost="usage.cost.total_cost",
        apart=True,
    ),
    compatible(
        "mistral",
        "Mistral",
        "https://api.mistral.ai/v1",
        model="mistral-large-2512",
        words="text functions streaming embeddings",
        # Whether it repeats the beginning that it is given is not known: nothing is continued.
        lacks=("prefill",),
        unsupported="user name stream_options",
        rename={"seed": "random_seed", "dimensions": "output_dimension"},
        call_ids=9,
        prefill="prefix",
    ),
    compatible(
        "together",
        "Together AI",
        "https://api.together.ai/v1",
        model="openai/gpt-oss-120b",
        words="text functions streaming embeddings",
        unsupported="user service_tier parallel_tool_calls stream_options",
        efforts="low medium high",
        logprobs="number",
    ),
    Provider(
        name="cohere",
        display_name="Cohere",
        dialect="cohere",
        base_url="https://api.cohere.com",
        key_env=("COHERE_API_KEY", "CO_API_KEY"),
        default_model="command-r-08-2024",
        lacks=frozenset(("prefill",)),
        capability_words=("text", "functions", "embeddings", "streaming"),
    ),
    compatible(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        model="anthropic/claude-sonnet-5.5",
        words="text functions vision multi-model streaming",
        unsupported="stream_options",
        paths={"models": "/models?offset=0&limit=500"},
        keep="provider usage.cost",
        cost="usage.cost",
        reasoning_details=True,
        logprobs="flag",
    ),
    compatible(
        "deepinfra",
        "DeepInfra",
        "https://api.deepinfra.com/v1/openai",
        model="meta-llama/Llama-3.3-70B-Instruct-Turbo",
        words="text functions streaming embeddings",
        keys="DEEPINFRA_API_KEY DEEPINFRA_API_TOKEN DEEPINFRA_TOKEN",
        unsupported="parallel_tool_calls",
        tool_choices="auto none",
        cost="usage.estimated_cost",
        logprobs="flag",
    ),
    # The endpoint is only needed where the configuration gives no base_url.
    compatible(
        "azure",
        "Azure OpenAI",
        "{endpoint}/openai/v1",
        words="text functions vision streaming embeddings",
        keys="AZURE_OPENAI_API_KEY AZURE_API_KEY",
        auth="api-key",
        variables={"endpoint": _AZURE_ENDPOINT},
        max_tokens="max_completion_tokens",
        unsupported="top_k",
        embeddings_format="base64",
        think_tags=False,
        logprobs="flag",
    ),
    Provider(
        name="local",
        display_name="Local (in process)",
        dialect="openai",
        base_url="",
        auth="none",
        local=True,
        default_model="smollm2-135m",
        # Its chat template ignores tools and it sees no images.
        lacks=frozenset(
            ("tools", "parallel_tools", "vision", "reasoning", "effort", "cache", "pdf", "audio")
        ),
        capability_words=("text", "streaming", "embeddings"),
        quirks=Quirks(max_tokens="max_tokens"),
    ),
    Provider(
        name="ollama",
        display_name="Ollama",
        dialect="openai",
        base_url="http://localhost:11434/v1",
        auth="none",
        local=True,
        key_env=("OLLAMA_API_KEY",),
        capability_words=("text", "functions", "streaming", "embeddings"),
        quirks=Quirks(
            max_tokens="max_tokens", unsupported=frozenset(("parallel_tool_calls", "user"))
        ),
    ),
    Provider(
        name="vllm",
        display_name="vLLM",
        dialect="openai",
        base_url="http://localhost:8000/v1",
        auth="none",
        local=True,
        key_env=("VLLM_API_KEY",),
        capability_words=("text", "functions", "vision", "streaming", "embeddings"),
        quirks=Quirks(max_tokens="max_tokens", logprobs="flag"),
    ),
    Provider(
        name="llamacpp",
        display_name="llama.cpp",
        dialect="openai",
        base_url="http://127.0.0.1:8080/v1",
        auth="none",
        local=True,
        key_env=("LLAMACPP_API_KEY",),
        capability_words=("text", "functions", "streaming", "embeddings"),
        quirks=Quirks(max_tokens="max_tokens"),
    ),
    Provider(
        name="compatible",
        display_name="OpenAI-compatible server",
        dialect="openai",
        base_url="",
        key_env=("OPENAI_COMPATIBLE_API_KEY",),
        capability_words=("text", "streaming"),
        quirks=Quirks(max_tokens="max_tokens"),
    ),
)

TABLE: dict[str, Provider] = {
    row.name: msgspec.structs.replace(row, batch=BATCHES.get(row.name)) for row in _ROWS
}
"""Provider name to row."""

ALIASES: dict[str, str] = {alias: row.name for row in _ROWS for alias in row.aliases}
"""Other names of providers to theirs."""
