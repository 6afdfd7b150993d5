"""The kind of action ``delete``: rows that an archive holds leave their log, and no others (G15, G66, G67).

People approve one archive, by its manifest's SHA-256. Its bytes are read again first. Then batches, each its own short
transaction: rows are named by the archive's own keys, and go only while key and content are those of the archive, they
are due and under no hold; before a batch commits, archive, policy, holds and catalogue are looked at again. What was
changed since stays, and is archived anew once the rest has gone. Killed at any moment, the next run goes through the
archive again, and what is gone is gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from psycopg import sql

from upkeep.areas.retention import partitions, rows
from upkeep.areas.retention.archive import archivable, policy, state_of
from upkeep.areas.retention.batches import Count, deleting
from upkeep.areas.retention.deletable import period_of, unlike, why_kept
from upkeep.areas.retention.drop import OtherRows, dropping
from upkeep.areas.retention.look import asked
from upkeep.areas.retention.partitions import Partition
from upkeep.areas.retention.proof import Proof
from upkeep.areas.retention.reread import InArchiveTier, NotAsWritten
from upkeep.areas.retention.restore import sound
from upkeep.areas.retention.rows import Column, Period
from upkeep.areas.retention.store import BEGUN, DELETED, NOTHING
from upkeep.areas.retention.stores import store_of
from upkeep.gate import predictions
from upkeep.gate.attempts import ObjectChanged
from upkeep.gate.kind import ActionKind
from upkeep.gate.plans.model import Action, Proposal
from upkeep.gate.proposing import Proposals, ProposalSources, answered
from upkeep.settings.calendar import config_folder
from upkeep.settings.retention import LogClass, Retention
from upkeep.settings.values import TableName
from upkeep.wires.blob_answers import BlobError, Offline
from upkeep.wires.database import Row, Session

KIND = VERB = "delete"
#: What it is called where a whole partition goes.
DROP = "drop"
#: Rows that are deleted in a millisecond, or compared before their partition is dropped, with the archive read again.
_ROWS_A_MS, _COMPARED_A_MS = 5, 50
#: Bytes of a name in PostgreSQL.
MOST_NAME = 63


@dataclass(frozen=True)
class Deletion:
    """What an action says: the rows of a period that the archive ``name`` holds, its manifest being this one."""

    target: str
    period: Period
    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.verb} {self.target}/{self.period} of {self.name} {self.sha256}"

    @property
    def verb(self) -> str:
        """Whether rows are deleted or a partition of them is dropped."""
        return DROP if self.period.partition else VERB


def parse(statement: str) -> Deletion:
    """The deletion of an action. Raises ValueError."""
    match statement.split(" "):
        case [verb, *period, "of", name, sha256]:
            found = Deletion(*rows.parse_period(" ".join(period)), name, sha256)
            if found.verb == verb:
                return found
    raise ValueError(f"found {statement[:100]!r}, expected {VERB} target/class from..to of archive sha256")


# What is planned ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Log:
    """A class whose rows may be deleted, with its table as the catalogue has it."""

    name: str
    one: LogClass
    row: Row
    columns: list[Column]
    parts: list[Partition]

    def keeps(self, session: Session, manifest: Mapping[str, Any], period: Period, sources: ProposalSources) -> str:
        """Why rows of an archive are not to go; empty when they may."""
        why = unlike(manifest, self.name, self.one, self.row["oid"], self.columns)
        why = why or why_kept(sources.settings.retention, period, self.row, sources.now)
        if why or not period.partition:
            return why
        there = partitions.is_there(session, period.partition, partitions.known_name(manifest), self.one.table)
        found = partitions.unlike(manifest, self.parts, there=there)
        return found or partitions.why_kept(sources.settings.retention, period, self.parts)


def proposals(sources: ProposalSources) -> Proposals:
    """An action for each archive that was read again now and whose rows may be deleted. Raises NotAsked.

    What may not, and why, is the check's to say.
    """
    retention, taken = sources.settings.retention, {one.statement for one in sources.taken if one.kind == KIND}
    known, found, failed = {}, [], []
    for name, one in retention.classes.items():  # read before there is a session, which would not wait for it
        if one.delete and (store := store_of(retention, sources.name, name)):
            try:
                known[name] = list(sound(store))
            except BlobError as why:
                failed.append(f"{name}: {why}")
    with sources.reading() as session:
        for log in _logs(session, sources):
            for name, manifest, sha256 in known.get(log.name, ()):
                period = period_of(manifest)
                if period is None or log.keeps(session, manifest, period, sources):
                    continue
                part = partitions.of_oid(log.parts, period.partition)
                size = partitions.size(session, part) if part else 0
                action = _action(sources, log, Deletion(sources.name, period, name, sha256), manifest, size)
                content = manifest["content"]
                if action.statement not in taken:
                    found.append(Proposal(action, {"rows": content["rows"], "archive bytes": content["bytes"]}))
    return answered(found, failed)


def _logs(session: Session, sources: ProposalSources) -> Iterator[_Log]:
    for name, one, _ in archivable(session, sources.settings.retention, sources):
        if one.delete:
            row = session.row(session.load("retention/table"), asked(one))
            yield _Log(name, one, row, rows.columns(session, row["oid"]), partitions.tree(session, one))


def _action(sources: ProposalSources, log: _Log, deletion: Deletion, manifest: Mapping[str, Any], size: int) -> Action:
    schema, table = log.one.table
    back = f"{schema}.{_back(deletion.name)}"
    speed = sources.settings.maintenance.optimise.megabytes_per_second * 1024**2
    read = round(1000 * size / speed)  # all of a partition, on disk, is read once to compare it
    count, known = manifest["content"]["rows"], manifest.get("partition")
    because = f"{count:,} rows older than {log.one.days} days are in an archive that was read again for this"
    if known:
        because += f"; they are all that this partition of {log.one.table} has, and it is dropped"
        schema, table = known["schema"], known["name"]
    return Action(
        id="",
        kind=KIND,
        verb=deletion.verb,
        statement=str(deletion),
        schema=schema,
        table=f"{table} ({deletion.period})",
        oid=log.row["oid"],
        shape=rows.shape(log.one.table, log.columns, sources.settings.retention, log.name),
        roles=sources.roles(KIND),
        because=because,
        lock="ACCESS EXCLUSIVE" if known else "ROW EXCLUSIVE",
        predicted_ms=max(predictions.AT_ONCE_MS, count // (_COMPARED_A_MS if known else _ROWS_A_MS), read),
        predicted_bytes=0,
        undo=f"python -m upkeep archive restore {deletion.name} --target {sources.name} --into {back}",
    )


def _back(name: str) -> str:
    """A table of its own for each archive that is brought back."""
    return f"back_{name.lower()}".replace("-", "_")[:MOST_NAME]


# What apply asks of a kind ------------------------------------------------------------------------------------


def state(session: Session, action: Action) -> Row | None:
    """The table as it is now, how many rows of the period it has, and what lies beside the manifest."""
    deletion, retention = parse(action.statement), policy()
    name = deletion.period.name
    found = state_of(session, retention, deletion.target, name)
    if found is None:
        return None
    one, store = retention.classes[name], store_of(retention, deletion.target, name)
    row = session.row(session.load("retention/table"), asked(one))
    kept = why_kept(retention, deletion.period, row, datetime.now(UTC))
    oid, known = deletion.period.partition, TableName(action.schema, action.table.removesuffix(f" ({deletion.period})"))
    gone = bool(oid) and not partitions.is_there(session, oid, known, one.table)
    if oid:
        kept = kept or partitions.stays(session, retention, deletion.period, known)
    elif not row["may_delete"]:
        kept = kept or f"role {row['role']} has no DELETE on it (`python -m upkeep grants delete` prints it)"
    return {
        "oid": found["oid"],
        "shape": found["shape"],
        "obstacle": found["obstacle"] or kept,
        "rows": None if deletion.period.partition else _left(session, retention, deletion.period),
        "gone": gone,
        "wal_position": found["wal_position"],
        **(store.beside(deletion.name) if store else NOTHING),
    }


def _left(session: Session, retention: Retention, period: Period) -> int:
    """How many rows of a period its log has; of a partition they are not counted, it is there or gone."""
    statement = sql.SQL(session.load("retention/rows_left")).format(
        table=sql.Identifier(*retention.classes[period.name].table), of_period=rows.of_period(retention, period)
    )
    return int(session.row(statement.as_string(session.connection))["rows"])


def obstacle(action: Action, now: Row | None) -> str:
    """Why the archived rows may not be deleted; empty when they may."""
    if now is None or now["oid"] != action.oid:
        return "the table is gone since the plan was drawn up (dropped, or dropped and created again)"
    if now["shape"] != action.shape:
        return "its columns, or its class in config/retention.yaml, were changed since the plan was drawn up"
    if now["offline"]:
        return str(now["offline"])
    if now["manifest"] != parse(action.statement).sha256:
        return "its archive's manifest is gone, or is not the one that was approved"
    over = "its archive's rows were deleted already, or are to be archived anew"
    return str(now["obstacle"]) or (over if now["deleted"] else "")


def note(action: Action, now: Row, first: Mapping[str, Any] | None) -> Row:
    """What the record beside the manifest calls this permit, which is signed, by."""
    return {"deletion": secrets.token_hex(8)}


def was_done(action: Action, before: Mapping[str, Any], after: Row | None) -> bool:
    """Whether the attempt's record is there: it is written last."""
    return after is not None and after["deleted"].get("deletion") == before["deletion"]


def partly(action: Action, before: Mapping[str, Any], after: Row | None) -> str:
    """How many rows of an attempt that ended early are gone; all of them are in the archive."""
    if after is None:
        return ""
    if after["rows"] is None:
        gone = after["gone"] and not before["gone"]
        return "its partition is gone, whose rows are in the archive; the next run notes it there" if gone else ""
    gone = before["rows"] - after["rows"]
    return f"{gone:,} rows of its period have left the log, the rest stays for the next run" if gone > 0 else ""


def steps(session: Session, action: Action, before: Mapping[str, Any]) -> Generator[str, None, None]:
    """Read the archive again, delete a batch at a step, note it beside the manifest; what was done so far, each time.

    Raises ObjectChanged, psycopg.Error.
    """
    deletion = parse(action.statement)
    store = store_of(policy(), deletion.target, deletion.period.name)
    if store is None:
        raise ObjectChanged("its location is not set up in config/retention.yaml")
    count = Count()
    try:
        given = (store, deletion.name, deletion.sha256, deletion.period, action.oid, action.shape)
        proof = Proof(*given, config_folder() / "retention.yaml")
        proof.read_again()
        yield "its archive was read again and is as it was written"
        with suppress(FileExistsError):  # an attempt before
            store.put(deletion.name + BEGUN, {"statement": str(deletion), "deletion": before["deletion"]})
        for count in _dropping(session, proof, deletion) if deletion.period.partition else deleting(session, proof):
            yield str(count)
        proof.hash_again()
        store.put(deletion.name + DELETED, _record(deletion, before, count))
    except (InArchiveTier, Offline) as why:
        raise ObjectChanged(f"stopped, not collected: its archive is in tier Archive: {why}") from None
    except NotAsWritten as why:
        raise ObjectChanged(f"stopped, its archive is not as it was written: {why}") from None
    except (OSError, ValueError, pa.ArrowException, BlobError) as why:  # Arrow's, and config that cannot be read
        raise ObjectChanged(f"stopped: {' '.join(str(why).split())[:300]}") from None


def _dropping(session: Session, proof: Proof, deletion: Deletion) -> Iterator[Count]:
    """The same; of an archive of other rows, by which none will ever go, it notes that all of them stay."""
    try:
        yield from dropping(session, proof)
    except OtherRows:
        left = Count(kept=proof.manifest["content"]["rows"])
        proof.store.put(deletion.name + DELETED, _record(deletion, {"deletion": ""}, left))
        raise


def _record(deletion: Deletion, before: Mapping[str, Any], count: Count) -> Row:
    return {
        "statement": str(deletion),
        "deletion": before["deletion"],
        "deleted": count.deleted,
        "kept": count.kept,
        "gone": count.gone,
        "written": datetime.now(UTC).isoformat(),
    }


ACTION_KIND = ActionKind(
    KIND, "G15", ("weekly",), proposals, state, obstacle, was_done, steps=steps, note=note, partly=partly
)
