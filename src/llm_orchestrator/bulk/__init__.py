"""Bulk runs: many rows, in batches of providers or one by one, each paid once."""
