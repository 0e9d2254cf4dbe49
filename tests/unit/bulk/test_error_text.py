"""Errors that come again are known again."""

from llm_orchestrator.bulk.error_text import without_details


def test_what_differs_each_time_is_left_out() -> None:
    gone = "NotFoundError: openai/gpt-4o-mini: no such file (404, request req_{})"
    assert without_details(gone.format("abc")) == without_details(gone.format("xyz"))
    full = (
        "StoreError: /home/bulk/w1.results-{}/0/reply-1 cannot be written: No space left on device"
    )
    assert without_details(full.format("302_pw2c")) == without_details(full.format("kn5_l7zj"))
    assert without_details(full.format("a")) != without_details(
        full.format("a").replace("w1", "w2")
    )
