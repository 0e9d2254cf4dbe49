"""Sends the prompt of ``llmo run`` and prints what comes back."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from llm_orchestrator.cli import options, output, replies
from llm_orchestrator.config import Config
from llm_orchestrator.errors import ConfigError, OrchestratorError
from llm_orchestrator.types.events import EndEvent, RestartEvent
from llm_orchestrator.types.reply import Reply

if TYPE_CHECKING:
    from llm_orchestrator import LLMOrchestrator


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt and what was said about it on the command line."""

    messages: list[dict[str, Any]]
    settings: Config
    provider: str | None
    model: str | None
    chain: str | None
    max_cost: Decimal | None
    options: Mapping[str, Any]
    stream: bool
    as_json: bool
    save: Path | None
    verbose: bool
    quiet: bool

    def arguments(self) -> dict[str, Any]:
        """What the orchestrator's verbs take: who is asked and how, and what it may cost."""
        asked = {"provider": self.provider, "model": self.model, "chain": self.chain}
        given = {**asked, "max_cost": self.max_cost, **self.options}
        if not self.stream:
            given.setdefault("strategy", "auto")  # which may weigh answers, so nothing to stream
        return given


def dry_run(given: Ask) -> None:
    """Prints who would be asked, at which price; nothing is sent."""
    with options.orchestrator(given.settings) as orchestrator:
        plan = orchestrator.plan(given.messages, **given.arguments())
    if given.as_json:
        output.json(replies.plan_facts(plan))
    else:
        replies.show_plan(plan)


def ask(given: Ask) -> None:
    """Prints the answer on stdout, and what it took on stderr; raises what went wrong."""
    if given.save is not None:
        _check_place(given.save)
    with options.orchestrator(given.settings) as orchestrator:
        arguments = given.arguments()
        if given.verbose:
            output.note(f"configuration: {given.settings.source}")
        try:
            if given.stream:
                reply = _stream(given, orchestrator, arguments)
            else:
                reply = orchestrator.send_request(given.messages, **arguments)
        except OrchestratorError as error:
            if given.verbose:
                replies.tell_attempts(error.attempts)
            raise
    if given.as_json:
        output.json(replies.facts(reply))
    elif not given.stream:
        output.line(reply.content)
    if not given.quiet:
        replies.tell(reply, verbose=given.verbose)
    if given.save is not None:
        replies.save(reply, given.save)


def _stream(given: Ask, orchestrator: "LLMOrchestrator", arguments: dict[str, Any]) -> Reply:
    """Prints the answer as it comes (not with ``--json``) and gives back the whole reply."""
    reply: Reply | None = None
    ended = True  # whether the last text printed ended its line
    try:
        for event in orchestrator.send_streaming_request(given.messages, **arguments):
            if isinstance(event, EndEvent):
                reply = event.reply
            elif isinstance(event, RestartEvent):
                ended = ended or given.as_json or _new_line()
                who = f"{event.provider}/{event.model}"
                output.note(f"({event.reason}: the answer starts again with {who})")
            elif (text := str(event)) and not given.as_json:
                output.write(text)
                output.flush()
                ended = text.endswith("\n")
    finally:
        if not ended:
            _new_line()
    if reply is None:
        raise OrchestratorError("the stream ended without its last event")
    return reply


def _new_line() -> bool:
    output.line()
    output.flush()
    return True


def _check_place(path: Path) -> None:
    """Raises before anything is paid for when the result could not be saved."""
    folder = path.expanduser().absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"cannot save to {path}: there is no folder {folder}")
    if path.is_dir():
        raise ConfigError(f"cannot save to {path}: it is a folder")
