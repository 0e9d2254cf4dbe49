"""Names of job types and providers, as programs write them; any other text will do."""


class _Name(str):
    """A name; ``value`` is it as text, as of an enumeration's member."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """The name."""
        return str(self)


class BatchJobType(_Name):
    """What is done with a job's data. Names are open: ``BatchJobType("my_type")``, or any text."""

    __slots__ = ()
    CREATIVE_SCORING: "BatchJobType"
    EMBEDDING_GENERATION: "BatchJobType"
    HISTORICAL_REPROCESSING: "BatchJobType"
    VIDEO_ANALYSIS: "BatchJobType"


class BatchProvider(_Name):
    """Who is asked. Names are open: every provider of the configuration is one."""

    __slots__ = ()
    OPENAI: "BatchProvider"
    ANTHROPIC: "BatchProvider"
    GEMINI: "BatchProvider"
    MISTRAL: "BatchProvider"
    GROQ: "BatchProvider"
    DEEPINFRA: "BatchProvider"
    TOGETHER: "BatchProvider"
    BEDROCK: "BatchProvider"
    VERTEX: "BatchProvider"
    OPENROUTER: "BatchProvider"
    PERPLEXITY: "BatchProvider"
    COHERE: "BatchProvider"


for _kind in (BatchJobType, BatchProvider):
    for _name in _kind.__annotations__:
        setattr(_kind, _name, _kind(_name.lower()))
