"""Models, their prices and abilities: the only place where a price becomes a cost."""

from llm_orchestrator.catalog.catalog import Catalog
from llm_orchestrator.catalog.pricing import (
    Breakdown,
    Part,
    breakdown,
    cost,
    price_on,
    upper_bound,
)

__all__ = ["Breakdown", "Catalog", "Part", "breakdown", "cost", "price_on", "upper_bound"]
