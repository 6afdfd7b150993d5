"""Rows of an archive that was read again leave their log: short transactions, in each the proof is looked at again.

A transaction has as many rows as its DELETE takes in ``SECONDS``; the next ones are read while it runs.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BufferedIOBase
from typing import TypeVar

from psycopg import sql

from upkeep.areas.retention import reading, rows
from upkeep.areas.retention.proof import Proof
from upkeep.areas.retention.reread import NotAsWritten
from upkeep.areas.retention.store import OBJECT
from upkeep.wires.blobs import retrying
from upkeep.wires.database import Row, Session

#: Rows of the first transaction, and of each at least (``batch_rows`` may be fewer): what is looked at beside them, and
#: the sync, are the same for few, so that on a busy machine smaller ones would make it longer and longer.
LEAST = 1_000
#: How long a DELETE is to take, in seconds: less than half of what a transaction may, for some take twice as long.
SECONDS = 0.04

T = TypeVar("T")


@dataclass(frozen=True)
class Count:
    """Rows of an archive: deleted now, kept because they were changed or are held, not there any more."""

    deleted: int = 0
    kept: int = 0
    gone: int = 0

    def __str__(self) -> str:
        said = f"{self.deleted:,} rows deleted, {self.kept:,} kept for they were changed since"
        return said + (f", {self.gone:,} were gone already" if self.gone else "")


def deleting(session: Session, proof: Proof) -> Iterator[Count]:
    """Delete the rows of an archive that was read again, a batch in a transaction; the count up to each.

    Raises NotAsWritten when these were not all of them, and what ``Proof.still_holds`` and ``reading.hashed`` raise.
    """
    count, size = Count(), LEAST
    retrying()(_holds, session, proof)
    with (
        _opened(proof) as file,
        closing(ahead(reading.hashed(file, proof.manifest["key"]))) as coming,  # its thread ends before the file
    ):
        yield count  # to open and compare it may have taken long: time and guards are looked at before the first batch
        for read in coming:
            start = 0
            while start < len(read[-1]):
                size = min(size, proof.retention.batch_rows)
                values = [column[start : start + size] for column in read]
                found, seconds = retrying()(_delete, session, proof, values)  # a store may answer a moment later
                rows_now = len(values[-1])
                count = replace(
                    count,
                    deleted=count.deleted + found["deleted"],
                    kept=count.kept + found["present"] - found["deleted"],
                    gone=count.gone + rows_now - found["present"],
                )
                yield count
                size = next_size(size, rows_now, seconds)
                start += rows_now
    expected = proof.manifest["content"]["rows"]
    if (total := count.deleted + count.kept + count.gone) != expected:
        raise NotAsWritten(f"{proof.name + OBJECT}: went through {total:,} rows, expected {expected:,}")


@contextmanager
def _opened(proof: Proof) -> Iterator[BufferedIOBase]:
    with proof.store.open(proof.name + OBJECT) as file:
        proof.same_bytes(file)
        yield file


def _holds(session: Session, proof: Proof) -> None:
    with session.connection.transaction():
        proof.still_holds(session, datetime.now(UTC))


def _delete(session: Session, proof: Proof, values: list[list[str]]) -> tuple[Row, float]:
    """One transaction: what of these rows is still as archived goes; what went, and the seconds of that."""
    statement = _batch(session, proof, values).as_string(session.connection)
    with session.connection.transaction():
        session.rows(session.load("retention/all_rows"))
        began = time.monotonic()
        found = session.row(statement)
        seconds = time.monotonic() - began
        proof.still_holds(session, datetime.now(UTC))  # holding the lock under which the table stays as it is
    return found, seconds


def _batch(session: Session, proof: Proof, values: list[list[str]]) -> sql.Composed:
    """The statement that deletes what still is as archived; the last of ``values`` are the rows' md5s."""
    one, keys = proof.retention.classes[proof.period.name], [column for column in proof.columns if column.key]
    named = {column.name: number for number, column in enumerate(keys)}
    return sql.SQL(session.load("retention/delete_batch")).format(
        values=sql.SQL(", ").join(sql.SQL("{}::text[]").format(array(found)) for found in values),
        rows=sql.Literal(len(values[-1])),
        names=sql.SQL(", ").join(sql.Identifier(f"k{number}") for number in named.values()),
        table=sql.Identifier(*one.table),
        same_key=sql.SQL(" AND ").join(
            sql.SQL("t.{} = a.{}::{}").format(
                sql.Identifier(column.name), sql.Identifier(f"k{named[column.name]}"), sql.SQL(column.type)
            )
            for column in keys
        ),
        digest=rows.digest([rows.text(column) for column in proof.columns]),
        due=rows.due(proof.retention, proof.period, datetime.now(UTC)),
    )


def next_size(size: int, rows: int, seconds: float) -> int:
    """How many rows the next transaction has, after one of so many that took so long; twice as many at most.

    That fewer than ``size``, the rest of what was read, were quick says little.
    """
    if rows < size and seconds <= SECONDS:
        return size
    return max(LEAST, min(2 * rows, int(rows * SECONDS / seconds)))


def ahead(found: Iterator[T]) -> Generator[T, None, None]:
    """The same, each made in a thread of its own while the one before is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, found, None)
        while (one := coming.result()) is not None:
            coming = thread.submit(next, found, None)
            yield one


def array(values: Sequence[str]) -> sql.Literal:
    """Texts as one literal of an array; the driver would look through each for what must be quoted."""
    quoted = '","'.join(one.replace("\\", "\\\\").replace('"', '\\"') for one in values)
    return sql.Literal(f'{{"{quoted}"}}')
