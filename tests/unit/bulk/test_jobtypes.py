"""Job types: from a job's data to what is asked, whatever older tools write."""

from typing import Any

import pytest

from llm_orchestrator.bulk.queue.jobtypes import JobTypes
from llm_orchestrator.bulk.tasks.builtin import BUILT_IN
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.catalog import Catalog
from llm_orchestrator.config import load
from llm_orchestrator.errors import ConfigError, InvalidRequestError
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.request import Media, Request

SCRIPT = {"creative_id": "c1", "script": "Buy now!", "niche": "fitness"}
MESSAGES = [{"role": "user", "content": "Score this creative: ..."}]


def asked(name: str, data: dict[str, Any], own: Any = None) -> Request | Texts:
    job = JobTypes(own).read(name, data)
    item = job.task.item(job.with_id("job_1"))
    assert item.user_id == "job_1"
    # What is kept of the task asks the same again.
    assert load_task(job.task.spec).item(job.with_id("job_1")).digest == item.digest
    return item.request


def text(request: Request | Texts) -> str:
    assert isinstance(request, Request)
    return request.messages[-1].text


def test_a_creative() -> None:
    request = asked("creative_scoring", SCRIPT)
    assert "for the niche fitness" in text(request)
    assert "Buy now!" in text(request)
    assert isinstance(request, Request)
    assert request.schema is not None
    assert "for the niche" not in text(asked("creative_scoring", {"script": "x"}))


def test_texts_for_vectors() -> None:
    assert asked("embedding_generation", {"input": "a"}) == Texts(("a",))
    job = JobTypes().read(
        "embedding_generation", {"model": "text-embedding-3-large", "input": ["a", "b"]}
    )
    assert job.model == "text-embedding-3-large"
    assert job.task.item(job.with_id("j")).request == Texts(("a", "b"))


def test_a_video() -> None:
    data = {"video_url": "https://cdn.example/ad.mp4", "analysis_type": "full"}
    request = asked("video_analysis", data)
    assert isinstance(request, Request)
    assert request.messages[-1].content[0] == Media(url="https://cdn.example/ad.mp4")
    assert "What is asked for: full" in text(request)


def test_a_record_of_the_past() -> None:
    request = asked("historical_reprocessing", {"campaign": "spring", "ctr": 0.5})
    assert "campaign: spring\nctr: 0.5" in text(request)
    assert "job_1" not in text(request)
    given = asked("historical_reprocessing", {"instructions": "Say hi.", "campaign": "x"})
    assert text(given).startswith("Say hi.")
    assert text(given).count("Say hi.") == 1


def test_data_with_messages_pass_as_they_are() -> None:
    data = {"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 50, "temperature": 0}
    for name in ("creative_scoring", "anything_else"):
        job = JobTypes().read(name, data)
        request = job.task.item(job.with_id("j")).request
        assert isinstance(request, Request)
        assert (request.messages[0].text, request.max_tokens) == (MESSAGES[0]["content"], 50)
        assert (job.model, job.task.name) == ("gpt-4o", name)


@pytest.mark.parametrize(
    "name,data,what",
    [
        ("mine", {"a": 1}, "no messages, and the job type 'mine' has no template"),
        ("creative_scoring", {"scrip": "x"}, "no column 'script'; did you mean scrip"),
        ("embedding_generation", {"text": "x"}, "there is no column 'input'"),
        ("video_analysis", {"video_url": "ad.mp4"}, "this is no address"),
        ("mine", {"messages": MESSAGES, "temprature": 1}, "did you mean temperature"),
        ("mine", {"messages": []}, "messages are empty"),
        ("mine", {"messages": MESSAGES, "model": 5}, "expected the name of a model"),
        ("mine", ["x"], "expected a mapping, got list"),
    ],
)
def test_data_that_ask_for_nothing(name: str, data: Any, what: str) -> None:
    with pytest.raises(InvalidRequestError, match=what):
        JobTypes().read(name, data)


def test_a_type_without_a_template_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidRequestError, match="did you mean creative_scoring"):
        JobTypes().task("creative_score")


def test_types_of_the_configuration() -> None:
    own: dict[str, Any] = {
        "haiku": {"prompt": "A haiku about {{ topic }}", "options": {"temperature": 0.5}},
        "creative_scoring": {"prompt": "Own: {{ script }}"},
    }
    types = load({"bulk": {"job_types": own}}, env={}).bulk.job_types
    assert text(asked("haiku", {"topic": "rain"}, types)) == "A haiku about rain"
    assert text(asked("creative_scoring", SCRIPT, types)) == "Own: Buy now!"
    assert set(JobTypes(types).names) == {*BUILT_IN, "haiku"}


def test_a_mistake_in_a_type_is_told() -> None:
    types = JobTypes({"haiku": {"promt": "x"}})
    with pytest.raises(ConfigError, match="promt: no such key; did you mean prompt"):
        types.read("haiku", {})


def test_built_in_types_are_tasks_for_runs_as_well() -> None:
    task = load_task("creative_scoring")
    assert task.item(SCRIPT).user_id == "c1"
    assert task.name == "creative_scoring"


@pytest.mark.parametrize("name", BUILT_IN)
def test_default_models_are_offered(name: str) -> None:
    catalog = Catalog.load()
    for model in load_task(name).models:
        found = catalog.resolve(model)
        assert found.known
        assert found.retired is None or found.retired > catalog.version
        assert (found.mode == "embedding") is (name == "embedding_generation")
