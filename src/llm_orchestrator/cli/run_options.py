"""The options of ``llmo run``."""

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def _usd(text: str) -> Decimal:
    try:
        amount = Decimal(text.lstrip("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise typer.BadParameter(f"{text!r} is not an amount in USD above 0, like 0.01")
    return amount


class CacheWord(StrEnum):
    """Whether an answer may be one that is kept."""

    on = "on"
    off = "off"
    refresh = "refresh"

    @property
    def option(self) -> bool | str:
        """As the verbs take it."""
        return self.value if self is CacheWord.refresh else self is CacheWord.on


_ASKING, _ANSWER, _INSTEAD = "Who is asked", "What is printed", "Instead of asking"

Words = Annotated[
    str | None,
    typer.Argument(metavar="PROMPT", help="The prompt, as with -p.", show_default=False),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        "-p",
        "--prompt",
        metavar="TEXT",
        show_default=False,
        help="The prompt; `-`, or nothing at all, reads standard input.",
    ),
]
System = Annotated[
    str | None,
    typer.Option("--system", metavar="TEXT", help="A system prompt.", show_default=False),
]
Image = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="FILE",
        show_default=False,
        help="An image to look at, a file or an https address; may be given again.",
    ),
]
Schema = Annotated[
    Path | None,
    typer.Option(
        "--schema",
        metavar="FILE",
        show_default=False,
        help="JSON schema that the answer must satisfy.",
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", metavar="N", help="How free, from 0.", show_default=False),
]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", metavar="N", help="Longest answer in tokens.", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME",
        show_default=False,
        help="Ask this model first.",
        rich_help_panel=_ASKING,
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(
        "--provider",
        metavar="NAME",
        show_default=False,
        help="Ask this provider and no other.",
        rich_help_panel=_ASKING,
    ),
]
Chain = Annotated[
    str | None,
    typer.Option(
        "--chain",
        metavar="A,B,C",
        show_default=False,
        help="Models to ask in order, or a named chain: mixed, anthropic, openai, fast.",
        rich_help_panel=_ASKING,
    ),
]
MaxCost = Annotated[
    Decimal | None,
    typer.Option(
        "-c",
        "--max-cost",
        metavar="USD",
        parser=_usd,
        show_default=False,
        help="Refuse before sending when the call could cost more.",
        rich_help_panel=_ASKING,
    ),
]
HowSought = Annotated[
    str | None,
    typer.Option(
        "-s",
        "--strategy",
        metavar="NAME",
        show_default=False,
        help="How an answer is sought: cheapest, fastest, fallback (ask better models until an "
        "answer convinces), scored (by what was learned), ensemble, vote, judge, classic, "
        "specified, capability, weighted. Left out: fallback over the chain mixed where several "
        "providers have a key and no model is configured, else the active model.",
        rich_help_panel=_ASKING,
    ),
]
EnsembleSize = Annotated[
    int | None,
    typer.Option(
        "-e",
        "--ensemble-size",
        metavar="N",
        show_default=False,
        help="Models of an ensemble; 3 where as many can take the prompt.",
        rich_help_panel=_ASKING,
    ),
]
Capability = Annotated[
    list[str] | None,
    typer.Option(
        "--capability",
        metavar="WORD",
        show_default=False,
        help="What the model must be able to do, such as vision; may be given again.",
        rich_help_panel=_ASKING,
    ),
]
Confidence = Annotated[
    str | None,
    typer.Option(
        "--confidence",
        metavar="NAME",
        show_default=False,
        help="How fallback knows a good answer: agreement, self_consistency, logprobs, judge, "
        "learned, phrases.",
        rich_help_panel=_ASKING,
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        metavar="0..1",
        show_default=False,
        help="How sure fallback wants to be; 0.6 when left out.",
        rich_help_panel=_ASKING,
    ),
]
Cache = Annotated[
    CacheWord | None,
    typer.Option(
        "--cache",
        metavar="on|off|refresh",
        show_default=False,
        help="Give an answer that is kept, and keep a new one; refresh asks anew. Left out, the "
        "configuration says it.",
        rich_help_panel=_ASKING,
    ),
]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream", metavar="", help="Print the answer as it comes.", rich_help_panel=_ANSWER
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v", "--verbose", metavar="", help="Also tell every attempt.", rich_help_panel=_ANSWER
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "-q", "--quiet", metavar="", help="Only the answer and errors.", rich_help_panel=_ANSWER
    ),
]
Save = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        show_default=False,
        help="Also save the result as JSON.",
        rich_help_panel=_ANSWER,
    ),
]
AsJSON = Annotated[
    bool,
    typer.Option("--json", metavar="", help="Print the result as JSON.", rich_help_panel=_ANSWER),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        metavar="",
        help="Show who would be asked, and send nothing.",
        rich_help_panel=_INSTEAD,
    ),
]
ListModels = Annotated[
    bool,
    typer.Option("--list-models", metavar="", help="List the models.", rich_help_panel=_INSTEAD),
]
Test = Annotated[
    bool,
    typer.Option("--test", metavar="", help="Run the self-tests.", rich_help_panel=_INSTEAD),
]
