"""A partition whose every row is in an archive that was read again leaves its log as a whole, in one transaction.

There is no state in between: the transaction locks the partition against writers, sees that archive, policy, holds and
catalogue are as approved and that its rows are exactly those of the archive, and drops it; or it is all as before.
DETACH CONCURRENTLY cannot be in a transaction, and leaves a partition half detached where it is interrupted.

The log itself, and its default partition, are locked only at the very end, and nobody waits for that longer than
``CLOCK`` at a time. A partition with a key that the log has not, whose DROP would lock one table more, is not dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from upkeep.areas.retention import partitions, reread, rows
from upkeep.areas.retention.batches import Count
from upkeep.areas.retention.partitions import Partition
from upkeep.areas.retention.proof import Proof
from upkeep.areas.retention.reread import NotAsWritten
from upkeep.areas.retention.store import OBJECT, Store
from upkeep.gate.attempts import ObjectChanged
from upkeep.settings.values import TableName
from upkeep.wires.blobs import retrying
from upkeep.wires.database import Session

#: How long a drop waits for its locks at a time; how often, and with how many seconds in between.
CLOCK, TRIES, PAUSE = "100ms", 40, 0.25


class OtherRows(ObjectChanged):
    """A partition with other rows than its archive, or some that are not due: it stays, and is archived anew then."""


def dropping(session: Session, proof: Proof) -> Iterator[Count]:
    """Drop the partition that an archive is of, which was read again; the rows of it that are deleted then.

    Raises OtherRows, ObjectChanged, psycopg.Error, and what ``Proof.still_holds`` raises.
    """
    count = proof.manifest["content"]["rows"]
    yield Count()  # to read it again may have taken long: time and guards are looked at before
    one = proof.retention.classes.get(proof.period.name)
    known = partitions.known_name(proof.manifest)
    if one and not partitions.is_there(session, proof.period.partition, known, one.table):
        yield Count(gone=count)  # by an attempt that could not say so any more, or by somebody else
        return
    proof.hash_again()  # whatever its times say: all goes at once, and none before
    yield Count()  # as long, and the server's clock is set to what is left of the plan's time
    end = time.monotonic() + session.row(session.load("retention/time_left"))["ms"] / 1000
    retrying()(_drop_whole, session, proof, end)  # all attempts end then
    yield Count(deleted=count)


def _drop_whole(session: Session, proof: Proof, end: float) -> None:
    known, store = partitions.known_name(proof.manifest), proof.store.brisk()  # its time is for all looks together
    with session.connection.transaction():
        session.rows(session.load("retention/all_rows"))
        _in_time(session, end)
        _run(session, session.load("retention/lock_partition"), known)
        _as_approved(session, proof, store)
        _in_time(session, end)
        _same_rows(session, proof, known)
        _drop(session, proof, known, end, store)


def _in_time(session: Session, end: float, lock_timeout: str | None = None) -> None:
    """Let no statement run after the plan's time, nor wait longer for a lock than this. Raises ObjectChanged."""
    left = round((end - time.monotonic()) * 1000)
    if left <= 0:
        raise ObjectChanged("nothing was dropped: its time was over")
    clocks = {"statement_timeout": f"{left}ms", "lock_timeout": lock_timeout}
    session.rows(session.load("retention/drop_clock"), clocks)


def _run(session: Session, statement: str, name: TableName) -> None:
    session.rows(sql.SQL(statement).format(partition=sql.Identifier(*name)).as_string(session.connection))


def _as_approved(session: Session, proof: Proof, store: Store) -> list[Partition]:
    """The log's partitions, once catalogue, archive, policy and holds are as approved; what differs is raised."""
    found = _locked(session, proof)
    proof.still_holds(session, datetime.now(UTC), store)
    return found


def _locked(session: Session, proof: Proof) -> list[Partition]:
    """The log's partitions, of which the planned one is the one that is locked. Raises ObjectChanged."""
    one = proof.retention.classes.get(proof.period.name)
    found = partitions.tree(session, one) if one else []
    part = partitions.of_oid(found, proof.period.partition)
    if part is None or part.identity != proof.manifest["partition"]:
        raise ObjectChanged("its partition was detached, renamed, or put elsewhere since it was archived")
    if not session.row(session.load("retention/partition_locked"), {"oid": part.oid})["locked"]:
        raise ObjectChanged("nothing was dropped: its name was another table's when it was locked")
    if why := partitions.why_kept(proof.retention, proof.period, found) or part.no_right:
        raise ObjectChanged(why)
    return found


def _same_rows(session: Session, proof: Proof, partition: TableName) -> None:
    """Compare all rows of the partition itself with the archive, and see that each is due. Raises ObjectChanged."""
    itself = sql.SQL("t.tableoid = {}").format(sql.Literal(proof.period.partition))  # whosever the name is by now
    every = rows.export(session, partition, proof.columns, itself)
    content = rows.server_digest(session, every, len(proof.columns))
    try:
        reread.compare(content, {key: proof.manifest["content"][key] for key in ("rows", "high", "low")}, OBJECT)
    except NotAsWritten as why:
        raise OtherRows(f"nothing was dropped, rows came or changed since it was archived: {why}") from None
    due = rows.due(proof.retention, proof.period, datetime.now(UTC))
    if (found := partitions.count(session, partition, due)) < proof.manifest["content"]["rows"]:
        raise OtherRows(f"nothing was dropped: only {found:,} of its rows are of the class, due, and under no hold")


def _drop(session: Session, proof: Proof, name: TableName, end: float, store: Store) -> None:
    """Drop it as soon as its locks are free. Its rows stay as they are under the lock that we hold; all else is looked
    at before each try, and the policy after it too.

    Raises ObjectChanged, psycopg.errors.LockNotAvailable, and what ``Proof.still_holds`` raises.
    """
    oid = proof.period.partition
    for left in reversed(range(TRIES)):
        found = _as_approved(session, proof, store)
        log = partitions.above(session, oid)
        if session.row(session.load("retention/drop_waiters"), {"oid": oid})["waiters"]:
            raise ObjectChanged("nothing was dropped: others wait to write into the partition")
        try:
            with session.connection.transaction():
                _in_time(session, end, CLOCK)
                _run(session, session.load("retention/drop_partition"), name)
                # A schema was renamed, and another has the name: RESTRICT takes the log too, with all its partitions.
                if partitions.are_there(session, [oid]) or not partitions.are_there(session, log):
                    raise ObjectChanged("nothing was dropped: its name became another table's")
                proof.policy_still_holds(datetime.now(UTC))
                if why := partitions.named(proof.retention, found):
                    raise ObjectChanged(why)
        except psycopg.errors.LockNotAvailable:
            if not left:
                raise
            time.sleep(PAUSE)
        else:
            return
