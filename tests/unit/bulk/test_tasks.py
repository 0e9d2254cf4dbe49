"""Tasks: what may be said, how mistakes are told, and what changes their digests."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_orchestrator.bulk.rows.row import RowError
from llm_orchestrator.bulk.tasks.files import load_task, load_tasks
from llm_orchestrator.bulk.tasks.task import Task
from llm_orchestrator.errors import ConfigError, OutputError
from llm_orchestrator.types.batch import Texts
from llm_orchestrator.types.request import Image, Media, Message, Request, Text

SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["good", "bad"]}},
    "required": ["label"],
}
ROW = {"id": 7, "text": "Hello", "url": "https://cdn.example/a.mp4"}


def task(**fields: Any) -> Task:
    return load_task({"prompt": "Judge: {{ text }}"} | fields)


def request(made: Task, row: dict[str, Any] | None = None) -> Request:
    asked = made.item(ROW if row is None else row).request
    assert isinstance(asked, Request)
    return asked


# ------------------------------------------------------------------ what is asked


def test_a_prompt_with_all_that_is_the_same_for_every_row() -> None:
    made = task(system="Be brief.", schema=SCHEMA, options={"max_tokens": 9, "stop": "."})
    asked = request(made)
    assert asked.messages == (Message("system", "Be brief."), Message("user", "Judge: Hello"))
    assert (asked.max_tokens, asked.stop) == (9, (".",))
    assert asked.schema is not None
    assert asked.schema.schema["properties"]["label"]["enum"] == ["good", "bad"]


def test_a_system_prompt_may_be_a_template() -> None:
    assert request(task(system="Think of {{ id }}.")).messages[0].text == "Think of 7."


def test_an_answer_is_read_by_the_schema() -> None:
    parse = task(schema=SCHEMA).parse
    assert parse is not None
    assert parse('{"label": "good"}') == {"label": "good"}
    with pytest.raises(OutputError):
        parse('{"label": "ugly"}')


def test_turns_with_templates() -> None:
    turns = [
        {"role": "system", "content": "Short."},
        {"role": "user", "content": "A"},
        {"role": "assistant", "content": "B"},
        {"role": "user", "content": "{{ text }}?"},
    ]
    asked = request(load_task({"messages": turns}))
    assert [one.text for one in asked.messages] == ["Short.", "A", "B", "Hello?"]


def test_turns_with_parts() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://x.example/{{ id }}.png"}}
    words = {"type": "text", "text": "{{ text }}"}
    asked = request(load_task({"messages": [{"role": "user", "content": [part, words]}]}))
    assert asked.messages[0].content == (
        Image(url="https://x.example/7.png"),
        Text(text="Hello"),
    )


def test_messages_of_a_column() -> None:
    made = load_task({"messages": "chat", "system": "Short.", "options": {"seed": 1}})
    asked = request(made, {"id": 1, "chat": [{"role": "user", "content": "Hi"}]})
    assert [one.text for one in asked.messages] == ["Short.", "Hi"]
    assert asked.seed == 1
    with pytest.raises(RowError, match="there is no column 'chat'"):
        made.item({"id": 1})
    with pytest.raises(RowError, match="messages"):
        made.item({"id": 1, "chat": []})


def test_texts_to_be_embedded() -> None:
    made = load_task({"input": "{{ text }}!", "dimensions": 8})
    assert made.kind == "embedding"
    assert made.item(ROW).request == Texts(("Hello!",), 8)


def test_a_column_of_texts_to_be_embedded() -> None:
    made = load_task({"input": "text"})
    assert made.item(ROW).request == Texts(("Hello",))
    assert made.item({"id": 1, "text": ["a", "b"]}).request == Texts(("a", "b"))
    for wrong in ([], ["a", ""], 5, [1]):
        with pytest.raises(RowError, match="expected a text"):
            made.item({"id": 1, "text": wrong})


def test_a_film_and_words_about_it() -> None:
    made = load_task({"media": "{{ url }}", "prompt": "What is shown?"})
    assert made.kind == "media"
    content = request(made).messages[0].content
    assert content == (Media(url="https://cdn.example/a.mp4"), Text(text="What is shown?"))
    with pytest.raises(RowError, match="this is no address"):
        made.item(ROW | {"url": "a.mp4"})


def test_the_kind_of_a_film_may_be_told() -> None:
    made = load_task({"media": {"url": "{{ url }}", "mime": "video/webm"}, "prompt": "What?"})
    assert request(made).messages[0].content[0] == Media(url=str(ROW["url"]), mime="video/webm")


def test_rows_that_are_requests_themselves() -> None:
    made = load_task({"as_is": True, "options": {"max_tokens": 5, "seed": 3}, "schema": SCHEMA})
    row = {"id": 1, "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 50}
    asked = request(made, row)
    assert (asked.messages[0].text, asked.max_tokens, asked.seed) == ("Hi", 50, 3)
    assert asked.schema is not None
    with pytest.raises(RowError, match="did you mean temperature"):
        made.item(row | {"temprature": 1})
    with pytest.raises(RowError, match="temperature: expected a number"):
        made.item(row | {"temperature": 9})
    with pytest.raises(RowError, match="no column 'messages'"):
        made.item({"id": 1})


def test_lines_of_a_file_for_batches() -> None:
    made = load_task({"as_is": True, "id": "custom_id"})
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    item = made.item(line)
    assert item.user_id == "a"
    assert isinstance(item.request, Request)
    assert item.request.max_tokens == 5


# ------------------------------------------------------------------ ids and what is empty


@pytest.mark.parametrize("value,text", [("a", "a"), (7, "7"), (10**30, str(10**30)), (" a", " a")])
def test_ids(value: Any, text: str) -> None:
    assert task().item(ROW | {"id": value}).user_id == text


@pytest.mark.parametrize("value", ["", None, True, 1.5, ["a"], {"a": 1}])
def test_what_is_no_id(value: Any) -> None:
    with pytest.raises(RowError, match="the id") as caught:
        task().item(ROW | {"id": value})
    assert caught.value.code == "id"


def test_the_column_of_ids_is_named_with_the_nearest() -> None:
    with pytest.raises(RowError, match="did you mean post_id") as caught:
        task(id="postid").item({"post_id": 1, "text": "x"})
    assert caught.value.code == "id"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_prompt_is_not_asked(text: str) -> None:
    with pytest.raises(RowError, match="the text is empty"):
        load_task({"prompt": "{{ text }}"}).item({"id": 1, "text": text})


def test_a_lone_surrogate_is_not_asked() -> None:
    with pytest.raises(RowError, match="surrogate"):
        task().item({"id": 1, "text": "\ud800"})


# ------------------------------------------------------------------ digests


def test_a_digest_is_of_all_that_changes_an_answer() -> None:
    made = task()
    first = made.item(ROW)
    assert made.item(ROW | {"unused": 1}).digest == first.digest
    others = [
        made.item(ROW | {"text": "Hello!"}),
        made.item(ROW | {"id": 8}),
        task(options={"temperature": 0}).item(ROW),
        task(schema=SCHEMA).item(ROW),
        task(system="x").item(ROW),
        task(name="other").item(ROW),
    ]
    digests = {first.digest, *(one.digest for one in others)}
    assert len(digests) == 7


def test_whom_a_task_asks_is_not_in_its_digest() -> None:
    assert task(model="gpt-4o").digest == task(models=["claude-haiku", "gemini-flash"]).digest
    assert task(name="a").digest == task(name="b").digest


def test_columns_do_not_run_into_each_other() -> None:
    made = load_task({"system": "{{ a }}", "prompt": "{{ b }}"})
    one = made.item({"id": 1, "a": "x", "b": "yz"})
    assert one.digest != made.item({"id": 1, "a": "xy", "b": "z"}).digest


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "{{ text }}", "schema": SCHEMA, "options": {"temperature": 0.5}, "id": "id"},
        {"input": "text", "dimensions": 4},
        {"media": "{{ url }}", "prompt": "?", "models": ["gemini"]},
        {"messages": [{"role": "user", "content": "{{ text }}"}]},
    ],
)
def test_a_task_can_be_kept_and_made_again(fields: dict[str, Any]) -> None:
    made = load_task(fields, name="kept")
    again = load_task(msgspec.json.decode(msgspec.json.encode(made.spec)))
    assert (again.name, again.digest, again.models) == ("kept", made.digest, made.models)
    assert again.item(ROW).digest == made.item(ROW).digest


def test_a_type_may_stand_for_the_schema() -> None:
    class Verdict(msgspec.Struct):
        label: str

    made = task(schema=Verdict)
    assert made.parse is not None
    assert made.parse('{"label": "x"}') == Verdict("x")
    again = load_task(msgspec.json.decode(msgspec.json.encode(made.spec)))
    assert again.digest == made.digest
    assert again.parse is not None
    assert again.parse('{"label": "x"}') == {"label": "x"}


# ------------------------------------------------------------------ mistakes


def wrong(text: str, folder: Path) -> str:
    path = folder / "task.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_task(path)
    return str(caught.value).replace(str(path), "task.yaml")


@pytest.mark.parametrize(
    "text,told",
    [
        ("id: x\npromt: hi\n", "line 2: promt: no such key; did you mean prompt?"),
        ("prompt: hi\nmax_tokens: 5\n", "line 2: max_tokens: no such key; write it under"),
        ("prompt: hi\noptions:\n  max_token: 5\n", "line 3: options.max_token: no such option; "),
        ("prompt: hi\noptions: {temperature: 5}\n", "line 2: options.temperature: expected a num"),
        ("prompt: hi\noptions: 5\n", "line 2: options: expected a mapping"),
        ("prompt: '{{ x'\n", "line 1: prompt, line 1 of the template: unexpected end"),
        ("prompt: [hi]\n", "line 1: prompt: expected text"),
        ("prompt: ''\n", "line 1: prompt: the template is empty"),
        ("id: x\n", "the key prompt is missing"),
        (
            "prompt: hi\nkind: chatt\n",
            "line 2: kind: 'chatt' is not known here; did you mean chat?",
        ),
        ("input: hi\nschema: {}\n", "line 2: schema: a task of the kind embedding has none"),
        ("prompt: hi\nmessages: [a]\n", "line 2: messages: a task has a prompt or messages"),
        ("prompt: hi\nschema: {type: foo}\n", "line 2: schema: output schema at $.type: 'foo'"),
        ("prompt: hi\nschema: no.json\n", "line 2: schema: there is no file"),
        ("prompt: hi\nname: a/b\n", "line 2: name: 'a/b': 1 to 64 letters"),
        ("prompt: hi\nmodels: 5\n", "line 2: models: expected a list of models"),
        ("input: x\ndimensions: 0\n", "line 2: dimensions: expected a whole number from 1"),
        ("media: {urll: x}\nprompt: hi\n", "media.urll: no such key; did you mean url?"),
        ("as_is: true\nprompt: hi\n", "line 2: prompt: rows that are asked as they are"),
        ("prompt: a\nprompt: b\n", "line 2"),
        ("- a\n", "expected keys like `prompt: ...`"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, told: str, tmp_path: Path) -> None:
    assert told in wrong(text, tmp_path)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="there is no task file nothing"):
        load_task("nothing.yaml")


def test_a_file_gives_its_name_and_finds_its_schema(tmp_path: Path) -> None:
    (tmp_path / "label.json").write_text(msgspec.json.encode(SCHEMA).decode())
    (tmp_path / "mood.yaml").write_text("prompt: '{{ text }}'\nschema: label.json\n")
    made = load_task(tmp_path / "mood.yaml")
    assert made.name == "mood"
    assert made.digest == load_task({"prompt": "{{ text }}", "schema": SCHEMA}).digest


def test_the_tasks_of_a_run_have_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="two tasks are called 'a'"):
        load_tasks([task(name="a"), {"prompt": "x", "name": "a"}])
    with pytest.raises(ConfigError, match="a run needs a task"):
        load_tasks([])


def test_models_come_in_order() -> None:
    made = task(model="a", models=["b", "a"])
    assert (made.model, made.models) == ("a", ("a", "b"))
