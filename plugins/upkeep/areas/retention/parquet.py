"""COPY into Parquet + zstd, streamed: no more of an archive is in memory than a row group."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

import psycopg
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from upkeep.areas.retention.rows import Column

#: Bytes of text that are parsed at once: a row must fit, so that the next size is tried when one does not. Many such
#: blocks are in memory at once.
BLOCKS = (512 * 1024, 4 * 1024**2, 64 * 1024**2, 1024**3)
#: Bytes of rows in a group: one is in memory with what is made of it.
GROUP = 12 * 1024**2


class _Stream:
    """What COPY sends, as a file that Arrow reads. The driver's error is kept, for Arrow would only name it."""

    def __init__(self, copy: psycopg.Copy) -> None:
        self.copy, self.left, self.ended, self.closed = copy, bytearray(), False, False
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self.ended and (size < 0 or len(self.left) < size):
                got = self.copy.read()
                self.ended = not got
                self.left += got
        except BaseException as error:
            self.error = error
            raise
        size = len(self.left) if size < 0 else size
        found = bytes(self.left[:size])
        del self.left[:size]
        return found

    def close(self) -> None:
        self.closed = True


class RowTooLong(Exception):
    """A row is longer than what is parsed at once."""


class _Hashing:
    """A file that Arrow writes to, and the SHA-256 of what it wrote."""

    closed = False

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink, self.sha256 = sink, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.sink.write(data)

    def tell(self) -> int:
        return self.sink.tell()

    def flush(self) -> None:
        self.sink.flush()


def write(copy: psycopg.Copy, found: Sequence[Column], sink: IO[bytes], block: int) -> dict[str, Any]:
    """Write what COPY sends (CSV, every value quoted) into a file; how many bytes, and their SHA-256, before any disk
    or service had them. Raises RowTooLong, and what the driver raises.
    """
    names = [column.name for column in found]
    types = {column.name: column.type for column in found}
    schema = pa.schema([(name, pa.string()) for name in names], metadata={"postgresql types": json.dumps(types)})
    stream, hashing = _Stream(copy), _Hashing(sink)
    try:
        with _sparing():
            _write(stream, names, schema, hashing, block)
    except pa.ArrowInvalid as error:
        if stream.error is not None:
            raise stream.error from None
        if "straddling" in str(error):
            raise RowTooLong(str(error)) from None
        raise
    return {"bytes": hashing.tell(), "sha256": hashing.sha256.hexdigest()}


@contextmanager
def _sparing() -> Iterator[None]:
    """Have Arrow give memory back at once; its usual allocator keeps as much again as it uses."""
    before = pa.default_memory_pool()
    with suppress(NotImplementedError):  # it is not built into every pyarrow
        pool = pa.jemalloc_memory_pool()
        pa.jemalloc_set_decay_ms(0)
        pa.set_memory_pool(pool)
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _write(stream: _Stream, names: list[str], schema: Any, sink: _Hashing, block: int) -> None:
    reader = pa_csv.open_csv(
        pa.PythonFile(stream, mode="r"),
        pa_csv.ReadOptions(block_size=block, column_names=names, use_threads=False),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=3) as writer:
        for group in _groups(reader):
            writer.write_table(pa.Table.from_batches(group).cast(schema))


def _groups(reader: Any) -> Iterator[list[Any]]:
    group: list[Any] = []
    for batch in reader:
        group.append(batch)
        if sum(one.nbytes for one in group) >= GROUP:
            yield group
            group = []
    if group:
        yield group
