"""What a reply looks like: as JSON, as one line of figures, as a table of attempts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_orchestrator import classic
from llm_orchestrator.cli import faults, output
from llm_orchestrator.types.reply import AttemptInfo, Reply
from llm_orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from llm_orchestrator.engine.planning import Plan


def facts(reply: Reply) -> dict[str, Any]:
    """The reply as it is printed by ``--json`` and saved by ``--output``."""
    shown: dict[str, Any] = {
        **classic.result(reply).to_dict(),
        "content": reply.content,
        "provider": reply.provider,
        "model": reply.model,
        "cost_usd": reply.cost,
        "cached": reply.cached,
        "saved_usd": reply.saved,
        "usage": _usage(reply.usage),
        "finish_reason": reply.finish_reason,
        "latency_s": round(reply.latency_s, 6),
        "id": reply.id,
        "request_id": reply.request_id,
        "attempts": [_attempt(attempt) for attempt in reply.attempts],
        "notices": list(reply.notices),
    }
    if reply.parsed is not None:
        shown["parsed"] = reply.parsed
    if reply.tool_calls:
        shown["tool_calls"] = list(reply.tool_calls)
    return shown


def save(reply: Reply, path: Path) -> None:
    """Writes the reply as JSON. What was paid for is printed if the disk does not take it."""
    text = output.json_text(facts(reply))
    path = path.expanduser()
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        output.remove(path)
        output.fail(f"cannot save to {path}: {error.strerror}", "The result follows here instead.")
        output.write(text)
        raise typer.Exit(faults.PARTIAL) from None


def tell(reply: Reply, *, verbose: bool) -> None:
    """One line of figures on stderr, and what the user should know."""
    if verbose:
        tell_attempts(reply.attempts)
    for notice in reply.notices:
        output.warn(notice)
    if reply.finish_reason == "length":
        output.warn("the answer was cut at its longest allowed length")
    usage = reply.usage
    parts = [
        f"{reply.provider}/{reply.model}",
        f"{usage.input_tokens:,} in, {usage.output_tokens:,} out",
        output.usd(reply.cost, unknown="cost unknown"),
        output.seconds(reply.latency_s),
    ]
    if reply.cached:
        parts.append(f"from the cache, {output.usd(reply.saved)} saved")
    if len(reply.attempts) > 1:
        parts.append(f"{len(reply.attempts)} attempts")
    if reply.confidence is not None:
        parts.append(f"confidence {reply.confidence:.2f}")
    output.note(" · ".join(parts))


def tell_attempts(attempts: Sequence[AttemptInfo]) -> None:
    """A line for each attempt on stderr."""
    for number, attempt in enumerate(attempts, 1):
        outcome = attempt.status if attempt.error is None else attempt.error
        cost = output.usd(attempt.cost, unknown="cost unknown")
        code = f" ({attempt.status_code})" if attempt.status_code else ""
        output.note(
            f"attempt {number}: {attempt.provider}/{attempt.model}: {outcome}{code}, "
            f"{output.seconds(attempt.latency_s)}, {cost}"
        )


def show_plan(plan: "Plan") -> None:
    """A table of who would be asked, in this order."""
    estimates = [candidate.estimate for candidate in plan.candidates]
    places = output.places(
        amount for one in estimates for amount in (one.cost_expected, one.cost_high)
    )
    rows = [
        (
            f"{'+' if candidate.spare else number}  {candidate.provider}/{candidate.model}",
            f"{candidate.estimate.input_tokens:,}",
            output.usd(candidate.estimate.cost_expected, places=places),
            output.usd(candidate.estimate.cost_high, places=places),
            "; ".join((*(["paused after failures"] if candidate.open else []), *candidate.notices)),
        )
        for number, candidate in enumerate(plan.candidates, 1)
    ]
    columns = ("   candidate", "input tokens", "likely cost", "at most", "")
    output.show(output.table(columns, rows, right=columns[1:4]))
    for skipped in plan.skipped:
        output.note(f"left out: {skipped.name}: {skipped.why}")
    if plan.reason:
        output.line(f"\n{plan.strategy}: {plan.reason}.")
    if any(candidate.spare for candidate in plan.candidates):
        output.line("+ is asked for a second opinion only, or to judge.")
    most = output.usd(plan.most_cost, unknown="an unknown amount")
    requests = output.count(plan.most_requests, "request")
    output.line(f"\nWith all retries: at most {requests}, {most}. Nothing was sent.")


def plan_facts(plan: "Plan") -> dict[str, Any]:
    """The plan as it is printed by ``--json``."""
    return {
        "candidates": [
            {
                "provider": candidate.provider,
                "model": candidate.model,
                "known": candidate.known,
                "spare": candidate.spare,
                "paused": candidate.open,
                "input_tokens": candidate.estimate.input_tokens,
                "output_tokens": candidate.estimate.output_expected,
                "likely_cost_usd": candidate.estimate.cost_expected,
                "low_cost_usd": candidate.estimate.cost_low,
                "most_cost_usd": candidate.estimate.cost_high,
                "first_token_s": candidate.first_token_s,
                "tokens_per_s": candidate.tokens_per_s,
                "notices": candidate.notices,
            }
            for candidate in plan.candidates
        ],
        "strategy": plan.strategy,
        "reason": plan.reason,
        "skipped": [{"name": one.name, "why": one.why} for one in plan.skipped],
        "most_requests": plan.most_requests,
        "most_cost_usd": plan.most_cost,
    }


def _attempt(attempt: AttemptInfo) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "provider": attempt.provider,
        "model": attempt.model,
        "status": attempt.status,
        "error": attempt.error,
        "status_code": attempt.status_code,
        "cost_usd": attempt.cost,
        "latency_s": round(attempt.latency_s, 6),
        "usage": None if attempt.usage is None else _usage(attempt.usage),
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {name: getattr(usage, name) for name in usage.__struct_fields__}
