"""``llmo feedback``: how right an answer was."""

from enum import StrEnum
from typing import Annotated

import typer

from llm_orchestrator.cli import options, output


class Said(StrEnum):
    """A verdict."""

    good = "good"
    bad = "bad"


CallId = Annotated[
    str,
    typer.Argument(
        metavar="CALL_ID", help="The id that --json and -v print; `last` is the last answer's."
    ),
]
Verdict = Annotated[Said, typer.Argument(metavar="good|bad", help="How the answer was.")]
Note = Annotated[
    str | None,
    typer.Option("--note", metavar="TEXT", help="Why; kept beside it.", show_default=False),
]


def feedback(
    call_id: CallId,
    verdict: Verdict,
    note: Note = None,
    config: options.ConfigFile = None,
    as_json: options.AsJSON = False,
    _debug: options.Debug = False,
) -> None:
    """Say how the answer of a call was; models are learned anew when enough was said."""
    from llm_orchestrator.config.paths import store_url
    from llm_orchestrator.engine import learning, verdicts
    from llm_orchestrator.store.feedback import Feedback

    store = Feedback(store_url(options.configuration(config)))
    kept = store.give(call_id, verdicts.read(verdict.value), note)
    taught = learning.fit(store, only=kept.model, anew=False) if kept.teaches else []
    if as_json:
        output.json(kept)
        return
    output.line(f"{kept.call_id}: {kept.model} was {verdict.value}.")
    for one in taught:
        output.note(f"Learned anew from {one.labels:,} verdicts on {one.model}.")
    if not kept.teaches:
        output.note("Nothing is learned from it: routing.learn was off when the call was made.")
