"""Estimates: right where all is known, above what is held, and better after each run."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_orchestrator.bulk.batches.building import Plan, build
from llm_orchestrator.bulk.planning import pricing
from llm_orchestrator.bulk.planning.estimate import BulkEstimate, Line, estimate
from llm_orchestrator.bulk.planning.guesses import answer_tokens
from llm_orchestrator.bulk.planning.past import Past
from llm_orchestrator.bulk.tasks.files import load_task
from llm_orchestrator.catalog.estimate import DEFAULT_ANSWER
from llm_orchestrator.catalog.thinking import THINKING
from llm_orchestrator.catalog.tokens import count_request
from llm_orchestrator.store.bulk_history import EstimateRow
from llm_orchestrator.types.request import Request
from tests.unit.bulk.estimating import PER_MILLION, posts, sample, target, task

SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["positive", "negative"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["label", "tags"],
}
LONG = {"options": {"max_tokens": 300}}


def of(found: BulkEstimate, lane: str = "online", provider: str = "openai") -> Line:
    return next(one for one in found.lines if (one.lane, one.provider) == (lane, provider))


def line(made: Any, rows: Any, lane: str = "online", who: Any = None, **fields: Any) -> Line:
    who = who or target()
    found = estimate([made], sample(rows), {made.name: [who]}, **fields)
    return of(found, lane, who.provider.name)


def test_every_figure_where_all_rows_are_looked_at() -> None:
    rows, made = posts(50), task(**LONG)
    counts = [count_request(request(made, row), "gpt-4o") for row in rows]
    found = line(made, rows)
    assert found.items == 50
    assert found.input_tokens.expected == sum(counts)
    assert found.output_tokens.expected == 50 * 300
    mean = sum(counts) / 50
    per_item = -(-sum(counts) * PER_MILLION // 50) + 300 * 10 * PER_MILLION
    assert found.expected_pico == 50 * per_item
    assert found.expected_pico == pytest.approx(50 * (mean + 3000) * PER_MILLION, rel=1e-6)


def request(made: Any, row: Any) -> Request:
    asked = made.item(row).request
    assert isinstance(asked, Request)
    return asked


def test_a_batch_costs_what_its_price_says() -> None:
    rows, made = posts(50), task(**LONG)
    online, batch = line(made, rows), line(made, rows, "batch")
    assert online.expected_pico is not None
    assert batch.expected_pico == pytest.approx(online.expected_pico / 2, rel=1e-6)
    same = target(prices=(target().model.prices[0].__class__(input=5, output=5),))
    assert line(made, rows, "batch", same).expected_pico is None


def test_low_is_below_expected_and_expected_below_high() -> None:
    found = line(task(schema=SCHEMA), posts(200))
    for some in (found.input_tokens, found.output_tokens):
        assert some.low < some.expected < some.high
    assert (found.low_pico or 0) < (found.expected_pico or 0) < (found.high_pico or 0)
    assert found.low is not None
    assert found.high is not None


TEXTS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=20)
ONE_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(deadline=None, max_examples=25, suppress_health_check=ONE_FOLDER)
@given(texts=TEXTS, provider=st.sampled_from(["openai", "anthropic", "gemini", "mistral"]))
def test_a_batch_never_holds_more_than_the_high_end(
    texts: list[str], provider: str, tmp_path: Path
) -> None:
    rows = [{"id": n, "text": f"x{text}"} for n, text in enumerate(texts)]
    made, who = task(schema=SCHEMA, options={"max_tokens": 50}), target(provider, "some-model")
    found = line(made, rows, "batch", who)
    asked = [(n, made.item(row).request) for n, row in enumerate(rows)]
    plan = Plan(run_id="r", task="judge", target=who, folder=tmp_path, created_at=0)
    held = [one.unit.hold_pico for one in build(plan, asked) if one.unit]
    assert found.high_pico is not None
    assert None not in held
    assert sum(one or 0 for one in held) <= found.high_pico


def test_a_sample_is_scaled_to_all_rows() -> None:
    rows, made = posts(20_000), task(**LONG)
    truth = sum(1 + n * 7 % 20 for n in range(20_000))
    found = line(made, rows)
    frame = count_request(request(made, {"id": 1, "text": "word"}), "gpt-4o") - 1
    actual = truth + 20_000 * frame
    assert found.items == 20_000
    assert abs(found.input_tokens.expected - actual) < 0.03 * actual
    assert found.input_tokens.low < actual < found.input_tokens.high
    assert line(made, rows) == found


def test_the_high_end_allows_for_what_a_sample_may_miss() -> None:
    """The mean of 100 and 200 is known to 50: three times that is added."""
    assert pricing._high([100, 200]) == 300
    assert pricing._high([100]) == 100
    assert pricing._high([100, None]) is None


def test_how_many_items_there_are_may_be_known_better() -> None:
    assert line(task(), posts(50), items={"judge": 7}).items == 7
    assert line(task(), posts(50), items={}).items == 0


# ------------------------------------------------------------------ answers


def test_answers_are_guessed_by_their_schema() -> None:
    free, form = task(), task(schema=SCHEMA)
    assert answer_tokens(free, target().model) == DEFAULT_ANSWER
    assert 20 < answer_tokens(form, target().model) < 80
    thinks = target(abilities=frozenset(("reasoning",))).model
    hard = task(options={"effort": "high"})
    assert answer_tokens(hard, thinks) == DEFAULT_ANSWER + THINKING["high"]
    assert answer_tokens(hard, target(abilities=frozenset()).model) == DEFAULT_ANSWER


def test_schemas_with_references_and_choices() -> None:
    nested = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/one"}, "n": {"type": ["number", "null"]}},
        "required": ["a", "n"],
        "$defs": {"one": {"type": "object", "properties": {"b": {"type": "boolean"}}}},
    }
    assert 5 < answer_tokens(task(schema=nested), target().model) < 40


def test_no_answer_is_longer_than_it_may_be() -> None:
    assert line(task(**LONG), posts(5)).output_tokens.expected == 5 * 300
    short = line(task(options={"max_tokens": 10}), posts(5)).output_tokens
    assert (short.low, short.expected, short.high) == (50, 50, 50)
    assert line(task(), posts(5)).output_tokens.high == 5 * 4000


# ------------------------------------------------------------------ what is not known, or refused


def test_an_unknown_price_is_unknown() -> None:
    found = line(task(), posts(5), who=target(prices=()))
    assert (found.low, found.expected, found.high) == (None, None, None)


@pytest.mark.parametrize(
    "made,who,lane,why",
    [
        (task(), target(mode="embedding"), "online", "it makes vectors"),
        (task(), target("perplexity", "sonar"), "batch", "this model cannot be asked in a batch"),
        (task(media="https://x.example/a.mp4"), target(), "online", "Gemini's models only"),
        (task(media="https://x.example/a.mp4"), target(), "batch", "Gemini's models only"),
        (task(media="https://x.example/a.mp4"), target("gemini"), "batch", None),
    ],
)
def test_who_cannot_be_asked(made: Any, who: Any, lane: str, why: str | None) -> None:
    found = line(made, posts(5), lane, who)
    assert why in (found.refusal or "") if why else found.refusal is None


def test_vectors() -> None:
    made = load_task({"input": "text"}, name="v")
    who = target(id="text-embedding-3-small", mode="embedding", max_output=None)
    found = line(made, posts(10), who=who)
    assert found.output_tokens.high == 0
    assert found.expected_pico == found.input_tokens.expected * PER_MILLION
    assert found.refusal is None
    assert line(made, posts(10), who=target(known=False)).refusal is None
    assert line(made, posts(10)).refusal == "it makes no vectors"
    slow = target("together", mode="embedding")
    assert "cannot be asked in a batch" in str(line(made, posts(5), "batch", slow).refusal)


def test_films_are_said_to_have_no_length() -> None:
    made = task(media="https://x.example/{{ id }}.mp4")
    found = line(made, posts(5), who=target("gemini"))
    (note,) = found.notes
    assert note == "nothing tells how long films are: a minute is expected, any length held"
    assert found.input_tokens.high >= 5 * 128_000


def test_rows_that_break_the_template_are_left_out_in_proportion() -> None:
    rows = [*posts(75), *({"id": n} for n in range(75, 100))]
    found = estimate([task()], sample(rows), {"judge": [target()]})
    assert found.lines[0].items == 75
    assert (
        "task judge: 25 % of the rows cannot be asked (prompt: there is no column 'text'"
        in (found.notes[0])
    )


def test_nothing_to_ask() -> None:
    found = estimate([task()], sample([]), {"judge": [target()]})
    assert found.lines[0].expected_pico == 0


# ------------------------------------------------------------------ earlier runs


def past(made: Any, **fields: Any) -> Past:
    """A run of 100 items in which each answer had 50 tokens and each prompt 10 % more."""
    given: dict[str, Any] = {
        "run_id": "r1",
        "task": "judge",
        "provider": "openai",
        "model": "gpt-4o",
        "task_digest": made.digest,
        "items": 100,
        "input_tokens": 2000,
        "output_tokens": 40_000,
        "actual_items": 100,
        "actual_input": 2200,
        "actual_output": 5000,
        "at": 1,
    }
    return Past([EstimateRow(**given | fields)])


def test_the_next_estimate_is_corrected() -> None:
    made, rows = task(), posts(200)
    before = line(made, rows)
    after = line(made, rows, past=past(made))
    assert after.output_tokens.expected == 200 * 50
    corrected = before.input_tokens.expected * 1.1
    assert after.input_tokens.expected == pytest.approx(corrected, rel=1e-3)
    # What is noted for the run after it is as it was counted, or corrections would wear off.
    assert after.priced.raw_input == before.priced.raw_input
    assert after.priced.raw_output == before.priced.raw_output
    assert after.high_pico == before.high_pico


def test_another_task_teaches_nothing() -> None:
    made, rows = task(), posts(200)
    assert line(made, rows, past=past(task(prompt="Other {{ text }}"))) == line(made, rows)


def test_another_model_teaches_how_long_answers_are() -> None:
    made, rows = task(), posts(200)
    found = line(made, rows, past=past(made, model="other"))
    assert found.output_tokens.expected == 200 * 50
    assert found.input_tokens == line(made, rows).input_tokens


def test_a_run_that_answered_nothing_teaches_nothing() -> None:
    made, rows = task(), posts(200)
    for nothing in ({"actual_items": 0}, {"actual_items": None}, {"actual_output": None}):
        assert line(made, rows, past=past(made, **nothing)) == line(made, rows)


def test_absurd_corrections_are_bounded() -> None:
    made, rows = task(), posts(200)
    found = line(made, rows, past=past(made, actual_input=10**9))
    assert found.input_tokens.expected == pytest.approx(
        5 * line(made, rows).input_tokens.expected, rel=1e-3
    )


def test_as_data() -> None:
    found = estimate([task(**LONG)], sample(posts(200)), {"judge": [target()]})
    facts = found.as_dict()
    assert facts["rows"] == facts["sampled"] == 200
    assert facts["lines"][0]["mode"] == "batch"
    assert facts["lines"][0]["cost_usd"]["expected"] == found.lines[0].expected
    assert found.of("judge")[0].lane == "batch"  # the cheapest first
