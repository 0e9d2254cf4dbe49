"""Many prompts from a CSV file, with typed answers and a limit on what is in flight.

python examples/classify.py examples/posts.csv 40
"""

import asyncio
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_orchestrator import AsyncLLMOrchestrator, OrchestratorError

IN_FLIGHT = 16


@dataclass
class Verdict:
    """What is asked for; on the wire it becomes a JSON schema."""

    label: Literal["praise", "complaint", "question", "other"]
    urgent: bool


async def main(path: Path, most: int) -> None:
    """Classify the first posts of the file and print how the labels are spread."""
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:most]
    places = asyncio.Semaphore(IN_FLIGHT)

    async with AsyncLLMOrchestrator() as orchestrator:

        async def judge(text: str) -> str:
            async with places:
                try:
                    reply = await orchestrator.send_request(
                        text, system="Sort this mail.", schema=Verdict, category="sorting"
                    )
                except OrchestratorError as error:
                    return f"no answer: {type(error).__name__}"
            verdict: Verdict = reply.parsed
            return f"{verdict.label}{' (urgent)' if verdict.urgent else ''}"

        labels = Counter(await asyncio.gather(*map(judge, texts)))
        cost = await orchestrator.get_session_cost()

    for label, number in labels.most_common():
        print(f"{number:>4}  {label}")
    print(f"\n{len(texts)} texts for {cost:f} USD")


if __name__ == "__main__":
    here = Path(__file__).with_name("posts.csv")
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    asyncio.run(main(file, int(sys.argv[2]) if len(sys.argv) > 2 else 40))
