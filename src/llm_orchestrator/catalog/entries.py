"""The data file: its shape, and how a line of it becomes a `Model`.

Everything is decoded when it is first asked for: the file into providers, a provider into lines,
a line into a model.
"""

import msgspec

from llm_orchestrator.types.model import Model, Price, Rates

FORMAT = 1
"""The format of the data file that this version reads."""


class Discount(msgspec.Struct, frozen=True):
    """What a provider takes off in its batch lane, where a model has no batch price of its own."""

    percent: int
    keep: frozenset[str] = frozenset()
    """Rates that are not discounted."""
    models: dict[str, int] = {}
    """Percent of models that differ."""


class Line(msgspec.Struct, frozen=True):
    """One model of the file."""

    prices: tuple[Price, ...] = ()
    abilities: frozenset[str] | None = None
    context: int | None = None
    max_output: int | None = None
    mode: str = "chat"
    aliases: tuple[str, ...] = ()
    family: str | None = None
    released: str | None = None
    deprecated: str | None = None
    retired: str | None = None
    successor: str | None = None
    dimensions: int | None = None


class Names(msgspec.Struct, frozen=True):
    """The part of a line that an index needs."""

    aliases: tuple[str, ...] = ()


class ProviderPart(msgspec.Struct, frozen=True):
    """The lines of one provider."""

    models: dict[str, msgspec.Raw]
    batch_discount: Discount | None = None


class File(msgspec.Struct, frozen=True):
    """The whole file."""

    format: int
    version: str
    providers: dict[str, msgspec.Raw]
    aliases: dict[str, str]


_decode_file = msgspec.json.Decoder(File).decode
_decode_provider = msgspec.json.Decoder(ProviderPart).decode
_decode_line = msgspec.json.Decoder(Line).decode


class _Lines(msgspec.Struct, frozen=True):
    models: dict[str, Names]


_decode_aliases = msgspec.json.Decoder(_Lines).decode


def file(data: bytes) -> File:
    """The file from its bytes; raises `msgspec.MsgspecError` or `ValueError`."""
    found = _decode_file(data)
    if found.format != FORMAT:
        raise ValueError(f"format {found.format}, this version reads format {FORMAT}")
    return found


def provider(raw: msgspec.Raw) -> ProviderPart:
    """The lines of a provider, still undecoded."""
    return _decode_provider(raw)


def aliases(raw: msgspec.Raw) -> dict[str, str]:
    """The provider's own other names of its models: name -> id."""
    lines = _decode_aliases(raw).models
    return {alias: model_id for model_id, line in lines.items() for alias in line.aliases}


def model(name: str, model_id: str, raw: msgspec.Raw, discount: Discount | None) -> Model:
    """A model of the provider called ``name``, with batch rates by its general discount."""
    line = _decode_line(raw)
    prices = line.prices
    if discount is not None:
        percent = discount.models.get(model_id, discount.percent)
        prices = tuple(_with_batch(price, percent, discount.keep) for price in prices)
    return Model(
        provider=name,
        id=model_id,
        prices=prices,
        abilities=line.abilities,
        context=line.context,
        max_output=line.max_output,
        mode=line.mode,
        aliases=line.aliases,
        family=line.family,
        released=line.released,
        deprecated=line.deprecated,
        retired=line.retired,
        successor=line.successor,
        dimensions=line.dimensions,
    )


def _with_batch(price: Price, percent: int, keep: frozenset[str]) -> Price:
    if price.batch is not None:
        return price
    above = tuple(
        msgspec.structs.replace(step, batch=_discounted(step, percent, keep))
        for step in price.above
    )
    batch = _discounted(price, percent, keep)
    return msgspec.structs.replace(price, above=above, batch=batch, batch_estimated=True)


def _discounted(rates: Rates, percent: int, keep: frozenset[str]) -> Rates:
    def off(name: str) -> int | None:
        rate: int | None = getattr(rates, name)
        if rate is None or name in keep:
            return None  # the standard rate holds
        # Rounded up: an estimate must not be too low.
        return -(-rate * (100 - percent) // 100)

    return Rates(
        input=off("input"),
        output=off("output"),
        cache_read=off("cache_read"),
        cache_write=off("cache_write"),
        cache_write_1h=off("cache_write_1h"),
    )
