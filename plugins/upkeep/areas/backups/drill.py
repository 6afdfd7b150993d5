"""The monthly recovery drill (G102, G103, G105): to a moment, past it, to the end, with the time that each took.

The moment is that of a landmark: a row of one of the target's own logs with quiet on both sides, so that nothing has to
be written into the target. Recovery stops before it, where it must be absent, and after it, where it must be there;
then it goes on to the end of the archive, where everything else of the system must be too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from upkeep.areas.backups import canary, contents, controls
from upkeep.areas.backups.contents import Log
from upkeep.areas.backups.copies import copy_of
from upkeep.areas.backups.managed import GUIDE
from upkeep.areas.backups.newest import Newest, Original, openings, original
from upkeep.areas.backups.restoration import asking, elsewhere, failed, missing, not_set_up, phases, samples
from upkeep.areas.backups.scratch import Copy, Stop
from upkeep.areas.backups.server import RestoreError, SetUpError
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, NotCollected, Sample, Topic
from upkeep.core.units import count, listed, span
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Sql
from upkeep.wires import queries
from upkeep.wires.database import Session

#: Least quiet before and after a landmark: a commit comes somewhat later than the time that its row says.
QUIET = timedelta(seconds=1)
#: How far back from the newest record a landmark is looked for.
REACH = timedelta(days=2)
NAMED = 5
_TOPIC = Topic("drill", "The monthly recovery drill", "G102")
_MOMENT = Topic("drill", "Recovery to a moment", "G103")


@dataclass(frozen=True)
class Landmark:
    """A row by which recovery is told: its log, its time, and those of the rows before and after it."""

    log: Log
    earlier: datetime
    at: datetime
    later: datetime

    @property
    def quiet(self) -> timedelta:
        return min(self.at - self.earlier, self.later - self.at)


@dataclass(frozen=True)
class System:
    """The target as the drill compares a copy with it; no ``landmark`` where the logs have none, and nothing
    ``written`` where config wants no canary.
    """

    original: Original
    objects: frozenset[tuple[str, str]]
    landmark: Landmark | None
    written: canary.Written | None = None


def inspect(sources: Sources) -> LookResult:
    """Carry out the drill with the newest base backup. Raises NotCollected; where Supabase has it, with what to do."""
    about = sources.config.target(sources.target)
    if about.managed_backups and not about.backups:
        raise NotCollected(GUIDE)
    found, _, known = openings(sources)
    with sources.read() as session:
        system, table = look_at(session, sources.config, found, known), canary.table_of(session)
    system = replace(system, written=canary.written(sources, table, system.original.system_identifier))
    return drill(found, system, sources.config.maintenance.sql, datetime.now(UTC))


def look_at(session: Session, config: Settings, found: Newest, known: Mapping[str, Any] | None) -> System:
    """The target over one session on it; a landmark lies before the newest record that the archive reaches."""
    objects = frozenset((row["kind"], row["name"]) for row in session.rows(queries.load("backups/objects")))
    mark = None
    if known:
        until = datetime.fromisoformat(known["moment"])
        since = max(until - REACH, found.ended_at)
        mark = landmark(session, config, since, until)
    return System(original(session), objects, mark)


def landmark(session: Session, config: Settings, since: datetime, until: datetime) -> Landmark | None:
    """The row with the most quiet around it of all logs, at least QUIET; None without one."""
    marks = []
    for log, readable in contents.logs(session, config):
        if readable:
            statement = sql.SQL(queries.load("backups/landmark")).format(
                table=sql.Identifier(log.schema, log.table),
                time=sql.Identifier(log.time),
                start=sql.Literal(since),
                end=sql.Literal(until),
            )
            rows = session.rows(statement.as_string(session.connection))
            marks += [Landmark(log, row["earlier"], row["at"], row["later"]) for row in rows]
    best = max(marks, key=lambda mark: mark.quiet, default=None)
    return best if best and best.quiet >= QUIET else None


def drill(found: Newest, system: System, clocks: Sql, now: datetime) -> LookResult:
    """Findings and samples of one drill; ``now`` is this host's time, UTC."""
    findings: list[Finding] = []
    mark, settings = system.landmark, system.original.settings
    try:
        with copy_of(found.backup.folder, found.config, found.restore, system.original.database, found.ending) as copy:
            findings.append(controls.carried_out(copy, controls.in_turn(now), now))
            if mark:
                copy.recover(Stop("time", mark.at.isoformat(" ")), settings, "recovery to before the landmark")
                before = _seen(copy, mark, clocks)
                copy.recover(Stop("time", mark.later.isoformat(" ")), settings, "recovery to after the landmark")
                after = _seen(copy, mark, clocks)
            copy.recover(None, settings, "recovery to the end of the archive")
            with asking(copy, clocks) as session:
                findings += _to_a_moment(mark, before, after, _rows_at(session, mark)) if mark else [_no_landmark()]
                age = missing(session, copy, found)
                told, point = _by_canary(session, found, system)
                findings += [*_times(copy, found, age), told, _reached(session, found, system), _whole(session, system)]
            return LookResult((_done(copy, found), *findings), (*_measured(copy, age), *point))
    except SetUpError as why:
        return LookResult((not_set_up(_TOPIC, why),))
    except (RestoreError, psycopg.Error) as why:
        return LookResult((*findings, failed(_TOPIC, found, why)))


@dataclass(frozen=True)
class Seen:
    """What a copy says where recovery stopped: rows of the landmark's time and of the time before, the last commit."""

    at: int
    earlier: int
    last_commit: datetime | None


def _seen(copy: Copy, mark: Landmark, clocks: Sql) -> Seen:
    with asking(copy, clocks) as session:
        return _rows_at(session, mark)


def _rows_at(session: Session, mark: Landmark) -> Seen:
    statement = sql.SQL(queries.load("backups/rows_at")).format(
        table=sql.Identifier(mark.log.schema, mark.log.table),
        time=sql.Identifier(mark.log.time),
        at=sql.Literal(mark.at),
        earlier=sql.Literal(mark.earlier),
    )
    rows = session.row(statement.as_string(session.connection))
    return Seen(rows["at"], rows["earlier"], session.row(queries.load("backups/recovery"))["last_commit"])


def _to_a_moment(mark: Landmark, before: Seen, after: Seen, end: Seen) -> Iterator[Finding]:
    """Absent before its moment, present after it. A row that was committed later than it says proves nothing."""
    row = f"the row of {mark.log} at {mark.at:%Y-%m-%d %H:%M:%S.%f} UTC"
    remedy = "Do not rely on recovery to a moment with this backup; take another one, and repeat the drill."
    topic = _MOMENT.part("before", "Recovery to just before a change")
    expected = f"{row} is absent, the one before it is there"
    detail = f"{'absent' if not before.at else 'there'}, the one before it {'there' if before.earlier else 'absent'}"
    overshot = before.last_commit is not None and before.last_commit >= mark.at
    if before.at and not overshot:
        yield topic.finding(Level.UNKNOWN, f"{detail}: it was committed before the time that it says", expected, _CLOCK)
    elif not before.earlier and end.earlier and not overshot:
        late = f"{detail}, and there at the end: that one was committed later than the time that it says"
        yield topic.finding(Level.UNKNOWN, late, expected, _CLOCK)
    else:
        good = not before.at and before.earlier and not overshot
        yield topic.judged(Level.OK if good else Level.CRITICAL, detail, expected, remedy)
    topic = _MOMENT.part("after", "Recovery to just after a change")
    expected = f"{row} is there"
    if not after.at and end.at:
        late = "absent, and there at the end: it was committed later than the time that it says"
        yield topic.finding(Level.UNKNOWN, late, expected, _CLOCK)
    else:
        yield topic.judged(
            Level.OK if after.at else Level.CRITICAL, "there" if after.at else "absent", expected, remedy
        )


_CLOCK = "Let the log's time column be filled by the database (DEFAULT now()), not by a clock elsewhere."


def _no_landmark() -> Finding:
    return _MOMENT.part("before", "Recovery to just before a change").finding(
        Level.UNKNOWN,
        "not collected: no log has a row with a second of quiet on both sides between the backup and the last record",
        "a row by which recovery to a moment can be told",
        "See whether the daily step backups.contents runs; a canary row that a job writes each minute would do too.",
    )


def _times(copy: Copy, found: Newest, age: timedelta) -> Iterator[Finding]:
    """RTO: from the start until the copy answered at the end of the archive. RPO: how much of the newest is missing."""
    limit, took = timedelta(minutes=found.restore.max_rto_minutes), timedelta(seconds=sum(copy.seconds.values()))
    yield _TOPIC.part("rto", "Recovery time (RTO)").judged(
        Level.OK if took <= limit else Level.WARNING,
        f"{span(took)} until the restored copy answered: {phases(copy)}",
        f"at most {span(limit)}",
        "Take backups more often, so that less WAL is replayed; or put scratch and backups on faster disks.",
    )
    limit = timedelta(minutes=found.restore.max_rpo_minutes)
    what = "the last commit of the copy" if copy.last_commit else "without a commit since, the end of the backup"
    yield _TOPIC.part("rpo", "Work that would be lost (RPO)").judged(
        Level.OK if age <= limit else Level.WARNING,
        f"{what} was {span(age)} before the end of recovery",
        f"at most {span(limit)}",
        "See whether WAL is archived soon enough (archive_timeout, pg_stat_archiver).",
    )


def _by_canary(session: Session, found: Newest, system: System) -> tuple[Finding, tuple[Sample, ...]]:
    """How old the newest canary row is, which says it of a server that nobody writes to as well."""
    incident: datetime = session.row(queries.load("backups/recovery"))["moment"]
    limit = timedelta(minutes=found.restore.max_rpo_minutes)
    return canary.reached(canary.in_copy(session), system.written, incident, limit)


def _reached(session: Session, found: Newest, system: System) -> Finding:
    """Whether the copy is of the target's own cluster, and came to the end of the archive."""
    topic, here = _TOPIC.part("reached", "How far the drill's copy goes"), session.row(queries.load("backups/recovery"))
    expected = f"a copy of the target, to the newest archived segment {found.archive.newest}"
    if wrong := elsewhere(here, found, system.original):
        return topic.finding(Level.CRITICAL, wrong[0], expected, wrong[1])
    return topic.finding(Level.OK, f"to {here['lsn']}", expected)


def _whole(session: Session, system: System) -> Finding:
    """Roles, extensions, schemas, tables, functions of the target that the copy lacks (G105)."""
    there = {(row["kind"], row["name"]) for row in session.rows(queries.load("backups/objects"))}
    missing = [f"{kind} {name}" for kind, name in sorted(system.objects - there)]
    kinds = [count(sum(kind == one for kind, _ in there), one) for one in sorted({kind for kind, _ in there})]
    detail = f"{listed(kinds, len(kinds))}: all that the target has"
    if missing:
        detail = f"{len(missing)} missing: {listed(missing, NAMED)}"
    return Topic("drill:objects", "Full restoration of the system", "G105").judged(
        Level.WARNING if missing else Level.OK,
        detail,
        "every role, extension, schema, table, index and function of the target",
        "What was made after the last archived WAL is not in it; anything else is a gap of the backup.",
    )


def _done(copy: Copy, found: Newest) -> Finding:
    detail = f"{found.backup.folder.name} restored and rolled forward in {count(len(copy.seconds) - 1, 'step')}"
    return _TOPIC.finding(Level.OK, detail, "a copy that starts and rolls forward")


def _measured(copy: Copy, age: timedelta) -> tuple[Sample, ...]:
    took = Sample("recovery_time", sum(copy.seconds.values()), "s")
    return (*samples(copy), took, Sample("recovery_point", age.total_seconds(), "s"))


def _described(config: Settings, target: str) -> str:
    return f"a restored copy of the newest backup in {config.target(target).backups}, to a moment and past it"


INSPECTIONS = (Inspection("drill", "a restored copy of the newest backup", _described, inspect),)
