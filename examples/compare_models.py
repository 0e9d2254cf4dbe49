"""The same prompt to several models, five times each: what it costs and how long it takes.

python examples/compare_models.py gpt-4o-mini gpt-4o claude-haiku-4-5
"""

import sys
from statistics import median

from llm_orchestrator import LLMOrchestrator, OrchestratorError

MODELS = ("gpt-4o-mini", "gpt-4o", "claude-haiku-4-5")
PROMPT = "Summarise quantum physics in 50 words."
TIMES = 5


def main(models: list[str]) -> None:
    """Print a line for each model, the cheapest first."""
    lines = []
    for model in models:
        # A chain of one: another model's answer would spoil the comparison.
        with LLMOrchestrator() as orchestrator:
            try:
                replies = [
                    orchestrator.send_request(PROMPT, chain=[model], category="comparison")
                    for _ in range(TIMES)
                ]
            except OrchestratorError as error:
                print(f"{model}: {error}", file=sys.stderr)
                continue
            cost = orchestrator.get_session_cost() / TIMES
        seconds = median(reply.latency_s for reply in replies)
        words = median(len(reply.content.split()) for reply in replies)
        lines.append((cost, model, seconds, words))
    print(f"{'model':<28} {'cost per request':>18} {'seconds':>9} {'words':>7}")
    for cost, model, seconds, words in sorted(lines):
        print(f"{model:<28} {f'${cost:f}':>18} {seconds:>9.2f} {words:>7.0f}")


if __name__ == "__main__":
    main(sys.argv[1:] or list(MODELS))
