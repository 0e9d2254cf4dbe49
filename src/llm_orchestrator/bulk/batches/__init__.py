"""Batches of providers, from rows to results, by steps that each may be repeated."""
