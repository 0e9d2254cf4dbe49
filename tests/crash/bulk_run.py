"""Drives a bulk run until it ends: `bulk_run.py URL STORE ROWS CAP LANE` (batch or online)."""

import sys

from llm_orchestrator import LLMOrchestrator

URL, STORE, ROWS, CAP, LANE = sys.argv[1:6]
TASK = {
    "name": "say",
    "id": "id",
    "prompt": "Write about {{ text }} in 900 words.",
    "options": {"max_tokens": 400},
}


def main() -> None:
    settings = {"lease": 0.5, "create_timeout": 2.0, "list_lag": 0.5, "unit_items": 40}
    config = {
        "providers": {"openai": {"api_key": "sim-openai-key-1", "base_url": f"{URL}/openai/v1"}},
        "store": {"url": STORE},
        "retry": {"max_retries": 0},
        "bulk": settings,
    }
    rows = [{"id": f"r{n}", "text": f"post {n}"} for n in range(int(ROWS))]
    with LLMOrchestrator(config) as orchestrator:
        run = orchestrator.bulk(
            rows,
            task=TASK,
            models="gpt-4o-mini",
            name="run1",
            lane="batch" if LANE == "batch" else "online",
            max_cost=CAP,
            concurrency=8,
            clock=URL,
        )
        print(run.wait(), flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()
