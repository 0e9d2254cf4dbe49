"""What a user says of an answer."""

import asyncio
from math import isnan
from typing import Any

from llm_orchestrator.config.paths import store_url
from llm_orchestrator.engine.parts import clean
from llm_orchestrator.engine.runtime import Runtime
from llm_orchestrator.errors import ConfigError, InvalidRequestError
from llm_orchestrator.types.verdict import Said, Verdict

_WORDS = {"good": 1.0, "bad": 0.0}


def read(said: Any) -> float:
    """The verdict as a number from 0 to 1; raises `InvalidRequestError` for what is none."""
    if isinstance(said, str) and said in _WORDS:
        return _WORDS[said]
    if isinstance(said, bool | int | float) and not isnan(said) and 0 <= said <= 1:
        return float(said)
    raise InvalidRequestError(
        f"verdict: expected good, bad, true, false or a number from 0 to 1, got {said!r}"
    )


async def give(runtime: Runtime, call_id: str, said: Said, note: str | None) -> Verdict:
    """Keep a verdict, and learn from all of them when enough new ones have come."""
    value = read(said)
    clean(call_id, "call_id")
    if note is not None:
        clean(note, "note")
    if runtime.ledger is None:
        raise ConfigError("feedback needs the ledger, which cost_tracking.enabled: false turns off")
    await runtime.ledger.flush()  # the call may have just ended
    return await asyncio.to_thread(_give, runtime, call_id, value, note)


def _give(runtime: Runtime, call_id: str, value: float, note: str | None) -> Verdict:
    from llm_orchestrator.engine import learning  # only who gives feedback pays for these
    from llm_orchestrator.store.feedback import Feedback

    store = Feedback(store_url(runtime.config))
    verdict = store.give(call_id, value, note)
    taught = learning.fit(store, only=verdict.model, anew=False) if verdict.teaches else ()
    if taught and runtime.skills is not None:
        runtime.skills.again()
    return verdict
