"""Sends the prompt of ``llmo run`` and prints what comes back."""

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from llm_orchestrator.cli import faults, options, output, replies
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


class _Answer:
    """Where the answer is printed: on standard error once standard output takes no more of it.

    It was paid for, so it is not lost for a full disk.
    """

    def __init__(self) -> None:
        self.fault: OSError | None = None
        self._written: list[str] = []

    def write(self, text: str) -> None:
        """Print a piece at once."""
        if self.fault is not None:
            sys.stderr.write(text)
            return
        self._written.append(text)
        try:
            output.write(text)
            output.flush()
        except OSError as error:
            self.fault = error
            faults.mute_stdout()
            output.fail(f"cannot write the answer: {error.strerror}", "It follows here instead.")
            sys.stderr.write("".join(self._written))


def ask(given: Ask) -> None:
    """Prints the answer on stdout, and what it took on stderr; raises what went wrong."""
    if given.save is not None:
        _check_place(given.save)
    answer = _Answer()
    with options.orchestrator(given.settings) as orchestrator:
        arguments = given.arguments()
        if given.verbose:
            output.note(f"configuration: {given.settings.source}")
        try:
            if given.stream:
                reply = _stream(given, orchestrator, arguments, answer)
            else:
                reply = orchestrator.send_request(given.messages, **arguments)
        except OrchestratorError as error:
            if given.verbose:
                replies.tell_attempts(error.attempts)
            raise
    if given.as_json:
        answer.write(output.json_text(replies.facts(reply)))
    elif not given.stream:
        answer.write(f"{reply.content}\n")
    if not given.quiet:
        replies.tell(reply, verbose=given.verbose)
    if given.save is not None:
        replies.save(reply, given.save)
    if answer.fault is not None:
        raise typer.Exit(faults.PARTIAL)


def _stream(
    given: Ask, orchestrator: "LLMOrchestrator", arguments: dict[str, Any], answer: _Answer
) -> Reply:
    """Prints the answer as it comes (not with ``--json``) and gives back the whole reply."""
    reply: Reply | None = None
    ended = True  # whether the last text printed ended its line
    try:
        for event in orchestrator.send_streaming_request(given.messages, **arguments):
            if isinstance(event, EndEvent):
                reply = event.reply
            elif isinstance(event, RestartEvent):
                if not ended:
                    answer.write("\n")
                    ended = True
                who = f"{event.provider}/{event.model}"
                output.note(f"({event.reason}: the answer starts again with {who})")
            elif (text := str(event)) and not given.as_json:
                answer.write(text)
                ended = text.endswith("\n")
    finally:
        if not ended:
            answer.write("\n")
    if reply is None:
        raise OrchestratorError("the stream ended without its last event")
    return reply


def _check_place(path: Path) -> None:
    """Raises before anything is paid for when the result could not be saved."""
    folder = path.expanduser().absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"cannot save to {path}: there is no folder {folder}")
    if path.is_dir():
        raise ConfigError(f"cannot save to {path}: it is a folder")
