"""Who is asked for what waits, in which lane."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_orchestrator.bulk import spec
from llm_orchestrator.bulk.making import Order
from llm_orchestrator.bulk.task import Task
from llm_orchestrator.dialects import batch
from llm_orchestrator.errors import InvalidRequestError
from llm_orchestrator.store.bulk_rows import RunRow
from llm_orchestrator.types.provider import Candidate

if TYPE_CHECKING:
    from llm_orchestrator.bulk.runner import Runner


class Sharing:
    """Shares what waits out, in orders for `Making`."""

    def __init__(self, runner: "Runner") -> None:
        self._runner = runner

    async def orders(self, run: RunRow, waiting: Mapping[str, int], round: int) -> list[Order]:
        """Who gets how many of each task, in order of the items."""
        tasks = self._runner.tasks(run)
        cap, left = run.cap_pico, None
        if cap is not None:
            store = self._runner.store
            left = max(0, cap - await store.do(store.units.committed, run.run_id))
        made = []
        for name in waiting:
            target, lane = self._target(run, tasks[name], round)
            made.append(
                Order(
                    task=tasks[name],
                    target=target,
                    lane=lane,
                    round=round,
                    most_items=self._runner.runtime.config.bulk.unit_items,
                    most_pico=left,
                )
            )
        return made

    def _target(self, run: RunRow, task: Task, round: int) -> tuple[Candidate, str]:
        order = spec.decode(run.spec)
        names = order.models or task.models
        if not names:
            raise InvalidRequestError(
                f"the task {task.name} names no model: give --models, or model in the task"
            )
        last = round > 0 and round >= order.retries and order.elsewhere
        name = names[min(1, len(names) - 1)] if last else names[0]
        target = self._runner.runtime.candidates.one(name)
        refused = batch.refusal(target, embeds=task.kind == "embedding")
        return target, "online" if refused or order.lane == "online" else "batch"
