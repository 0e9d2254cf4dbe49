"""The queue: jobs go in one by one, are run together, and get their results back."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llm_orchestrator.bulk import BatchJobType, BatchProcessor, BatchProvider
from llm_orchestrator.bulk.output import summary
from llm_orchestrator.bulk.queue import callbacks
from llm_orchestrator.bulk.queue.placing import Placing
from llm_orchestrator.errors import InvalidRequestError, ModelNotFoundError
from llm_orchestrator.simulator import Simulator
from llm_orchestrator.store.bulk_jobs import JobOutcome
from tests.integration.budgets.receiver import Receiver
from tests.integration.bulk.world import sections

NAMES = ("openai", "anthropic", "gemini")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(seed=5, speed=36_000).run_in_thread() as simulator:
        yield simulator


@pytest.fixture
def config(sim: Simulator, both: str) -> dict[str, Any]:
    return {
        "providers": sections(sim, NAMES),
        "store": {"url": both},
        "bulk": {"create_timeout": 2.0, "list_lag": 0.3, "lease": 2.0},
    }


@pytest.fixture
def batch(sim: Simulator, config: dict[str, Any]) -> Iterator[BatchProcessor]:
    with BatchProcessor(config, clock=sim.url) as processor:
        yield processor


def ask(text: str, model: str = "gpt-4o") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


async def ended(batch: BatchProcessor, batch_id: str) -> dict[str, Any]:
    for _ in range(600):
        status = await batch.check_batch_status(batch_id)
        if status["status"] == "completed":
            return status
        assert status["status"] in {"queued", "in_progress"}, status
        await asyncio.sleep(0.05)
    raise AssertionError(f"it has not ended: {status}")


async def test_who_wants_to_know_of_one_batch_is_called_when_it_has_ended(
    batch: BatchProcessor,
) -> None:
    with Receiver().run() as receiver:
        hook = f"http://127.0.0.1:{receiver.port}/hook"
        await batch.queue_job("creative_scoring", "openai", ask("Score this"))
        (batch_id,) = await batch.process_all_batches()
        callback_id = await batch.on_completion(batch_id, hook)
        await ended(batch, batch_id)
        assert await batch.on_completion(batch_id, hook) == callback_id, "once for each target"
        for _ in range(2):  # as workers do, again and again
            await asyncio.to_thread(callbacks.arm, batch.store, [], batch.micros())
            await asyncio.to_thread(callbacks.deliver, batch.store)
        (told,) = receiver.posts
    assert (told["event"], told["batch_id"], told["status"]) == (
        "batch.ended",
        batch_id,
        "completed",
    )
    assert (told["callback_id"], told["job_count"]) == (callback_id, 1)
    with pytest.raises(InvalidRequestError, match="callback"):
        await batch.on_completion(batch_id, "nonsense")


async def test_a_job_gets_its_result(batch: BatchProcessor, sim: Simulator) -> None:
    job_id = await batch.queue_job(
        job_type=BatchJobType.CREATIVE_SCORING,
        provider=BatchProvider.OPENAI,
        data=ask("Score this creative: ..."),
        priority=5,
    )
    assert (await batch.check_batch_status(job_id))["status"] == "queued"
    assert await batch.retrieve_batch_results(job_id) == []
    batch_id = await batch.process_batch(BatchJobType.CREATIVE_SCORING, BatchProvider.OPENAI)
    assert batch_id is not None
    status = await ended(batch, batch_id)
    assert (status["job_count"], status["completed"], status["failed"]) == (1, 1, 0)
    results = await batch.retrieve_batch_results(batch_id)
    assert [one["job_id"] for one in results] == [job_id]
    assert results[0]["status"] == "completed"
    assert results[0]["result"]
    assert (await batch.check_batch_status(job_id))["status"] == "completed"
    assert await batch.retrieve_batch_results(job_id) == results
    billed = Decimal(sim.batches()["cost_pico"]).scaleb(-12)
    assert status["cost_usd"] == billed > 0
    assert status["savings_usd"] == billed, "half of the price is saved"


async def test_templates_and_vectors_and_models_go_their_ways(batch: BatchProcessor) -> None:
    scored = {"creative_id": "c1", "script": "Buy now!", "niche": "tea"}
    one = await batch.queue_job(BatchJobType.CREATIVE_SCORING, "anthropic", scored)
    two = await batch.queue_job("creative_scoring", "claude", ask("Hello", "claude-haiku-4-5"))
    embed = {"model": "text-embedding-3-large", "input": "some words"}
    vector = await batch.queue_job(BatchJobType.EMBEDDING_GENERATION, BatchProvider.OPENAI, embed)
    bare = await batch.queue_job("embedding_generation", "openai", {"input": "other words"})
    made = await batch.process_all_batches()
    assert len(made) == 2, "one batch for each job type and provider"
    for batch_id in made:
        await ended(batch, batch_id)
    assert len((await batch.retrieve_batch_results(two))[0]["result"]) > 0
    (result,) = await batch.retrieve_batch_results(vector)
    assert all(type(number) is float for number in result["result"])
    assert (await batch.retrieve_batch_results(bare))[0]["model"] == "text-embedding-3-large"
    assert (await batch.check_batch_status(one))["batch_id"] in made
    status = await batch.get_queue_status()
    assert status["total_queued"] == status["active_batches"] == 0
    data = await batch.get_dashboard_data()
    assert data["overview"]["total_jobs_processed"] == 4
    assert data["cost_savings"]["total_savings_usd"] > 0
    assert {one["batch_id"] for one in data["recent_activity"]} == set(made)
    report = await batch.generate_report(days=30)  # of which one passes in 2.4 s
    assert report["summary"]["jobs"] == 4
    assert sorted(report["by_provider"]) == ["claude", "openai"]
    assert sum(one["jobs"] for one in report["by_day"].values()) == 4, "it may have become midnight"
    metrics = await batch.get_metrics("embedding_generation")
    assert (metrics["completed_jobs"], metrics["success_rate"]) == (2, 1.0)
    assert (await batch.get_cost_savings())["proven"] is True
    assert await batch.get_alerts() == []


async def test_what_was_expected_stands_beside_what_came_and_teaches(
    batch: BatchProcessor, sim: Simulator
) -> None:
    async def run(job_type: str = "my_type") -> dict[str, Any]:
        for number in range(12):
            await batch.queue_job(job_type, "openai", ask(f"Tell me of lighthouse {number}."))
        batch_id = await batch.process_batch(job_type, "openai")
        assert batch_id is not None
        await ended(batch, batch_id)
        (told,) = (await summary.report(batch.store, batch_id)).as_dict()["estimate_vs_actual"]
        assert (told["task"], told["model"]) == (job_type, "gpt-4o")
        assert (told["items"], told["actual_items"]) == (12, 12)
        return dict(told)

    first, second, other = await run(), await run(), await run("other_type")
    costs = [one["actual_usd"] for one in (first, second, other)]
    assert sum(costs) == Decimal(sim.batches()["cost_pico"]).scaleb(-12)
    errors = [abs(one["expected_usd"] - one["actual_usd"]) for one in (first, second)]
    assert errors[1] < errors[0] / 5
    assert other["expected_usd"] == first["expected_usd"], "each type learns for itself"


async def test_ten_comes_first_and_one_last(batch: BatchProcessor) -> None:
    low = await batch.queue_job("creative_scoring", "openai", ask("low"), priority=1)
    normal = await batch.queue_job("creative_scoring", "openai", ask("normal"))
    later = await batch.queue_job("creative_scoring", "openai", ask("later"), priority="normal")
    high = await batch.queue_job("creative_scoring", "openai", ask("high"), priority=10)
    placing = Placing(batch.background.runtime, batch.store)
    order = []
    while made := await asyncio.to_thread(
        placing.one, "creative_scoring", "openai", at=batch.micros(), most=1
    ):
        jobs = batch.store.wait(batch.store.jobs.of_run, made[0])
        order += [job.job_id for job in jobs]
    assert order == [high, normal, later, low]


async def test_the_most_urgent_type_goes_first_and_jobs_within(batch: BatchProcessor) -> None:
    await batch.queue_job("creative_scoring", "openai", ask("a"), priority=1)
    await batch.queue_job("historical_reprocessing", "openai", ask("b"), priority=9)
    await batch.queue_job("creative_scoring", "openai", ask("c"), priority=4)
    placing = Placing(batch.background.runtime, batch.store)
    made = await asyncio.to_thread(lambda: list(placing.all(at=batch.micros())))
    runs = [batch.store.wait(batch.store.runs.get, run_id) for run_id, _ in made]
    assert [run.name for run in runs if run] == [
        "queue/openai/historical_reprocessing",
        "queue/openai/creative_scoring",
    ]
    assert [run.priority for run in runs if run] == [9, 4]
    jobs = batch.store.wait(batch.store.jobs.of_run, made[1][0])
    assert [job.priority for job in jobs] == [4, 1]


async def test_two_that_take_at_once_take_each_job_once(
    batch: BatchProcessor, config: dict[str, Any], sim: Simulator
) -> None:
    jobs = [
        {"job_type": "creative_scoring", "provider": "openai", "data": ask(str(number))}
        for number in range(60)
    ]
    ids = await batch.queue_jobs(jobs)
    with BatchProcessor(config, clock=sim.url) as other:
        one, two = (Placing(each.background.runtime, each.store) for each in (batch, other))

        def take(placing: Placing) -> list[tuple[str, int]]:
            made = []
            while run := placing.one("creative_scoring", "openai", at=batch.micros(), most=7):
                made.append(run)
            return made

        found = await asyncio.gather(asyncio.to_thread(take, one), asyncio.to_thread(take, two))
    made = [run for each in found for run in each]
    assert sum(count for _, count in made) == 60
    taken = [
        job.job_id
        for run_id, _ in made
        for job in batch.store.wait(batch.store.jobs.of_run, run_id)
    ]
    assert sorted(taken) == sorted(ids)


async def test_a_provider_has_its_limit_of_runs(batch: BatchProcessor) -> None:
    jobs = batch.store.jobs
    placing = Placing(batch.background.runtime, batch.store)
    made = []
    for provider, model in (("openai", "gpt-4o"), ("openai", "gpt-4o"), ("claude", "haiku")):
        data = ask("x", model) if provider == "openai" else {"script": "x"}
        await batch.queue_job("creative_scoring", provider, data)
        name = "anthropic" if provider == "claude" else provider
        run = await asyncio.to_thread(placing.one, "creative_scoring", name, at=batch.micros())
        assert run is not None
        made.append(run[0])
    do = batch.store.wait
    assert do(jobs.claim_run, made[0], "me", 60.0, 1)
    assert not do(jobs.claim_run, made[1], "me", 60.0, 1), "openai has one already"
    assert do(jobs.claim_run, made[1], "me", 60.0, 2)
    assert do(jobs.claim_run, made[2], "me", 60.0, 1), "another provider has its own limit"
    assert not do(jobs.claim_run, made[2], "you", 60.0, 9), "it is leased"


async def test_jobs_that_nobody_asked_go_back_into_the_queue(batch: BatchProcessor) -> None:
    job_id = await batch.queue_job("creative_scoring", "openai", ask("x"))
    placing = Placing(batch.background.runtime, batch.store)
    run = await asyncio.to_thread(placing.one, "creative_scoring", "openai", at=batch.micros())
    assert run is not None
    store = batch.store
    back = [JobOutcome(0, "queued", None, "BudgetError: no money")]
    assert store.wait(store.jobs.settle, run[0], back, at=batch.micros()) == 1
    status = await batch.check_batch_status(job_id)
    assert (status["status"], status["batch_id"]) == ("queued", None)
    assert status["error"] == "BudgetError: no money"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (("creative_scoring", "openai", {"niche": "tea"}, 5), "script"),
        (("something", "openai", {"text": "x"}, 5), "no template"),
        (("creative_scoring", "openai", ask("x"), 11), "priority"),
        (("creative_scoring", "openai", ask("x"), "urgent"), "priority"),
        (("no name", "openai", ask("x"), 5), "job_type"),
    ],
)
async def test_a_job_that_asks_for_nothing_is_refused(
    batch: BatchProcessor, job: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        await batch.queue_job(*job)
    assert (await batch.get_queue_status())["total_queued"] == 0


async def test_many_jobs_are_all_queued_or_none(batch: BatchProcessor) -> None:
    good = {"job_type": "my_type", "provider": "openai", "data": ask("x")}
    with pytest.raises(InvalidRequestError, match="job 1: expected"):
        await batch.queue_jobs([good, {"job_type": "my_type"}])
    assert (await batch.get_queue_status())["total_queued"] == 0
    with pytest.raises(ModelNotFoundError, match="nobody"):
        await batch.queue_job("my_type", "nobody", ask("x"))
    with pytest.raises(InvalidRequestError, match="no batch and no job"):
        await batch.check_batch_status("run_x")


async def test_the_environment_alone_is_enough(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMO_HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-any")
    async with BatchProcessor() as processor:
        job_id = await processor.queue_job("my_type", "openai", ask("x"), priority=10)
        assert (await processor.check_batch_status(job_id))["priority"] == 10
    assert (tmp_path / "ledger.db").is_file()


def test_names_are_open() -> None:
    assert BatchJobType.VIDEO_ANALYSIS == "video_analysis"
    assert BatchJobType("my_type") == "my_type"
    assert BatchProvider.GEMINI.value == "gemini"
    assert isinstance(BatchProvider.COHERE, BatchProvider)
