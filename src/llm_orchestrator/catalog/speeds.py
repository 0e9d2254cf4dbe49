"""How long the providers' answers take until something was measured here.

Seconds of an ordinary answer, rounded, from the provider matrix of the systems that this one
unites. They order providers that were never asked, and say nothing of a single model.
"""

TYPICAL_S: dict[str, float] = {
    "groq": 0.4,
    "deepinfra": 1.1,
    "together": 1.2,
    "cohere": 1.4,
    "openai": 1.5,
    "azure": 1.5,
    "mistral": 1.6,
    "gemini": 1.8,
    "vertex": 1.8,
    "anthropic": 2.0,
    "bedrock": 2.0,
    "openrouter": 2.0,
    "perplexity": 2.5,
}
