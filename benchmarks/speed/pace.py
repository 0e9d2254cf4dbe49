"""How fast the machine is just now, for CPU time itself is longer where neighbours are at work.

On the machine that the limits were set on, two quiet cores, the job takes `REFERENCE_MS`.
"""

import json
import time

REFERENCE_MS = 12.0


def pace() -> float:
    """CPU milliseconds of a fixed job in the interpreter; the median of some runs."""
    spent = []
    for _ in range(5):
        began = time.thread_time()
        _job()
        spent.append(time.thread_time() - began)
    return sorted(spent)[2] * 1e3


def _job() -> int:
    rows = [{"id": f"row-{number}", "text": "a word " * (number % 9)} for number in range(250)]
    total = 0
    for _ in range(40):
        there = {row["id"]: len(row["text"]) for row in json.loads(json.dumps(rows))}
        total += sum(there.values())
        for number in range(4000):
            total += number * number % 7
    return total
