"""What an archive's bytes say, a batch in memory at a time. No other module is loaded for it: it starts at once.

``python -m upkeep.areas.retention.reading FILE COLUMN`` prints it as JSON, ``{"error": …}`` when the file cannot be
read. The content is that of all columns but this one, which may be none's name. The file may be a blob's URL: then the
SAS comes from standard input, and only then the wire is loaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

#: Rows that are read at once, and so deleted at once at most (``batch_rows``).
READ = 10_000


def batches(source: Any, without: str = "") -> Iterator[Any]:
    """The rows of an archive, so many at once, and of no two groups: those are cut by their bytes.

    All columns but ``without``.
    """
    with pq.ParquetFile(source) as file:
        kept = [number for number, name in enumerate(file.schema_arrow.names) if name != without]
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=READ, row_groups=[group]):
                yield batch.select(kept)


def content(source: Any, without: str = "") -> dict[str, Any]:
    """Count and content of an archive's rows, as ``digest.sql`` says it of the server's."""
    rows = high = low = 0
    for batch in batches(source, without):
        hashes = b"".join(one.digest() for one in _hashes(batch))
        halves = struct.unpack(f">{len(hashes) // 8}q", hashes)
        rows, high, low = rows + len(batch), high + sum(halves[::2]), low + sum(halves[1::2])
    return {"rows": rows, "high": str(high), "low": str(low)}


def hashed(source: Any, key: list[str]) -> Iterator[list[list[str]]]:
    """The rows of an archive, so many at once: each key column's values, then each row's md5. Raises ValueError."""
    for batch in batches(source):
        yield [*(_texts_of(batch, name) for name in key), [one.hexdigest() for one in _hashes(batch)]]


def _texts_of(batch: Any, name: str) -> list[str]:
    """The values of a key's column: whoever writes to the store may put another file there at any moment."""
    found = [batch.column(number) for number in batch.schema.get_all_field_indices(name)]
    if [(column.type, column.null_count) for column in found] != [(pa.string(), 0)]:
        raise ValueError(f"expected one column {name} with a text in each row: another file was put in its place")
    values: list[str] = found[0].to_pylist()
    return values


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


def _look(source: str, without: str) -> dict[str, Any]:
    try:
        if source.startswith(("http://", "https://")):
            return _look_at_blob(source, sys.stdin.read(), without)
        with Path(source).open("rb") as file:
            return _found(file, without)
    except (OSError, ValueError) as error:  # Arrow's errors are ValueErrors or OSErrors
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def _found(file: BufferedIOBase, without: str) -> dict[str, Any]:
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    octets = file.tell()
    file.seek(0)
    columns = pq.read_schema(file).names
    file.seek(0)
    return {"bytes": octets, "sha256": sha256, "columns": columns, **content(file, without)}


def _md5(file: BufferedIOBase) -> str:
    """What the Blob service calls Content-MD5."""
    file.seek(0)
    found = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False))
    return base64.b64encode(found.digest()).decode()


def _look_at_blob(url: str, sas: str, without: str) -> dict[str, Any]:
    from upkeep.wires.blob_answers import BlobError, Missing  # noqa: PLC0415
    from upkeep.wires.blobs import Container  # noqa: PLC0415

    container, _, name = url.rpartition("/")
    try:
        with tempfile.TemporaryFile(prefix="upkeep-archive-") as file:
            Container(container, lambda: sas).download(unquote(name), file)
            file.seek(0)
            return {**_found(file, without), "md5": _md5(file)}
    except Missing:
        raise
    except BlobError as why:
        return {"unreached": str(why)}
    except OSError as why:
        if why.errno is None:  # Arrow's, of what was read whole
            raise
        return {"unreached": f"the temporary directory of this machine: {why}"}


if __name__ == "__main__":
    pa.set_memory_pool(pa.system_memory_pool())  # 60 MB less than by Arrow's own, and no slower
    print(json.dumps(_look(sys.argv[1], sys.argv[2])))
