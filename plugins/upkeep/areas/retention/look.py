"""What of the logs is due, and what is wrong with how long they are kept: the check of retention (G15, G61-G68).

Nothing is changed here. A class that cannot be looked at whole is UNKNOWN; "none due" is said of rows that were seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from upkeep.areas import retained
from upkeep.areas.look import Inspection, Sources
from upkeep.areas.retention import archives, partitions, rows, undropped
from upkeep.areas.retention.archives import Tally
from upkeep.areas.retention.deletable import hazards, unlike
from upkeep.areas.retention.policy import GUIDES, too_early
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.text import visible
from upkeep.core.units import amount, count, utc
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.retention import GUIDE, LogClass
from upkeep.settings.values import TableName
from upkeep.wires.database import Row, Session

FILE = "config/retention.yaml"
_TABLES = "rp"
_FOUND = "its rows can be found by age"
_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")


def asked(one: LogClass) -> dict[str, Any]:
    """What ``table.sql`` is asked of a class."""
    schema, table = one.table
    return {"schema": schema, "table": table, "time": one.time, "columns": [one.time, *one.where]}


@dataclass(frozen=True)
class RetentionLook:
    """One look at a target's logs; ``maintain`` is the role that may change it, None when there is none.

    ``seen`` is what the stores of its archives said, by class.
    """

    session: Session
    config: Settings
    now: datetime
    maintain: str | None = None
    seen: Mapping[str, archives.Seen] = field(default_factory=dict)

    def whole(self) -> LookResult:
        """All of it: the policy alone, then each class in the target."""
        findings = [*self._types(), *self._unmapped(), *self._time_columns(), *guides_script(self.config)]
        samples: list[Sample] = []
        for name, one in self.config.retention.classes.items():
            topic, row = archives.topic_of(name, one), self.table(one)
            why = obstacle(one, row)
            if row is None or why:
                findings.append(topic.finding(*(why or ())))
                continue
            findings += self._hazards(topic, one, row)
            findings += self._rights(topic, one, row)
            findings += undropped.findings(self.session, self.config, topic, name, self.now, self.maintain)
            due = self.due(name, row["oid"])
            done, archived = self._archives(topic, name, row)
            findings += archived
            findings.append(judge_due(self.config, topic, name, due | {"kind": row["kind"]}, done))
            samples += [Sample("rows_due", float(due["due"]), "rows", name)]
            samples += [Sample("rows_held", float(due["held"]), "rows", name)] if due["held"] else []
            samples += [Sample("rows_deleted", float(done.deleted), "rows", name)] if done.deleted else []
        return LookResult(tuple(findings), tuple(samples))

    def table(self, one: LogClass) -> Row | None:
        """The table of a class as the catalogue has it, None when there is none."""
        rows = self.session.rows(self.session.load("retention/table"), asked(one))
        return rows[0] if rows else None

    def due(self, name: str, oid: int) -> Row:
        """What of a class, whose table has this OID, is due, held, oldest, and next."""
        retention = self.config.retention
        one = retention.classes[name]
        statement = sql.SQL(self.session.load("retention/rows_due")).format(
            table=sql.Identifier(*one.table),
            time=sql.Identifier(one.time),
            before=sql.Literal(retained.cutoff(retention, name, self.now)),
            belongs=retained.belongs(retention, name),
            held=retained.held(retention, name),
            size=rows.size(rows.columns(self.session, oid)),
        )
        return self.session.row(statement.as_string(self.session.connection))

    def _types(self) -> Iterator[Finding]:
        retention = self.config.retention
        for kind, guide in GUIDE.items():
            if any(one.type == kind for one in retention.classes.values()):
                continue
            topic = Topic(f"retention:unmapped:{kind}", f"No table of {kind} logs", guide)
            reason = retention.unmapped.get(kind)
            detail = f"UNMAPPED: {reason}" if reason else "UNMAPPED: no class is of this type, and no reason is given"
            remedy = f"Name the table in {FILE}: classes, or say in unmapped.{kind} why there is none."
            yield topic.finding(Level.ADVISORY if reason else Level.WARNING, detail, "a class for each", remedy)

    def _unmapped(self) -> Iterator[Finding]:
        tables = {one.table for one in self.config.retention.classes.values()}
        known = {"schemas": [one.schema for one in tables], "tables": [one.table for one in tables]}
        for row in self.session.rows(self.session.load("retention/unmapped"), known):
            table = visible(str(TableName(row["schema"], row["table"])))
            topic = Topic(f"retention:table:{table}", f"{table} is kept for ever", "G61")
            yield topic.finding(
                Level.WARNING,
                f"UNMAPPED: {table} is called like a log, and no class holds it",
                "a class for each log",
                f"Add it to {FILE}: classes. What no class holds is never due and never deleted.",
            )

    def _time_columns(self) -> Iterator[Finding]:
        """Tables that other settings name as logs too: by another time column, checks and retention would disagree."""
        logs = self.config.maintenance.logs
        for setting, table, time in (
            ("logs.security", logs.security.table, logs.security.time),
            ("logs.application", logs.application.table, logs.application.time),
            ("logs.alerts", logs.alerts.table, logs.alerts.time),
        ):
            times = sorted({one.time for one in self.config.retention.of_table(table).values()} - {time})
            if times:
                topic = Topic(f"retention:time:{setting}", f"Two times of {table}", "G61")
                detail = f"{FILE} judges its age by {times[0]}, config/maintenance.yaml: {setting}.time names {time}"
                yield topic.finding(Level.WARNING, detail, "one time column", "Name the same column in both.")

    def _hazards(self, topic: Topic, one: LogClass, row: Row) -> Iterator[Finding]:
        """Why rows that are archived are not deleted all the same."""
        for hazard in hazards(one, row) if one.deletable else ():
            about = topic.part(hazard.part, hazard.subject)
            yield about.finding(hazard.level, hazard.detail, hazard.expected, hazard.remedy)

    def _archives(self, topic: Topic, name: str, row: Row) -> tuple[Tally, list[Finding]]:
        """What archives of a class say, and what is wrong with them."""
        seen = self.seen.get(name, archives.Seen())
        one, columns = self.config.retention.classes[name], rows.columns(self.session, row["oid"])
        why = {
            archive: unlike(manifest, name, one, row["oid"], columns) or undropped.unlike(self.session, one, manifest)
            for archive, manifest in (seen.waiting.items() if one.delete else ())
        }
        return seen.tally, [*archives.stuck(topic, name, why), *seen.findings]

    def _rights(self, topic: Topic, one: LogClass, row: Row) -> Iterator[Finding]:
        """No role of Upkeep's may take a row out of an audit log (G68); of another it may where config says so."""
        if self.maintain is None or (one.deletable and not one.delete):
            return
        schema, table = one.table
        asked = {"role": self.maintain, "schema": schema, "table": table}
        found = self.session.rows(self.session.load("retention/may_delete"), asked)
        if one.delete:
            by_parts = row["kind"] == partitions.PARTITIONED  # which needs no DELETE
            yield from _needed(topic, one, self.maintain, by_parts or bool(found and found[0]["may_delete"]))
            return
        about, wanted = topic.part("rights", f"Rights to take rows out of {one.table}"), "no DELETE and no TRUNCATE"
        if not found:
            detail = f"found no role {visible(self.maintain)} of the maintain Connection in the target"
            yield _g68(about).finding(Level.UNKNOWN, f"not collected: {detail}", wanted, "Correct the Connection.")
            return
        may = [right for right in ("DELETE", "TRUNCATE") if found[0][f"may_{right.lower()}"]]
        if not may:
            yield _could(_g68(about), wanted, self.maintain, one, found[0]["could_as"])
            return
        remedy = f"REVOKE {', '.join(may)} ON {one.table} from it and from every role it is a member of, the owner too."
        detail = f"role {visible(self.maintain)} of the maintain Connection has {' and '.join(may)}"
        detail += ", as every superuser" if found[0]["superuser"] else ""
        yield _g68(about).finding(Level.WARNING, detail, wanted, remedy)


def _could(about: Topic, wanted: str, role: str, one: LogClass, others: list[str]) -> Finding:
    """Of a role that has no such right: whether it could get it, as the log's owner or as another role."""
    detail = f"role {visible(role)} has neither DELETE nor TRUNCATE"
    if not others:
        return about.finding(Level.OK, detail, wanted)
    names = ", ".join(visible(name) for name in others)
    return about.finding(
        Level.ADVISORY,
        f"{detail}, but could act as {names}, who may delete or owns the log",
        f"{wanted}, and no way to get them",
        f"Give {one.table} to an owner of its own (ALTER TABLE {one.table} OWNER TO …) that the role is no member of.",
    )


def _needed(topic: Topic, one: LogClass, role: str, may: bool) -> Iterator[Finding]:
    """That config lets archived rows be deleted and the role may not."""
    if not may:
        about = topic.part("rights", f"Rights to take rows out of {one.table}")
        remedy = "`python -m upkeep grants delete` prints it; or take delete: true out of the class."
        detail = f"role {visible(role)} of the maintain Connection has no DELETE"
        yield about.finding(Level.WARNING, detail, "DELETE, for config lets archived rows be deleted", remedy)


# Judging ------------------------------------------------------------------------------------------------------


def guides_script(config: Settings) -> Iterator[Finding]:
    """What the guide's own script would delete too early, with a row that shows it (G66, G67). Pure."""
    for deletion in GUIDES:
        rows = [str(row) for row in too_early(config.retention, deletion)]
        topic = Topic(
            f"retention:script:{deletion.table}", f"The guide's own delete of {deletion.table}", deletion.guide
        )
        if rows:
            detail = (
                f"REJECTED: by {deletion.time} older than {deletion.days} days alone it would take {'; '.join(rows)}"
            )
            yield topic.finding(Level.OK, detail, "each row is kept as long as its longest class", "")


def obstacle(one: LogClass, row: Row | None) -> tuple[Level, str, str, str] | None:
    """Why the rows of a class cannot be found by age, as a finding is made of it; None when they can. Pure."""
    if row is None:
        remedy = (
            f"Name it as this deployment does in {FILE}; without a table take the class out, and say so in unmapped."
        )
        return Level.WARNING, f"UNMAPPED: found no table {one.table}", "a table for each class", remedy
    return next(
        ((level, f"not collected: {why}", _FOUND, remedy) for bad, level, why, remedy in _obstacles(one, row) if bad),
        None,
    )


def _obstacles(one: LogClass, row: Row) -> Iterator[tuple[bool, Level, str, str]]:
    table, unknown = str(one.table), Level.UNKNOWN
    yield row["kind"] not in _TABLES, unknown, f"{table} is not a table", f"Name the table behind it in {FILE}."
    missing = ", ".join(row["missing"])
    yield bool(missing), unknown, f"found no column {missing} in {table}", f"Name its columns as they are in {FILE}."
    said = f"{one.time} of {table} is of type {row['time_type']}, expected one of: {', '.join(_TIMES)}"
    yield row["time_type"] not in _TIMES, unknown, said, f"Name a column that is a time in {FILE}."
    grants = "`python -m upkeep grants target` prints the GRANTs that the read role needs."
    yield not row["may_read"], unknown, f"role {row['role']} may not read {table}", grants
    said = f"row-level security may hide rows of {table} from role {row['role']}"
    yield row["hides_rows"], unknown, said, "Give the role BYPASSRLS: a row that is not seen is not counted as due."
    said = f"{table} has no index that begins with {one.time}"
    yield not row["indexed"], Level.WARNING, said, f"CREATE INDEX CONCURRENTLY ON {table} ({one.time})."


def judge_due(config: Settings, topic: Topic, name: str, row: Row, done: Tally) -> Finding:
    """How much of a class is due. Pure."""
    retention = config.retention
    one = retention.classes[name]
    detail = f"{count(row['due'], 'row')} due ({amount(row['bytes'], 'bytes')})" if row["due"] else "no row is due"
    detail += f", the oldest of {utc(row['oldest'])}" if row["oldest"] else ""
    detail += f", {row['held']:,} under a legal hold" if row["held"] else ""
    detail += str(done)
    if row["next"]:
        detail += f"; the next is due on {row['next'].astimezone(UTC) + timedelta(days=one.days):%Y-%m-%d}"
    detail += f"; {row['ageless']:,} without a time have no age and are never due" if row["ageless"] else ""
    level = Level.ADVISORY if row["due"] or row["ageless"] else Level.OK
    if not one.deletable:
        remedy = "Have those who answer for the data decide. Upkeep itself never deletes it (G68)."
    elif not retention.locations[one.location].is_set_up:
        remedy = f"Nothing is archived: {FILE}: locations.{one.location} has no path, and no azure."
    elif one.delete and row["kind"] == partitions.PARTITIONED:
        remedy = "The weekly plan archives a partition when all of its range is due; the next one drops it."
    elif one.delete:
        remedy = "The weekly plan archives it and reads it back; the next one deletes what is archived."
    else:
        remedy = f"The weekly plan archives it and reads it back. It stays: {FILE}: classes.{name}.delete is not true."
    metadata = {"due": row["due"], "held": row["held"], "bytes": row["bytes"], "days": one.days}
    metadata |= asdict(done)
    return topic.judged(level, detail, f"kept {one.days} days ({FILE}: classes.{name})", remedy, metadata)


def _g68(topic: Topic) -> Topic:
    return Topic(topic.key, topic.subject, "G68")


# The step -----------------------------------------------------------------------------------------------------


def inspect(sources: Sources, now: datetime | None = None) -> LookResult:
    """What the archives' stores say, the look over the target's read Connection in one transaction, and then at the
    archives' bytes: no transaction waits for a store.
    """
    connections = sources.config.target(sources.target).connections
    maintain = sources.connection(connections.maintain, "postgres").login if connections.maintain else None
    seen = archives.seen(sources.config, sources.target)
    with sources.read() as session:
        found = RetentionLook(session, sources.config, now or datetime.now(UTC), maintain, seen).whole()
    known = {one.key for one in found.findings}  # that a store does not answer is said once
    damaged = (one for one in archives.damage(sources.config, sources.target) if one.key not in known)
    return replace(found, findings=(*found.findings, *damaged))


def _described(_: Settings, target: str) -> str:
    return f"which rows of {target}'s logs are due by {FILE}, and what is wrong with how long they are kept"


INSPECTIONS = (Inspection("retention", "include/sql/retention", _described, inspect),)
