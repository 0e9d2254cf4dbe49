"""One model of a chain, by a score of the prompt."""

import pytest

from llm_orchestrator.errors import BudgetError, ClosedError, ContentFilterError, ServerError
from llm_orchestrator.routing import cascade
from llm_orchestrator.routing.base import Offer, Strategy
from llm_orchestrator.routing.prior import Guess
from llm_orchestrator.routing.scored import Foresight, scored
from tests.unit.routing.fakes import FLASH, GPT, MINI, Models, offers, request

SAID = {FLASH: "12", MINI: "The answer is 12.", GPT: "13"}


def guess(score: float, *, known: bool = True) -> Foresight:
    return lambda weak, strong: Guess(score, known=known, why="as told")


def strategy(foresee: Foresight, gain: float = 0.1) -> Strategy:
    return scored(foresee, gain=gain, otherwise=cascade.fallback())


@pytest.mark.parametrize(
    "score,name",
    [(0.5, GPT), (0.1, GPT), (0.099, FLASH), (-1.0, FLASH)],
)
async def test_the_score_chooses_one_end_of_the_chain(score: float, name: str) -> None:
    models = Models(SAID)
    found = await strategy(guess(score))(request(), offers(FLASH, MINI, GPT), models)
    assert models.asked == [name]
    assert found.answer.name == name
    assert found.details == {"score": score}
    assert found.reason.endswith("as told")


async def test_the_ends_of_the_chain_are_weighed() -> None:
    seen: list[str] = []

    def foresee(weak: Offer, strong: Offer) -> Guess:
        seen.extend((weak.name, strong.name))
        return Guess(0.0, known=True, why="")

    await strategy(foresee)(request(), offers(FLASH, MINI, spare=[GPT]), Models(SAID))
    assert seen == [FLASH, MINI]


async def test_where_nothing_is_known_a_cascade_decides() -> None:
    models = Models(SAID)
    found = await strategy(guess(9, known=False))(request(), offers(FLASH, MINI, GPT), models)
    assert models.asked == [FLASH, MINI]  # two that agree
    assert found.notices[0] == "no score of the prompt: as told"
    assert found.confidence is not None


async def test_others_help_when_the_chosen_one_fails() -> None:
    models = Models({**SAID, GPT: ServerError("down")})
    found = await strategy(guess(0.5))(request(), offers(FLASH, MINI, GPT), models)
    assert models.asked == [GPT, MINI]
    assert [(one.name, one.did) for one in found.steps] == [(GPT, "failed"), (MINI, "answered")]


async def test_nobody_answers() -> None:
    down = Models({FLASH: ServerError("first"), GPT: ServerError("second")})
    with pytest.raises(ServerError, match="first"):
        await strategy(guess(0.0))(request(), offers(FLASH, GPT), down)


@pytest.mark.parametrize("error", [ClosedError("closed"), ContentFilterError("refused")])
async def test_an_end_is_an_end(error: ClosedError | ContentFilterError) -> None:
    models = Models({**SAID, GPT: error})
    with pytest.raises(type(error)):
        await strategy(guess(0.5))(request(), offers(FLASH, GPT), models)
    assert models.asked == [GPT]


async def test_a_cap_that_pays_for_the_weak_one_only() -> None:
    models = Models(SAID, cap=10)
    found = await strategy(guess(0.5))(request(), offers(FLASH, GPT), models)
    assert found.answer.name == FLASH
    with pytest.raises(BudgetError):
        await strategy(guess(0.5))(request(), offers(FLASH, GPT), Models(SAID, cap=1))
