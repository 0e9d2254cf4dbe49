"""A provider is a row of data, not a class."""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from llm_orchestrator.types.batch import BatchWire
from llm_orchestrator.types.model import Ability, Model
from llm_orchestrator.types.secret import Secret

Auth: TypeAlias = Literal[
    "bearer", "x-api-key", "x-goog-api-key", "api-key", "google", "sigv4", "none"
]
"""How a call proves who sends it: a key in a header, or credentials that expire (the last two
before ``none``), which a key set by hand replaces as a bearer token."""

DialectName: TypeAlias = Literal["openai", "responses", "anthropic", "gemini", "bedrock", "cohere"]
"""The wires that there are, one room of ``dialects`` each."""


class Quirks(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server differs from its dialect; a dialect reads only the ones it knows."""

    max_tokens: str = "max_completion_tokens"
    """Name of the output limit (``max_tokens`` on most compatible servers)."""
    rename: Mapping[str, str] = {}
    """Other field names, ours to theirs (``seed`` -> ``random_seed``)."""
    unsupported: frozenset[str] = frozenset()
    """Request fields that the server refuses: dropped and said."""
    efforts: tuple[str, ...] = ()
    """Words of effort that it takes, the least first; others become the nearest. Empty: all."""
    tool_choices: frozenset[str] = frozenset(("auto", "none", "required", "named"))
    """Choices of tools that it takes; others become ``auto``."""
    call_ids: int = 0
    """Length of tool call ids, which must be letters and digits; 0 takes any."""
    prefill: str = ""
    """Field that marks a last assistant turn as the beginning of the answer, if one must."""
    schema: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    """How an output schema is asked for."""
    schema_without: frozenset[str] = frozenset()
    """What a schema mode cannot be combined with (``tools``, ``stream``): the prompt asks then."""
    system_role: str = "system"
    """Role of system prompts."""
    stream_usage: bool = True
    """Whether ``stream_options.include_usage`` is asked for."""
    version: str = ""
    """API version header of dialects that have one."""
    version_in_body: bool = False
    """Whether the version is a field of the body, and the model only in the path."""
    chat_path: str = ""
    """Path of the chat endpoint below ``base_url``, where it differs from the dialect's.
    ``{model}`` stands for the model, ``{method}`` for what Google's APIs call the endpoint."""
    models_path: str = ""
    """Path of the model list, where it differs."""
    embeddings_path: str = ""
    """Path of embeddings, where it differs."""
    count_path: str = ""
    """Path that counts input tokens; empty where the server does not count them."""
    embeddings_format: str = ""
    """``encoding_format`` of embeddings (``base64``); empty leaves the field out."""
    keep: tuple[str, ...] = ()
    """Fields of its replies to keep in ``extra``; ``usage.cost`` is kept as ``cost``."""
    cost: str = ""
    """Where a reply says its cost in USD (``usage.cost``): that wins over any price."""
    apart: bool = False
    """Whether ``reasoning_tokens`` come on top of the output tokens instead of within them."""
    think_tags: bool = False
    """Whether thoughts stand at the beginning of the text, between ``<think>`` and ``</think>``."""
    reasoning_details: bool = False
    """Whether thoughts come with a field of that name, which goes back as it came."""
    daily_requests: bool = False
    """Whether its rate-limit headers count requests per day."""
    logprobs: Literal["", "flag", "number"] = ""
    """How the probabilities of tokens are asked for: ``logprobs`` is true, or a number of
    alternatives. Empty: they are not given."""
    embed_method: str = ""
    """Method that embeds texts, where it differs from the dialect's."""
    flat_count: bool = False
    """A token count takes the fields of a request as they are, not wrapped into one."""


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """What each account has its own of, such as a region: fills ``{name}`` in a row's addresses."""

    env: tuple[str, ...] = ()
    """Environment variables that may hold it, first one wins."""
    default: str = ""
    needed: bool = True
    """Whether the provider cannot be asked without it; what ``base_url`` holds is always needed."""
    secret: bool = False
    """Read from the environment only, and never shown."""
    addresses: Mapping[str, str] = {}
    """The ``base_url`` for values that do not follow the rule."""


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """The dialect of some of a provider's models, where it is not that of all the others."""

    models: str
    """Regular expression that their names begin with."""
    dialect: str
    quirks: Quirks = Quirks()
    lacks: frozenset[Ability] = frozenset()


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One row: who answers, on which wire, where, with which key."""

    name: str
    dialect: str
    base_url: str
    display_name: str = ""
    key_env: tuple[str, ...] = ()
    """Environment variables that may hold the key, first one wins."""
    key: Secret | None = None
    key_file: str = ""
    """A file that holds the key."""
    key_cmd: str = ""
    """A command that prints the key."""
    auth: Auth = "bearer"
    headers: Mapping[str, Secret] = {}
    """Sent with every request."""
    variables: Mapping[str, Variable] = {}
    """Names that ``base_url`` and the paths of ``quirks`` hold in braces, and those of the files
    and words that its credentials are made from."""
    values: Mapping[str, str] = {}
    """What the variables are here; secret ones are in ``secrets``."""
    secrets: Mapping[str, Secret] = {}
    default_model: str = ""
    like: str = ""
    """The provider that it is another key, account or region of; its models and prices hold."""
    aliases: tuple[str, ...] = ()
    lacks: frozenset[Ability] = frozenset()
    """Abilities that no model has here, whatever the catalogue says of it elsewhere."""
    capability_words: tuple[str, ...] = ()
    """The classic words for what it is good at (``long-context``, ``fast-inference``)."""
    local: bool = False
    """Runs on this machine: needs no key, costs nothing."""
    quirks: Quirks = Quirks()
    wires: tuple[Wire, ...] = ()
    """Models that are asked in another way."""
    batch: BatchWire | None = None
    """How it takes batches; ``None`` when it does not."""
    home: "Provider | None" = None
    """The row itself, in what `serving` made of it."""

    @property
    def label(self) -> str:
        """The name for people."""
        return self.display_name or self.name

    def serving(self, model: str) -> "Provider":
        """The row as that model is asked: with the dialect and the quirks of its wire."""
        row = self.home or self
        for wire in row.wires:
            if re.match(wire.models, model):
                return msgspec.structs.replace(
                    row,
                    dialect=wire.dialect,
                    quirks=wire.quirks,
                    lacks=row.lacks | wire.lacks,
                    home=row,
                )
        return row


class Candidate(msgspec.Struct, frozen=True):
    """A provider and one of its models: one thing that could answer."""

    provider: Provider
    model: Model
    notice: str = ""
    """What the user should know when it answers (it stands in for a retired model)."""

    def __post_init__(self) -> None:
        if self.provider.wires:
            msgspec.structs.force_setattr(self, "provider", self.provider.serving(self.model.id))

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider.name}/{self.model.id}"

    def can(self, ability: Ability) -> bool:
        """Whether neither the provider nor the model is known to lack the ability."""
        return ability not in self.provider.lacks and self.model.can(ability)
