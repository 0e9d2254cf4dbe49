"""Chains that are climbed until an answer convinces."""

from collections.abc import Mapping

import msgspec
import pytest

from llm_orchestrator.errors import (
    BudgetError,
    ClosedError,
    ContentFilterError,
    InvalidRequestError,
    ServerError,
)
from llm_orchestrator.routing import cascade
from llm_orchestrator.routing.base import Offer
from llm_orchestrator.routing.signals import Case, Judgement, Stage
from llm_orchestrator.types.provider import Candidate
from tests.unit.routing.fakes import (
    FLASH,
    GPT,
    HAIKU,
    LLAMA,
    MINI,
    NANO,
    SONNET,
    Models,
    offer,
    offers,
    request,
)

REFUSAL = "I'm sorry, but I can't assist with that request."
ESSAY = (
    "There are many ways to see this, and each of them has its own place in a longer story.\n\n"
    "A second paragraph follows the first one, and it ends with a full stop as well."
)


class Fixed:
    """A signal that says what it is told, model by model."""

    name = "fixed"

    def __init__(self, sure: Mapping[str, float | None]) -> None:
        self._sure = sure

    async def __call__(self, case: Case) -> Judgement:
        name = case.answer.name
        return Judgement(confidence=self._sure.get(name, 0.0), why=f"{name} was judged")

    def needs(self, stage: Stage) -> tuple[Offer, ...]:
        return ()


async def test_two_makers_that_agree_end_the_chain() -> None:
    models = Models({FLASH: "12", MINI: "The answer is 12.", GPT: "13"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, GPT), models)
    assert found.answer.name in {FLASH, MINI}
    assert models.asked == [FLASH, MINI]
    assert found.confidence == pytest.approx(0.845, abs=0.01)
    assert found.details["agreement"] == 1.0
    assert [one.name for one in found.members] == [FLASH, MINI]
    assert not found.stopped
    assert "agree" in found.reason


async def test_two_that_differ_are_settled_by_the_third_that_agrees_with_one() -> None:
    models = Models({FLASH: "12", MINI: "14", HAIKU: "14", GPT: "15"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, HAIKU, GPT), models)
    assert found.answer.text == "14"
    assert models.asked == [FLASH, MINI, HAIKU]
    assert found.confidence == pytest.approx(0.617, abs=0.01)
    assert found.details["dissent"] == [FLASH]


async def test_the_strong_one_has_the_last_word() -> None:
    models = Models({FLASH: "12", MINI: "13", GPT: "14"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, GPT), models)
    assert found.answer.name == GPT
    assert models.asked == [FLASH, MINI, GPT]
    assert found.confidence is not None
    assert found.confidence < 0.6
    assert len(found.details["all_confidences"]) == 3
    assert not found.stopped


async def test_a_higher_threshold_wants_more() -> None:
    said = {FLASH: "12", MINI: "12", GPT: "12"}
    models = Models(said)
    await cascade.fallback(threshold=0.9)(request(), offers(FLASH, MINI, GPT), models)
    assert models.asked == [FLASH, MINI, GPT]
    models = Models(said)
    found = await cascade.fallback(threshold=0)(request(), offers(FLASH, MINI, GPT), models)
    assert found.answer.name in {FLASH, MINI}


async def test_a_spare_of_another_maker_gives_the_second_opinion() -> None:
    models = Models({NANO: "12", GPT: "13", FLASH: "12"})
    found = await cascade.fallback()(request(), offers(NANO, GPT, spare=[FLASH]), models)
    assert models.asked == [NANO, FLASH]
    assert found.answer.text == "12"


async def test_the_strong_one_is_no_second_opinion() -> None:
    """Nor is a spare that costs as much: then it can be asked itself."""
    models = Models({NANO: ["12", "12"], SONNET: "13", GPT: "99"})
    chain = [offer(NANO), offer(GPT), offer(SONNET, spare=True)]
    found = await cascade.fallback()(request(), chain, models)
    assert models.asked == [NANO, NANO]
    assert any("self_consistency" in notice for notice in found.notices)


async def test_one_maker_alone_is_asked_again_and_says_so() -> None:
    models = Models({NANO: ["12", "12", "12"], GPT: "13"})
    found = await cascade.fallback()(request(), offers(NANO, GPT), models)
    assert models.asked == [NANO, NANO]
    assert found.answer.text == "12"
    assert found.notices == (
        "confidence by self_consistency: there is no model of another maker to ask",
    )


async def test_one_maker_that_contradicts_itself_escalates() -> None:
    models = Models({NANO: ["12", "13", "14"], GPT: "15"})
    found = await cascade.fallback()(request(), offers(NANO, GPT), models)
    assert models.asked == [NANO, NANO, NANO, GPT]
    assert found.answer.name == GPT


async def test_a_scorer_stands_in_where_there_is_one_maker() -> None:
    models = Models({NANO: "12", GPT: "13"})
    strategy = cascade.fallback(scorer=lambda request, answer: 0.9)
    found = await strategy(request(), offers(NANO, GPT), models)
    assert models.asked == [NANO]
    assert found.confidence == 0.9
    assert "learned" in found.notices[0]


async def test_a_refusal_convinces_nobody_and_needs_no_second_opinion() -> None:
    models = Models({FLASH: REFUSAL, MINI: "12", HAIKU: "12", GPT: "13"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, HAIKU, GPT), models)
    assert models.asked == [FLASH, MINI, HAIKU]
    assert found.answer.text == "12"


async def test_answers_that_cannot_be_compared_are_judged_by_whom_the_caller_names() -> None:
    models = Models({FLASH: ESSAY, HAIKU: "85", GPT: ESSAY})
    chain = offers(FLASH, HAIKU, GPT)
    found = await cascade.fallback(judge=HAIKU)(request("Tell me."), chain, models)
    assert models.asked == [FLASH, HAIKU]
    assert found.answer.name == FLASH
    assert found.confidence == 0.85
    assert "judge" in found.notices[0]


async def test_without_a_judge_only_their_words_are_left() -> None:
    models = Models({FLASH: ESSAY, HAIKU: "85", GPT: ESSAY})
    found = await cascade.fallback()(request("Tell me."), offers(FLASH, HAIKU, GPT), models)
    assert models.asked == [FLASH]
    assert "phrases" in found.notices[0]


async def test_an_answer_that_misses_the_question_convinces_nobody() -> None:
    models = Models({FLASH: ESSAY, MINI: "12", HAIKU: "12", GPT: "13"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, HAIKU, GPT), models)
    assert found.answer.text == "12"
    assert models.asked == [FLASH, MINI, HAIKU]


async def test_a_member_that_fails_is_skipped() -> None:
    models = Models({FLASH: ServerError("down"), MINI: "12", HAIKU: "12", GPT: "13"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, HAIKU, GPT), models)
    assert found.answer.text == "12"
    assert [step.did for step in found.steps][:2] == ["failed", "answered"]


async def test_a_second_opinion_that_fails_is_replaced() -> None:
    models = Models({FLASH: "12", MINI: ServerError("down"), HAIKU: "12", GPT: "13"})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, HAIKU, GPT), models)
    assert models.asked == [FLASH, MINI, HAIKU]
    assert found.answer.text == "12"


async def test_the_first_error_is_raised_when_nobody_answers() -> None:
    models = Models({FLASH: ServerError("first"), GPT: ServerError("second")})
    with pytest.raises(ServerError, match="first"):
        await cascade.fallback()(request(), offers(FLASH, GPT), models)


async def test_when_the_last_member_fails_the_best_answer_so_far_is_marked() -> None:
    models = Models({FLASH: "12", MINI: "13", GPT: ServerError("down")})
    found = await cascade.fallback()(request(), offers(FLASH, MINI, GPT), models)
    assert found.answer.name in {FLASH, MINI}
    assert found.stopped == f"{GPT} failed"


async def test_a_refused_content_is_not_routed_around() -> None:
    models = Models({FLASH: ContentFilterError("no"), GPT: "12"})
    with pytest.raises(ContentFilterError):
        await cascade.fallback()(request(), offers(FLASH, GPT), models)
    assert models.asked == [FLASH]


async def test_a_closed_orchestrator_ends_it() -> None:
    models = Models({FLASH: "12", MINI: ClosedError("closed"), GPT: "13"})
    with pytest.raises(ClosedError):
        await cascade.fallback()(request(), offers(FLASH, MINI, GPT), models)


@pytest.mark.parametrize(
    ("cap", "asked", "text"),
    [
        (12, [FLASH, MINI, GPT], "12"),  # no money for the strong one
        (7, [FLASH, MINI], "12"),  # nor for a second opinion
    ],
)
async def test_a_cap_ends_it_with_the_best_answer_so_far(
    cap: int, asked: list[str], text: str
) -> None:
    models = Models({FLASH: "12", MINI: "13", GPT: "14"}, cap=cap)
    found = await cascade.fallback()(request(), offers(FLASH, MINI, GPT), models)
    assert models.asked == asked
    assert found.answer.text == text
    assert "cap" in found.stopped


async def test_a_cap_below_the_first_member_may_still_pay_for_a_cheaper_one() -> None:
    models = Models({MINI: "12", FLASH: "13", GPT: "14"}, cap=7)
    found = await cascade.fallback(confidence=Fixed({FLASH: 0.9}))(
        request(), offers(MINI, FLASH, GPT), models
    )
    assert found.answer.name == FLASH
    models = Models({MINI: "12", GPT: "14"}, cap=1)
    with pytest.raises(BudgetError):
        await cascade.fallback()(request(), offers(MINI, GPT), models)


async def test_a_chain_that_costs_more_than_its_last_member_is_not_begun() -> None:
    chain = [offer(FLASH, 50), offer(MINI, 50), offer(GPT, 60)]
    models = Models({FLASH: "12", MINI: "12", GPT: "13"})
    found = await cascade.fallback()(request(), chain, models)
    assert models.asked == [GPT]
    assert found.answer.name == GPT
    assert f"asked {GPT} at once" in found.reason
    assert found.notices == (found.reason,)
    models = Models({FLASH: "12", MINI: "12", GPT: "13"})
    await cascade.fallback(planned=False)(request(), chain, models)
    assert models.asked == [FLASH, MINI]


async def test_when_the_strong_one_fails_the_planned_chain_goes_down() -> None:
    chain = [offer(FLASH, 50), offer(MINI, 55), offer(GPT, 60)]
    models = Models({FLASH: "12", MINI: "13", GPT: ServerError("down")})
    found = await cascade.fallback()(request(), chain, models)
    assert models.asked == [GPT, MINI]
    assert found.answer.name == MINI


async def test_a_chain_of_one_asks_once() -> None:
    models = Models({FLASH: "12", MINI: "13"})
    found = await cascade.fallback()(request(), offers(FLASH, spare=[MINI]), models)
    assert models.asked == [FLASH]
    assert found.answer.text == "12"


async def test_signals_of_others_are_asked() -> None:
    models = Models({LLAMA: "1", FLASH: "2", GPT: "3"})
    signal = Fixed({LLAMA: None, FLASH: 0.6})
    found = await cascade.fallback(confidence=signal)(request(), offers(LLAMA, FLASH, GPT), models)
    assert found.answer.name == FLASH
    assert found.details["signal"] == "fixed"
    assert found.details["all_confidences"] == [None, 0.6]
    assert found.steps[0].why == f"{LLAMA} was judged"


def giving(offered: Offer, how: str, *abilities: str) -> Offer:
    """The offer, whose provider gives log probabilities when it is asked in that way."""
    there = offered.candidate
    provider = msgspec.structs.replace(
        there.provider,
        quirks=msgspec.structs.replace(there.provider.quirks, logprobs=how),
    )
    model = msgspec.structs.replace(there.model, abilities=frozenset(abilities) or None)
    return msgspec.structs.replace(offered, candidate=Candidate(provider, model))


async def test_models_that_think_are_not_asked_for_log_probabilities() -> None:
    models = Models({MINI: "12", GPT: "13"})
    chain = [giving(offer(MINI), "flag", "reasoning"), giving(offer(GPT), "flag", "tools")]
    await cascade.fallback(confidence="logprobs")(request(), chain, models)
    assert [dict(one.extra) for one in models.requests] == [{}, {"logprobs": True}]


async def test_log_probabilities_are_asked_for_where_they_are_given() -> None:
    models = Models({LLAMA: "12", HAIKU: "13", MINI: "14", GPT: "15"})
    chain = [
        giving(offer(name), how)
        for name, how in ((LLAMA, "number"), (HAIKU, ""), (MINI, "flag"), (GPT, "flag"))
    ]
    found = await cascade.fallback(confidence="logprobs")(request(extra={"n": 1}), chain, models)
    assert found.answer.name == GPT, "nobody gave any"
    extras = dict(zip(models.asked, (one.extra for one in models.requests), strict=True))
    assert extras[HAIKU] == {"n": 1}
    assert extras[LLAMA] == {"logprobs": 1, "n": 1}
    assert extras[MINI] == extras[GPT] == {"logprobs": True, "n": 1}


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "0.6", True, None])
def test_bad_thresholds(threshold: object) -> None:
    with pytest.raises(InvalidRequestError, match="threshold"):
        cascade.fallback(threshold=threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"confidence": "agreemnt"}, "did you mean agreement"),
        ({"confidence": "learned"}, "scorer"),
        ({"k": 1}, "k: expected 2"),
    ],
)
def test_bad_options(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        cascade.fallback(**options)  # type: ignore[arg-type]


async def test_an_unknown_judge_is_an_error_before_anything_is_spent() -> None:
    models = Models({FLASH: "12", GPT: "13"})
    with pytest.raises(InvalidRequestError, match="judge"):
        await cascade.fallback(confidence="judge", judge="nobody")(
            request(), offers(FLASH, GPT), models
        )
    assert models.asked == []
