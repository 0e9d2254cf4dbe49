"""Rows of a Parquet file, by pyarrow (extra ``parquet``)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llm_orchestrator.bulk.rows.row import Row, RowError
from llm_orchestrator.errors import ConfigError, InvalidRequestError

_ROWS = 2000
"""Rows that are in memory at once."""


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows in their order; raises `InvalidRequestError` for a file that is none."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ConfigError(
            "Parquet files need pyarrow: pip install 'llm-orchestrator[parquet]'"
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
                for data in batch.to_pylist():
                    number += 1
                    yield _row(number, data)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        if number == 0:
            raise InvalidRequestError(f"{path} is no readable Parquet file: {reason}") from None
        what = f"the file is broken from here on: {reason}"
        yield Row(number + 1, None, RowError(what, "broken"))


def _row(number: int, data: dict[str, Any]) -> Row:
    try:
        # What JSON cannot hold (times, decimals) becomes the text that it is in JSON.
        return Row(number, msgspec.to_builtins(data, str_keys=True))
    except (TypeError, ValueError) as error:
        return Row(number, None, RowError(f"this cannot be written as JSON: {error}", "broken"))
