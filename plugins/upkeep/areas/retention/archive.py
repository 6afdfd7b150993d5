"""The kind of action ``archive``: a class's month of due rows into one object, read back and compared (G15, G62, G67).

Nothing is deleted here. COPY and the server's digest see one snapshot; the object is read again by another process, and
the manifest, which is what makes it an archive, is written only when both say the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from psycopg import sql

from upkeep.areas.retention import parquet, partitions, reread, rows
from upkeep.areas.retention.archives import kept_before, manifests
from upkeep.areas.retention.blob_store import BlobStore
from upkeep.areas.retention.look import RetentionLook, asked
from upkeep.areas.retention.look import obstacle as table_obstacle
from upkeep.areas.retention.partitions import Partition
from upkeep.areas.retention.periods import periods
from upkeep.areas.retention.rows import Column, Period
from upkeep.areas.retention.store import MANIFEST, OBJECT, VERSION, Store
from upkeep.areas.retention.stores import store_of
from upkeep.gate import predictions
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.proposing import Proposals, ProposalSources, answered
from upkeep.settings.calendar import config_folder
from upkeep.settings.read import read
from upkeep.settings.retention import LogClass, Retention
from upkeep.wires.blob_answers import BlobError
from upkeep.wires.database import Row, Session

KIND = VERB = "archive"


def policy() -> Retention:
    """``retention.yaml`` as it is at this moment: a hold that was set meanwhile counts."""
    return read(config_folder() / "retention.yaml", Retention)


# What is planned ----------------------------------------------------------------------------------------------


def proposals(sources: ProposalSources) -> Proposals:
    """An action for each month of due rows that are in no archive. Raises NotAsked."""
    retention, taken = sources.settings.retention, {one.statement for one in sources.taken if one.kind == KIND}
    known, failed = {}, []
    for name, one in retention.classes.items():  # read before there is a session, which would not wait for it
        if one.deletable and (store := store_of(retention, sources.name, name)):
            try:
                known[name] = manifests(one, store), kept_before(store)
            except BlobError as why:
                failed.append(f"{name}: {why}")
    found = []
    with sources.reading() as session:
        for name, one, store in archivable(session, retention, sources):
            archives, before = known.get(name, (None, None))
            for period, row in () if archives is None else periods(session, retention, name, archives, sources.now):
                action = _action(session, sources, (one, store), period, row, before)
                if action.statement not in taken:
                    found.append(Proposal(action, {"rows": row["rows"], "bytes": row["bytes"]}))
    return answered(found, failed)


def archivable(
    session: Session, retention: Retention, sources: ProposalSources
) -> Iterator[tuple[str, LogClass, Store]]:
    """The classes whose rows may be deleted one day, have a place to go, and can be found by age."""
    look = RetentionLook(session, sources.settings, sources.now)
    for name, one in retention.classes.items():
        store = store_of(retention, sources.name, name)
        if one.deletable and store and table_obstacle(one, look.table(one)) is None:
            yield name, one, store


def _action(
    session: Session,
    sources: ProposalSources,
    log: tuple[LogClass, Store],
    period: Period,
    row: Row,
    before: int | None,
) -> Action:
    one, store = log
    table = session.row(session.load("retention/table"), asked(one))
    speed = sources.settings.maintenance.optimise.megabytes_per_second
    part: Partition | None = row.get("partition")
    name = part.table if part else one.table
    return Action(
        id="",
        kind=KIND,
        verb=VERB,
        statement=f"archive {sources.name}/{period}",
        schema=name.schema,
        table=f"{name.table} ({period})",
        oid=table["oid"],
        shape=rows.shape(one.table, rows.columns(session, table["oid"]), sources.settings.retention, period.name),
        roles=sources.roles(KIND),
        because=f"{row['rows']:,} rows are older than {one.days} days{_was(one, before)}"
        f"{f', all of a partition of {one.table}' if part else ''}{_into(store)}",
        lock="ACCESS SHARE",
        predicted_ms=max(predictions.AT_ONCE_MS, round(4000 * row["bytes"] / (speed * 1024**2))),
        predicted_bytes=0,
    )


def _was(one: LogClass, before: int | None) -> str:
    changed = before is not None and before != one.days
    return f" (RETENTION CHANGED: it was {before} days when rows of this class were last archived)" if changed else ""


def _into(store: Store) -> str:
    """Where they go, where that is not a directory of this host: people approve a container by its address."""
    return f"; they go to {store.place}" if isinstance(store, BlobStore) else ""


def parse(statement: str) -> tuple[str, Period]:
    """Target and period of an action. Raises ValueError."""
    verb, _, period = statement.partition(" ")
    if verb != VERB:
        raise ValueError(f"found {statement[:100]!r}, expected {VERB} target/class from..to")
    return rows.parse_period(period)


# What apply asks of a kind ------------------------------------------------------------------------------------


def state(session: Session, action: Action) -> Row | None:
    """The table as it is now, and which archives there are of the class; None when it is gone."""
    target, period = parse(action.statement)
    retention = policy()
    now = state_of(session, retention, target, period.name)
    if now and period.partition and not now["obstacle"]:
        now["obstacle"] = _unlike(session, retention, period)
    return now


def _unlike(session: Session, retention: Retention, period: Period) -> str:
    """Why a partition is not archived as a whole, but for its rows; empty when it may be."""
    part = partitions.of_oid(partitions.tree(session, retention.classes[period.name]), period.partition)
    if part is None:
        return "its partition is gone since the plan was drawn up (dropped, or detached)"
    changed = "" if part.period(period.name) == period else "its partition has another range than was planned"
    return part.in_part or changed


def state_of(session: Session, retention: Retention, target: str, name: str) -> Row | None:
    """A class's table and archives as they are now."""
    one = retention.classes.get(name)
    found = session.rows(session.load("retention/table"), asked(one)) if one else []
    if one is None or not found:
        return None
    row, store = found[0], store_of(retention, target, name)
    columns = rows.columns(session, row["oid"])
    why = table_obstacle(one, row)
    server = session.row(session.load("retention/server"))
    unusable = "" if server["encoding"] == "UTF8" else f"the server's encoding is {server['encoding']}, expected UTF8"
    return {
        "oid": row["oid"],
        "shape": rows.shape(one.table, columns, retention, name),
        "obstacle": why[1] if why else unusable,
        "place": store.place if store else "",
        "manifests": store.names(MANIFEST) if store else [],
        "wal_position": server["wal_position"],
    }


def obstacle(action: Action, now: Row | None) -> str:
    """Why the planned rows may not be archived; empty when they may."""
    if now is None or now["oid"] != action.oid:
        return "the table is gone since the plan was drawn up (dropped, or dropped and created again)"
    if now["shape"] != action.shape:
        return "its columns, or its class in config/retention.yaml, were changed since the plan was drawn up"
    return str(now["obstacle"]) or ("" if now["place"] else "its location is not set up in config/retention.yaml")


def note(action: Action, now: Row, first: Mapping[str, Any] | None) -> Row:
    """The name of this attempt's object: nobody else's, so that nothing is met there."""
    month = parse(action.statement)[1].month
    return {"object": f"{month}_{datetime.now(UTC):%Y%m%dT%H%M%S}_{secrets.token_hex(8)}"}


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the attempt's manifest is there: it is written last."""
    return after is not None and before.get("object") in after["manifests"]


def run(session: Session, action: Action, before: Mapping[str, Any]) -> None:
    """Export, read back, compare, and only then the manifest. Raises ObjectChanged, psycopg.Error."""
    target, period = parse(action.statement)
    retention = policy()
    store = store_of(retention, target, period.name)
    if store is None:
        raise ObjectChanged("its location is not set up in config/retention.yaml")
    try:
        exported = export(session, action, retention, period, store, str(before["object"]))
        name = f"{before['object']}{OBJECT}"
        found = reread.read(store, name)
        reread.compare(found, exported["content"], name)
        store.put(f"{before['object']}{MANIFEST}", exported | {"target": target, "content": found})
    except (OSError, pa.ArrowException, reread.NotAsWritten, BlobError) as why:
        raise ObjectChanged(f"nothing was archived: {' '.join(str(why).split())[:300]}") from None


def export(
    session: Session, action: Action, retention: Retention, period: Period, store: Store, name: str
) -> dict[str, Any]:
    """Write the object; what its manifest says: the rows as the server digests them, the bytes as they were written.

    Raises ObjectChanged, OSError and what driver and Arrow raise.
    """
    one = retention.classes[period.name]
    for block in parquet.BLOCKS:
        try:
            with store.create(name + OBJECT) as sink, session.connection.transaction():  # over before it is sent
                session.rows(session.load("retention/snapshot"))
                session.rows(session.load("retention/all_rows"))
                table = session.row(session.load("retention/table"), asked(one))
                found = rows.columns(session, table["oid"])
                if (table["oid"], rows.shape(one.table, found, retention, period.name)) != (action.oid, action.shape):
                    raise ObjectChanged("the table was changed since the plan was drawn up")
                exported = rows.export(session, one.table, found, rows.due(retention, period, datetime.now(UTC)))
                content = rows.server_digest(session, exported, len(found))
                if not content["rows"]:
                    raise ObjectChanged("none of its rows is due any more")
                part = _wholly(session, retention, period, content["rows"]) if period.partition else {}
                written = _copy(session, exported, found, sink, block)
                return _manifest(one, period, found, table["oid"], content | written) | part
        except parquet.RowTooLong:
            continue
    raise ObjectChanged(f"a row is longer than {parquet.BLOCKS[-1]:,} bytes")


def _wholly(session: Session, retention: Retention, period: Period, exported: int) -> dict[str, Any]:
    """What a manifest says of a partition whose rows are all exported. Raises ObjectChanged when some are not."""
    one = retention.classes[period.name]
    part = partitions.of_oid(partitions.tree(session, one), period.partition)
    if part is None or part.period(period.name) != period:
        raise ObjectChanged("its partition is gone, or was changed, since the plan was drawn up")
    if (inside := partitions.count(session, one.table, part.inside(one))) != exported:
        raise ObjectChanged(f"its partition holds {inside:,} rows, of which only {exported:,} are due")
    return {"partition": part.identity}


def _copy(session: Session, exported: sql.Composable, found: list[Column], sink: Any, block: int) -> dict[str, Any]:
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").format(exported)
    with session.connection.cursor() as cursor, cursor.copy(statement) as copy:
        return parquet.write(copy, found, sink, block)


def _manifest(one: LogClass, period: Period, found: list[Column], oid: int, content: Row) -> dict[str, Any]:
    return {
        "version": VERSION,
        "class": period.name,
        "table": list(one.table),
        "oid": oid,
        "days": one.days,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "columns": [{"name": column.name, "type": column.type} for column in found],
        "key": [column.name for column in found if column.key],
        "content": dict(content),
        "written": datetime.now(UTC).isoformat(),
    }


ACTION_KIND = ActionKind(KIND, "G15", ("weekly",), proposals, state, obstacle, was_done, run=run, note=note)
