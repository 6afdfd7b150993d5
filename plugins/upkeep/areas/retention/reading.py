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


def batches(source: Any) -> Iterator[Any]:
    """The rows of an archive, so many at once, and of no two groups: those are cut by their bytes."""
    with pq.ParquetFile(source) as file:
        for group in range(file.num_row_groups):
            yield from file.iter_batches(batch_size=READ, row_groups=[group])


def content(source: Any) -> dict[str, Any]:
    """Count and content of an archive's rows, as ``digest.sql`` says it of the server's."""
    rows = high = low = 0
    for batch in batches(source):
        hashes = b"".join(one.digest() for one in _hashes(batch))
        halves = struct.unpack(f">{len(hashes) // 8}q", hashes)
        rows, high, low = rows + len(batch), high + sum(halves[::2]), low + sum(halves[1::2])
    return {"rows": rows, "high": str(high), "low": str(low)}


def hashed(source: Any, key: list[str]) -> Iterator[list[list[str]]]:
    """The rows of an archive, so many at once: the values of each key column, then each row's md5."""
    for batch in batches(source):
        yield [*(batch.column(name).to_pylist() for name in key), [one.hexdigest() for one in _hashes(batch)]]


def _hashes(batch: Any) -> Iterator[Any]:
    """Each row's md5, over its texts."""
    return (hashlib.md5(row, usedforsecurity=False) for row in _texts(batch.columns))


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
