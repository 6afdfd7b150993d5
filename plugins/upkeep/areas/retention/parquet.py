"""COPY into Parquet + zstd and back, streamed: no more of an archive is in memory than a row group."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from typing import IO, Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from upkeep.areas.retention.rows import ROW_MD5, Column

#: Bytes of text that are parsed at once: a row must fit, so that the next size is tried when one does not.
BLOCKS = (4 * 1024**2, 64 * 1024**2, 1024**3)
#: Bytes of rows in a group, and rows that are read back at once.
GROUP, READ = 32 * 1024**2, 10_000


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


def write(copy: psycopg.Copy, found: Sequence[Column], sink: IO[bytes], block: int) -> None:
    """Write what COPY sends (CSV, every value quoted) into a file. Raises RowTooLong, and what the driver raises."""
    names = [*(column.name for column in found), ROW_MD5]
    types = {column.name: column.type for column in found}
    schema = pa.schema([(name, pa.string()) for name in names], metadata={"postgresql types": json.dumps(types)})
    stream = _Stream(copy)
    try:
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
    except pa.ArrowInvalid as error:
        if stream.error is not None:
            raise stream.error from None
        if "straddling" in str(error):
            raise RowTooLong(str(error)) from None
        raise


def _groups(reader: Any) -> Iterator[list[Any]]:
    group: list[Any] = []
    for batch in reader:
        group.append(batch)
        if sum(one.nbytes for one in group) >= GROUP:
            yield group
            group = []
    if group:
        yield group


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
