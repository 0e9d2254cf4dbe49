"""Requests for Together mean what its SDK sends."""

import pytest

from tests.wire.rows import ASKED, JSON_ASKED, Row

TOGETHER = Row("together")


def test_every_recorded_case_is_compared() -> None:
    assert TOGETHER.recorded.keys() == ASKED.keys() | {"embeddings", "models_list"}


@pytest.mark.parametrize("case", ASKED)
def test_the_request_means_what_the_sdk_sends(case: str) -> None:
    found, call = TOGETHER.case(case, ASKED[case])
    assert found == JSON_ASKED
    assert call.notices == ()


def test_the_other_calls() -> None:
    assert TOGETHER.embeddings() == JSON_ASKED
    assert TOGETHER.models() == JSON_ASKED
