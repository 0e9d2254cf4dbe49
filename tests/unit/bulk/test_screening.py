"""Rows that can be read and not be asked: ids that were there, and texts that nobody can read."""

from typing import Any

import pytest

from llm_orchestrator.bulk.rows.reading import read_rows
from llm_orchestrator.bulk.rows.row import Row, RowError
from llm_orchestrator.bulk.screening import screened, within
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.types.model import Model


def model(context: int | None = 1000, id: str = "gpt-4o") -> Model:
    return Model(provider="openai", id=id, context=context)


# ------------------------------------------------------------------ ids


def test_the_first_row_of_an_id_counts() -> None:
    rows = [{"id": 1, "t": "a"}, {"id": "1", "t": "b"}, {"id": 2, "t": "c"}, 5, {"t": "d"}]
    task = load_task({"prompt": "{{ t }}"})
    found = list(screened(read_rows(rows), [task]))
    assert [row.data and row.data["t"] for row in found] == ["a", None, "c", None, "d"]
    assert found[1].error is not None
    assert (found[1].error.code, str(found[1].error)) == (
        "duplicate",
        "the id '1' was there before",
    )
    assert found[1].raw == {"id": "1", "t": "b"}


def test_tasks_may_have_ids_of_their_own() -> None:
    tasks = [load_task({"prompt": "x", "id": "a"}), load_task({"prompt": "x", "id": "b"})]
    rows = [{"a": 1, "b": 1}, {"a": 2, "b": 1}]
    found = list(screened(read_rows(rows), tasks))
    assert [row.data is None for row in found] == [False, True]


# ------------------------------------------------------------------ contexts


def asked(text: str, models: list[Model], **fields: Any) -> str | None:
    """Why the row is refused."""
    task = within(load_task({"prompt": "{{ t }}"} | fields), models)
    try:
        task.item({"id": 1, "t": text})
    except RowError as error:
        return f"{error.code}: {error}"
    return None


def test_a_row_must_fit_the_largest_context() -> None:
    long = "word " * 1500
    assert asked("short", [model()]) is None
    told = asked(long, [model(), model(900)])
    assert told is not None
    assert told.startswith("context: it is longer than every model can read")
    assert told.endswith("about 1,507 tokens, and gpt-4o reads 1,000")
    assert asked(long, [model(), model(2000)]) is None


def test_bytes_alone_do_not_refuse_a_row() -> None:
    assert asked("word " * 900, [model()]) is None  # 4,500 bytes


def test_the_answer_takes_room_as_well() -> None:
    text = "word " * 600
    assert asked(text, [model()]) is None
    assert asked(text, [model()], options={"max_tokens": 500}) is not None


def test_an_unknown_context_refuses_nothing() -> None:
    assert asked("word " * 5000, [model(), model(None)]) is None
    assert asked("word " * 5000, []) is None


def test_texts_to_be_embedded_must_fit_one_by_one() -> None:
    task = within(load_task({"input": "t"}), [model(100)])
    task.item({"id": 1, "t": ["word " * 90, "word " * 90]})
    with pytest.raises(RowError, match="longer than every model"):
        task.item({"id": 1, "t": ["a", "word " * 200]})


def test_a_film_has_no_length_here() -> None:
    fields = {"media": "https://x.example/{{ t }}.mp4", "prompt": "What?"}
    assert asked("a", [model()], **fields) is None


def test_digests_stay_what_they_are() -> None:
    plain = load_task({"prompt": "{{ t }}"})
    row = Row(1, {"id": 1, "t": "x"})
    assert row.data is not None
    assert within(plain, [model()]).item(row.data).digest == plain.item(row.data).digest
