"""A streamed answer that survives what happens to its streams.

Before the user has seen anything, a broken stream is just another failed attempt. After that it
is continued where the next candidate can (the text so far becomes the beginning of its turn),
restarted with an event that says so, or ended with an error that carries the text: never passed
off as complete.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from llm_orchestrator.engine.alternatives import advise
from llm_orchestrator.engine.answer import parse_answer
from llm_orchestrator.engine.assembly import Assembly
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import ContentFilterError, InvalidRequestError, OrchestratorError
from llm_orchestrator.pipeline.attempt import Call
from llm_orchestrator.pipeline.rescue import Rescue, Step, unless_over
from llm_orchestrator.providers import credentials
from llm_orchestrator.types.events import (
    ContinueEvent,
    EndEvent,
    RestartEvent,
    StartEvent,
    StreamEvent,
    TextDelta,
)
from llm_orchestrator.types.provider import Candidate
from llm_orchestrator.types.request import Message, Request

OnBreak: TypeAlias = Literal["continue", "restart", "fail"]


def read_on_break(word: str) -> OnBreak:
    """What to do when a stream breaks; raises `InvalidRequestError` for any other word."""
    for known in get_args(OnBreak):
        if word == known:
            return cast("OnBreak", known)
    raise InvalidRequestError(
        f"on_break: expected {', '.join(get_args(OnBreak)[:-1])} or {get_args(OnBreak)[-1]}, "
        f"got {word!r}"
    )


async def stream(
    runtime: Runtime,
    call: Call,
    rescue: Rescue,
    parse: Callable[[str], Any] | None,
    on_break: OnBreak,
) -> AsyncGenerator[Sequence[StreamEvent], None]:
    """The events of the answer, in batches; the last one is an `EndEvent` with the reply."""
    answer = Assembly()
    request, joint = call.request, ""
    call.begin()
    runtime.under_way.add(call)
    try:
        while True:
            target = rescue.current
            limits = runtime.limits(request, target, elsewhere=rescue.elsewhere)
            try:
                if not target.provider.base_url:
                    target = await runtime.ready(target)
                pieces = runtime.sender.stream(call, request, target, limits)
                async with aclosing(pieces):
                    async for batch in pieces:
                        shown = _joined(batch, joint) if joint else batch
                        if joint and any(isinstance(event, TextDelta) for event in batch):
                            joint = ""
                        for event in shown:
                            answer.add(event)
                        call.shown = True
                        yield shown
                        call.shown = False
                response = answer.response()
                parsed = parse_answer(response, parse) if parse else None
            except OrchestratorError as error:
                if runtime.closed:
                    raise _with_answer_so_far(runtime.cut_short(), answer, target) from None
                continued = request is not call.request
                broke_off = bool(call.attempts) and call.attempts[-1].first_token is not None
                step = unless_over(
                    _after(
                        rescue, error, answer, on_break, continued=continued, broke_off=broke_off
                    )
                )
                await runtime.rest(step.delay)
                request, joint, told = _again(
                    call, answer, step, error, on_break, continued=continued
                )
                if told is not None:
                    yield (told,)
            else:
                call.notices += answer.notices
                yield (EndEvent(runtime.reply(call, response, parsed)),)
                return
    except BaseException as error:
        if not call.done:  # what the user does with the last event is no failure
            advise(runtime, error, call.request)
            runtime.failed(call, error)
        raise
    finally:
        rescue.end()


def _after(
    rescue: Rescue,
    error: OrchestratorError,
    answer: Assembly,
    on_break: OnBreak,
    *,
    continued: bool,
    broke_off: bool,
) -> Step:
    """The next step after an error: another request, or the end with an error."""
    if answer.begun:
        _with_answer_so_far(error, answer, rescue.current)
        if on_break == "fail":
            return Step("stop", rescue.current, error=error)
    if continued and isinstance(error, InvalidRequestError):
        # The target does not take the beginning of its own turn: it is asked afresh.
        step = rescue.afresh()
    else:
        step = rescue.after(error, broke_off=broke_off)
    if step.error is not None:
        _with_answer_so_far(step.error, answer, rescue.current)
    return step


def _with_answer_so_far(
    error: OrchestratorError, answer: Assembly, target: Candidate
) -> OrchestratorError:
    """The error with the text so far; for a refusal, that text is the model's reason."""
    error.text = credentials.blanked(answer.text, target.provider)
    if isinstance(error, ContentFilterError) and error.text and not error.reason:
        error.reason = error.text
        error.message += f": {error.text[:200]}"
        error.args = (error.message,)
    return error


def _again(
    call: Call,
    answer: Assembly,
    step: Step,
    error: OrchestratorError,
    on_break: OnBreak,
    *,
    continued: bool,
) -> tuple[Request, str, StreamEvent | None]:
    """The next request, the text that it goes on from, and what the user is told."""
    if not answer.begun:
        return call.request, "", None
    target, why = step.candidate, f"{type(error).__name__}: {error.message}"
    name, model = target.provider.name, target.model.id
    refused = continued and isinstance(error, InvalidRequestError)
    if on_break == "continue" and answer.continuable and not refused and _continues(call, target):
        text = answer.text
        turn = Message("assistant", text.rstrip())
        request = msgspec.structs.replace(call.request, messages=(*call.request.messages, turn))
        call.notices.append(f"the answer broke off and was continued by {target.name}")
        return request, text, ContinueEvent(why, name, model)
    answer.restart()
    call.notices.append(f"the answer broke off and was begun again by {target.name}")
    return call.request, "", RestartEvent(why, name, model)


def _continues(call: Call, target: Candidate) -> bool:
    """Whether the target is known to go on from the beginning of its own turn."""
    abilities = target.model.abilities
    return abilities is not None and target.can("prefill") and call.request.schema is None


def _joined(batch: Sequence[StreamEvent], before: str) -> Sequence[StreamEvent]:
    """The batch without the space that the text before it already ends with."""
    out = [event for event in batch if not isinstance(event, StartEvent)]
    for place, event in enumerate(out):
        if isinstance(event, TextDelta):
            if before != before.rstrip():
                out[place] = TextDelta(event.text.lstrip())
            break
    return out
