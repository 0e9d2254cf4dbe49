"""Vectors of texts: those that share words lie close together."""

from __future__ import annotations

import math
import re

from llm_orchestrator.simulator.draw import Draw


def embed(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 from the words of a text, hashed to a few directions each."""
    vector = [0.0] * dimensions
    for term in re.findall(r"\w+", text.lower()) or [text]:
        draw = Draw("embed", term)
        for _ in range(8):
            vector[draw.below(dimensions)] += 1.0 if draw.below(2) else -1.0
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]
