"""What is said of each provider's batches, made from the rows in providers/batches.py."""

from llm_orchestrator.providers.table import TABLE
from llm_orchestrator.types.batch import BatchLimits, BatchWire
from llm_orchestrator.types.provider import Provider

_TAGS = {
    "metadata": "a tag in its metadata",
    "display_name": "its display name",
    "name": "its name",
    "client_token": "a client token: creating it again makes no second one",
    "idempotency_key": "an idempotency key: creating it again makes no second one",
    "file": "the id of its input file",
    "none": "its time, size and rows: there is no place for a tag",
}
_ROWS = {
    "openai": "chat completions",
    "responses": "responses",
    "anthropic": "messages",
    "gemini": "generateContent",
    "bedrock": "Converse",
    "cohere": "chat",
    "embeddings": "embeddings",
}
_HEAD = (
    "| provider | rows ask for | at most | takes up to | cheaper by | recognised by |\n"
    "|---|---|---|---|---|---|"
)


def table() -> str:
    """One line for each provider that takes batches."""
    lines = [_HEAD]
    for row in TABLE.values():
        if (wire := row.batch) is not None:
            cells = (
                f"[{row.name}](../providers/{row.name}.md)",
                _asked(wire),
                _most(wire.limits),
                _hours(wire),
                _discount(wire),
                _TAGS[wire.tag].partition(":")[0],
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def section(provider: Provider) -> str:
    """The part of a provider's page about batches."""
    wire = provider.batch
    if wire is None:
        return ""
    facts = {
        "rows ask for": _asked(wire),
        "at most": _most(wire.limits),
        "takes up to": _hours(wire),
        "cheaper by": _discount(wire),
        "recognised by": _TAGS[wire.tag],
    }
    lines = ["## Batches\n", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    if wire.note:
        lines += ["", wire.note]
    return "\n".join(lines)


def _asked(wire: BatchWire) -> str:
    return ", ".join(_ROWS[word] for word in wire.endpoints)


def _most(limits: BatchLimits) -> str:
    told = []
    if limits.requests is not None:
        told.append(f"{limits.requests:,} requests")
    if limits.size is not None:
        told.append(f"{limits.size // 1_000_000:,} MB")
    if limits.texts is not None:
        told.append(f"{limits.texts:,} texts")
    if limits.least > 1:
        told.append(f"at least {limits.least}")
    return ", ".join(told) or "not told"


def _hours(wire: BatchWire) -> str:
    least, most = wire.windows[0], wire.windows[-1]
    return f"{least} h" if least == most else f"{least} to {most} h"


def _discount(wire: BatchWire) -> str:
    return "not told" if wire.discount is None else f"{wire.discount} %"
