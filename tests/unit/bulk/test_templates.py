"""Prompts from rows: what a template may do, and how a missing column is told."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_orchestrator.bulk.rows.row import RowError
from llm_orchestrator.bulk.tasks.templates import Template
from llm_orchestrator.errors import ConfigError

ROW: dict[str, Any] = {"name": "Ann", "post text": "Hi", "tags": ["a", "ö"], "none": None}


def render(text: str, row: dict[str, Any] | None = None) -> str:
    return Template(text, "prompt").render(ROW if row is None else row)


def refusal(text: str, row: dict[str, Any] | None = None) -> RowError:
    with pytest.raises(RowError) as caught:
        render(text, row)
    return caught.value


@pytest.mark.parametrize(
    "text,rendered",
    [
        ("Hello {{ name }}!\n", "Hello Ann!"),
        ("{{ name|upper }}", "ANN"),
        ("{{ row['post text'] }}", "Hi"),
        ("{{ tags }}", '["a","ö"]'),
        ("{{ tags|tojson }}", '["a", "ö"]'),
        ("[{{ none }}]", "[]"),
        ("{% if missing is defined %}x{% else %}y{% endif %}", "y"),
        ("{% for tag in tags %}{{ tag }};{% endfor %}", "a;ö;"),
        ("{{ name }} {{ 1.5 }} {{ true }}", "Ann 1.5 true"),
        ("<b>{{ name }}</b> & {{ '<' }}", "<b>Ann</b> & <"),
    ],
)
def test_values_stand_as_people_write_them(text: str, rendered: str) -> None:
    assert render(text) == rendered


@pytest.mark.parametrize("text", ["{{ nam }}", "{{ nam|upper }}", "{% if nam %}x{% endif %}"])
def test_a_missing_column_is_named_with_the_nearest(text: str) -> None:
    error = refusal(text)
    assert error.code == "column"
    assert str(error) == "prompt: there is no column 'nam'; did you mean name?"


def test_a_missing_column_without_a_near_one_lists_all() -> None:
    assert str(refusal("{{ zzzz }}")) == (
        "prompt: there is no column 'zzzz'; there are name, post text, tags, none"
    )


def test_a_missing_column_of_the_whole_row_is_named() -> None:
    assert "did you mean post text?" in str(refusal("{{ row['posttext'] }}"))


def test_what_a_template_computes_may_fail_for_one_row() -> None:
    error = refusal("{{ 1 / n }}", {"n": 0})
    assert (error.code, str(error)) == ("template", "prompt: division by zero")


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{% set x = tags.append(1) %}",
        "{{ row.pop('name') }}",
    ],
)
def test_the_sandbox_holds(text: str) -> None:
    before = {key: list(value) if isinstance(value, list) else value for key, value in ROW.items()}
    with suppress(RowError):
        assert "Template" not in render(text)
    assert before == ROW


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{% for a in word %}{% for b in word %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}{% endif %}{% endmacro %}{{ f(99) }}",
        "{% for a in w recursive %}{% if loop.depth < 99 %}{{ loop(w) }}{% endif %}{% endfor %}",
    ],
)
def test_a_template_that_does_not_end_is_ended(text: str) -> None:
    error = refusal(text, {"word": "x" * 9000, "w": "ab"})
    assert error.code == "template"
    assert "100,000 rounds and calls: does it end?" in str(error)


@pytest.mark.parametrize(
    "text", ["{{ 9 ** (9 ** 9) }}", "{{ name * 10 ** 12 }}", "{{ 10 ** 1000 * 10 ** 1000 }}"]
)
def test_a_value_that_would_fill_the_memory_is_not_computed(text: str) -> None:
    assert refusal(text).code == "template"


def test_loops_and_products_of_usual_size_are_as_ever() -> None:
    loop = "{% for a in words %}{{ loop.index }}/{{ loop.length }}{% if loop.last %}.{% endif %}"
    text = loop + "{% else %}none{% endfor %} {{ 2 ** 10 * 3 }}{{ '-' * 3 }}"
    template = Template(text, "prompt")
    for _ in range(3):  # each text has rounds of its own
        assert template.render({"words": "ab" * 20_000}).endswith("40000/40000. 3072---")
    assert template.render({"words": []}) == "none 3072---"


def test_a_text_that_is_no_template_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match="prompt, line 2 of the template"):
        Template("Hello\n{% if %}", "prompt")


def test_columns_are_known_beforehand() -> None:
    assert Template("{{ a }} {{ b|upper }} {{ row.c }}", "prompt").columns == {"a", "b"}


@given(
    st.lists(
        st.one_of(st.sampled_from(["{{ a }}", "{{ b }}", "{{a}}"]), st.text(max_size=5)), max_size=8
    ),
    st.one_of(st.text(max_size=5), st.integers(), st.none(), st.booleans(), st.floats()),
    st.text(max_size=5),
)
def test_the_short_way_and_the_engine_agree(pieces: list[str], first: Any, second: str) -> None:
    text = "".join(pieces)
    row = {"a": first, "b": second}
    try:
        template = Template(text, "prompt")
    except ConfigError:
        return
    # A statement that does nothing sends it through the engine.
    whole = Template("{% if false %}{% endif %}" + text, "prompt")
    assert template.render(row) == whole.render(row)
