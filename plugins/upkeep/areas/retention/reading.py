"""What an archive's bytes say, a batch in memory at a time. No other module is loaded for it: it starts at once.

``python -m upkeep.areas.retention.reading FILE`` prints it as JSON, ``{"error": …}`` when the file cannot be read.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

#: Rows that are read at once.
READ = 10_000


def batches(source: Any, size: int = READ, names: list[str] | None = None) -> Iterator[Any]:
    """The rows of an archive, so many at once; of some columns where these are named."""
    with pq.ParquetFile(source) as file:
        yield from file.iter_batches(batch_size=size, columns=names)


def content(source: Any) -> dict[str, Any]:
    """Count and content of an archive's rows, as ``digest.sql`` says it of the server's.

    Raises ValueError when a row has not the md5 that stands beside it.
    """
    rows = high = low = 0
    for batch in batches(source):
        *values, noted = batch.columns
        hashes = [hashlib.md5(row, usedforsecurity=False).digest() for row in _texts(values)]
        if [one.hex() for one in hashes] != noted.to_pylist():
            raise ValueError("a row has another content than its md5 says")
        for one in hashes:
            upper, lower = struct.unpack(">qq", one)
            high, low, rows = high + upper, low + lower, rows + 1
    return {"rows": rows, "high": str(high), "low": str(low)}


def _texts(values: list[Any]) -> Iterator[bytes]:
    """What each row's md5 is over."""
    wide_text, parts = pa.large_string(), []
    colon, nothing = pa.scalar(":", wide_text), pa.scalar("", wide_text)
    for column in values:
        wide = column.cast(wide_text)
        length = pc.binary_length(wide).cast(wide_text)
        parts.append(pc.fill_null(pc.binary_join_element_wise(length, wide, colon), colon))
    joined = pc.binary_join_element_wise(*parts, nothing).cast(pa.large_binary())
    found: list[bytes] = joined.to_pylist()
    return iter(found)


def _look(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            octets = file.tell()
            file.seek(0)
            columns = pq.read_schema(file).names
            file.seek(0)
            return {"bytes": octets, "sha256": sha256, "columns": columns, **content(file)}
    except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors or OSErrors
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


if __name__ == "__main__":
    print(json.dumps(_look(Path(sys.argv[1]))))
