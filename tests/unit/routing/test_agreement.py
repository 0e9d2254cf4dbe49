"""Confidence signals, each on its own."""

import msgspec
import pytest

from llm_orchestrator.errors import BudgetError, InvalidRequestError, ServerError
from llm_orchestrator.routing.agreement import UNCLEAR, Agreement, SelfConsistency
from llm_orchestrator.routing.base import Answer
from llm_orchestrator.routing.confidence import SIGNALS, signal
from llm_orchestrator.routing.judging import Judge, read_score
from llm_orchestrator.routing.learned import Learned
from llm_orchestrator.routing.logprobs import Logprobs
from llm_orchestrator.routing.phrases import Phrases
from llm_orchestrator.routing.signals import Case, Judgement, Signal, Stage
from llm_orchestrator.types.reply import Response
from llm_orchestrator.types.request import Request, ToolCall
from tests.unit.routing.fakes import (
    FLASH,
    GPT,
    HAIKU,
    MINI,
    NANO,
    Models,
    answer,
    offer,
    offers,
    request,
)

MUSING = "It is hard to say.\n\nVery hard."


async def judge(
    found: Signal,
    given: Answer,
    models: Models | None = None,
    *,
    asked: Request | None = None,
    others: tuple[str, ...] = (),
    earlier: tuple[Answer, ...] = (),
    **fields: object,
) -> Judgement:
    stage = Stage(
        offer=offer(given.name), others=tuple(offers(*others)), offers=tuple(offers(*others))
    )
    return await found(
        Case(
            request=asked or request(),
            answer=given,
            stage=stage,
            earlier=earlier,
            ask=models or Models({}),
            **fields,  # type: ignore[arg-type]
        )
    )


async def test_a_model_of_the_same_maker_is_no_second_opinion() -> None:
    models = Models({NANO: "12", FLASH: "12"})
    found = await judge(Agreement(), answer(MINI, "12"), models, others=(NANO, FLASH))
    assert models.asked == [FLASH]
    assert [one.name for one in found.asked] == [FLASH]
    assert found.steps[0].did == "agreed"


async def test_earlier_answers_count_and_nobody_is_asked() -> None:
    models = Models({})
    earlier = (answer(FLASH, "12"), answer(HAIKU, "13"))
    found = await judge(Agreement(), answer(MINI, "13"), models, earlier=earlier, others=(NANO,))
    assert models.asked == []
    assert found.best is not None
    assert found.best.text == "13"
    assert found.details["agreement"] == pytest.approx(2 / 3)


async def test_two_earlier_ones_that_agree_outweigh_a_third() -> None:
    earlier = (answer(FLASH, "12"), answer(HAIKU, "12"))
    found = await judge(Agreement(), answer(MINI, "13"), earlier=earlier)
    assert found.best is not None
    assert found.best.text == "12"


async def test_an_earlier_answer_without_a_form_is_no_opinion() -> None:
    models = Models({HAIKU: "12"})
    earlier = (answer(FLASH, MUSING),)
    found = await judge(Agreement(), answer(MINI, "12"), models, earlier=earlier, others=(HAIKU,))
    assert models.asked == [HAIKU]
    assert found.confidence == pytest.approx(0.845, abs=0.01)


async def test_a_second_that_says_nothing_is_replaced() -> None:
    models = Models({FLASH: MUSING, HAIKU: "13"})
    found = await judge(Agreement(), answer(MINI, "12"), models, others=(FLASH, HAIKU))
    assert models.asked == [FLASH, HAIKU]
    assert [one.name for one in found.asked] == [FLASH, HAIKU]
    assert found.confidence == pytest.approx(0.41, abs=0.01)


async def test_when_nobody_can_confirm_the_usual_trust_stands() -> None:
    models = Models({FLASH: MUSING})
    found = await judge(Agreement(), answer(MINI, "12"), models, others=(FLASH,))
    assert found.confidence == pytest.approx(0.7, abs=0.01)
    found = await judge(Agreement(), answer(MINI, "12"), earlier=(answer(FLASH, MUSING),))
    assert found.confidence == pytest.approx(0.7, abs=0.01)


async def test_trust_decides_how_sure_an_agreement_is() -> None:
    async def sure(weight: float) -> float:
        models = Models({FLASH: "12"})
        found = await judge(
            Agreement(), answer(MINI, "12"), models, others=(FLASH,), weights={MINI: weight}
        )
        assert found.confidence is not None
        return found.confidence

    assert await sure(0.1) < await sure(0.8) < await sure(2.0)


async def test_a_scorer_says_what_each_word_weighs() -> None:
    async def sure(right: float) -> float:
        models = Models({FLASH: "12"})
        found = await judge(
            Agreement(scorer=lambda request, answer: right),
            answer(MINI, "12"),
            models,
            others=(FLASH,),
        )
        assert found.confidence is not None
        return found.confidence

    assert await sure(0.5) < await sure(0.9)


async def test_no_money_for_a_second_opinion_is_told() -> None:
    models = Models({FLASH: "12"}, cap=1)
    with pytest.raises(BudgetError):
        await judge(Agreement(), answer(MINI, "12"), models, others=(FLASH,))


async def test_when_all_seconds_fail_nothing_is_known() -> None:
    models = Models({FLASH: ServerError("down"), HAIKU: ServerError("down")})
    found = await judge(Agreement(), answer(MINI, "12"), models, others=(FLASH, HAIKU))
    assert found.confidence is None
    assert [step.did for step in found.steps] == ["failed", "failed"]


async def test_at_the_end_nothing_more_is_paid_for() -> None:
    models = Models({FLASH: "12", MINI: "12"})
    for one in (Agreement(), SelfConsistency(), Judge()):
        await judge(one, answer(MINI, "12"), models, others=(FLASH,), final=True)
    assert models.asked == []


async def test_an_unclear_answer_to_a_clear_question() -> None:
    found = await judge(Agreement(), answer(MINI, "Many things can be said.\n\nVery many."))
    assert found.confidence == UNCLEAR


async def test_an_answer_that_was_cut_has_said_nothing_yet() -> None:
    models = Models({FLASH: "12"})
    cut = answer(MINI, "First, 5 and 7 are 12.\n\nSo far there are 12", "length")
    found = await judge(Agreement(), cut, models, others=(FLASH,))
    assert found.confidence == UNCLEAR
    assert models.asked == []


async def test_tool_calls_are_compared_by_their_arguments() -> None:
    def calling(name: str, arguments: str) -> Answer:
        plain = answer(name, "")
        call = ToolCall(id=f"of-{name}", name="weather", arguments=arguments)
        response = Response(parts=(call,), finish_reason="tool_calls", usage=None)
        return msgspec.structs.replace(plain, response=response)

    one = calling(MINI, '{"city": "Paris", "days": 2}')
    same = calling(FLASH, '{"days": 2.0, "city": "paris"}')
    other = calling(FLASH, '{"days": 3, "city": "Paris"}')
    agreed = await judge(Agreement(), one, earlier=(same,))
    assert agreed.confidence == pytest.approx(0.845, abs=0.01)
    differed = await judge(Agreement(), one, earlier=(other,))
    assert differed.confidence == pytest.approx(0.41, abs=0.01)


async def test_self_consistency_asks_as_few_as_decide() -> None:
    models = Models({MINI: ["12", "12"]})
    found = await judge(SelfConsistency(3), answer(MINI, "12"), models)
    assert models.asked == [MINI]
    assert found.confidence == 0.75
    models = Models({MINI: ["13", "12"]})
    found = await judge(SelfConsistency(3), answer(MINI, "12"), models)
    assert models.asked == [MINI, MINI]
    assert found.confidence == 0.6
    models = Models({MINI: ["13", "14", "15", "16"]})
    found = await judge(SelfConsistency(4), answer(MINI, "12"), models, threshold=0.7)
    assert len(models.asked) == 1, "two more cannot make it enough"


async def test_samples_that_decide_together_are_asked_at_once() -> None:
    models = Models({MINI: "12"})
    found = await judge(SelfConsistency(6), answer(MINI, "12"), models, threshold=0.8)
    assert models.at_once == 2
    assert found.confidence == 0.8


async def test_samples_vary() -> None:
    models = Models({MINI: ["13", "14"]})
    asked = request(temperature=0.0, seed=5)
    await judge(SelfConsistency(3), answer(MINI, "12"), models, asked=asked)
    assert [one.temperature for one in models.requests] == [0.7, 0.7]
    assert [one.seed for one in models.requests] == [6, 7]
    await judge(SelfConsistency(3), answer(MINI, "12"), models, asked=request(temperature=1.0))
    assert models.requests[-1].temperature == 1.0
    await judge(SelfConsistency(3), answer(MINI, "12"), models)
    assert models.requests[-1].temperature is None


async def test_samples_that_fail_tell_nothing() -> None:
    models = Models({MINI: ServerError("down")})
    found = await judge(SelfConsistency(3), answer(MINI, "12"), models)
    assert found.confidence is None


async def test_a_judge_gives_a_number() -> None:
    models = Models({GPT: "I would say: 85"})
    found = await judge(Judge(), answer(MINI, "12"), models, others=(GPT,))
    assert found.confidence == 0.85
    assert found.steps[0].name == GPT
    assert "<answer>\n12\n</answer>" in models.requests[0].messages[1].text


async def test_a_judge_that_fails_or_mumbles_tells_nothing() -> None:
    for said in ("It looks fine.", ServerError("down")):
        models = Models({GPT: said})
        found = await judge(Judge(), answer(MINI, "12"), models, others=(GPT,))
        assert found.confidence is None


@pytest.mark.parametrize(
    ("text", "score"),
    [("85", 0.85), ("Score: 7", 0.07), ("100/100", 1.0), ("1234", None), ("good", None),
     ("First 20, but then 90.", 0.9)],
)  # fmt: skip
def test_verdicts(text: str, score: float | None) -> None:
    assert read_score(text) == score


@pytest.mark.parametrize(
    ("told", "confidence"),
    [
        ({"content": [{"token": "a", "logprob": 0.0}, {"token": "b", "logprob": -0.2}]}, 0.905),
        ({"token_logprobs": [None, -0.1, -0.1]}, 0.905),
        ({"chosenCandidates": [{"logProbability": -0.1}]}, 0.905),
        ([-0.1, -0.1], 0.905),
        ({"content": []}, None),
        ({"content": [{"token": "a"}]}, None),
        ("odd", None),
        (None, None),
    ],
)
async def test_logprobs_in_all_their_shapes(told: object, confidence: float | None) -> None:
    given = answer(MINI, "12", extra={"logprobs": told})
    found = await judge(Logprobs(), given)
    assert found.confidence == (confidence and pytest.approx(confidence, abs=0.001))


async def test_logprobs_that_nobody_gave() -> None:
    assert (await judge(Logprobs(), answer(MINI, "12"))).confidence is None


async def test_what_was_learned() -> None:
    found = await judge(Learned(lambda request, answer: 1.5), answer(MINI, "12"))
    assert found.confidence == 1.0
    found = await judge(Learned(lambda request, answer: None), answer(MINI, "12"))
    assert found.confidence is None
    refusal = answer(MINI, "I'm sorry, but I cannot help with that.")
    found = await judge(Learned(lambda request, answer: 0.9), refusal)
    assert found.confidence == 0.0


async def test_phrases_find_what_is_no_answer() -> None:
    found = await judge(Phrases(), answer(MINI, "I cannot answer this question."))
    assert found.confidence == 0.0
    cut = answer(MINI, "The reasons are many, and", "length")
    assert (await judge(Phrases(), cut)).confidence == 0.1


def test_every_name_makes_its_signal() -> None:
    for name in SIGNALS:
        assert signal(name, scorer=lambda request, answer: None).name == name
    mine = Phrases()
    assert signal(mine) is mine
    with pytest.raises(InvalidRequestError, match="there are agreement"):
        signal("xyz")
