"""The weekly restoration of the newest dump (G101): into an empty server, and compared with what can be compared.

A dump has no position in the WAL. What a log held in a period that was over is known from the daily record before the
dump, and from the target now: a dump that was made between two moments that are alike must be like them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg

from upkeep.areas.backups import dump_words, restored
from upkeep.areas.backups.contents import Log, described, measured
from upkeep.areas.backups.dump_files import Dump, State, find, may_be_of
from upkeep.areas.backups.dump_look import ZONE, ZONE_REMEDY, begun
from upkeep.areas.backups.dump_server import Shape, of_other_major, server_major
from upkeep.areas.backups.dump_server import restored as restored_dump
from upkeep.areas.backups.dump_words import NAMED, RETAKE, TOPIC
from upkeep.areas.backups.restoration import TRIALS, is_restored, patient
from upkeep.areas.backups.server import RestoreError, Server, SetUpError, run_as
from upkeep.areas.indexes import trial
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected, Sample
from upkeep.core.units import count, listed, span
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Dumps
from upkeep.settings.maintenance import Sql
from upkeep.wires import database, queries
from upkeep.wires.database import Row, Session, error_words

#: How many rows more or fewer a log may have where rows were changed since, in percent.
TOLERANCE = 1.0
_CONTENTS = TOPIC.part("contents", "Logs of the restored dump, compared with before and after it")
_LOST_SOME = (_CONTENTS.key, Level.WARNING)


@dataclass(frozen=True)
class Alike:
    """One log in one period: its rows and their content by the record, in the copy, and in the target now."""

    log: Log
    before: Row
    copy: Row
    after: Row


@dataclass(frozen=True)
class Original:
    """The target as a dump of it is compared with it; ``record`` is the newest daily one before the dump, ``now`` what
    its logs hold now of the same period. ``timed``: it is known when the dump was begun.
    """

    shape: Shape
    objects: frozenset[tuple[str, str]]
    record: Mapping[str, Any] | None
    now: Sequence[Row]
    timed: bool = True


def inspect(sources: Sources) -> LookResult:
    """Restore the newest dump of a target that has its section of config. Raises NotCollected."""
    config = sources.config.target(sources.target).dumps
    if config is None:
        return LookResult(())
    where = f"targets.{sources.target}.dumps"
    if config.restore is None:
        raise NotCollected(f"no scratch folder is configured ({where}.restore), so that no dump can be restored")
    with sources.ledger() as session:
        rows = session.rows(queries.load("backups/known_contents"), {"target": sources.target})
    with sources.read() as session:
        name = session.row(queries.load("backups/database"))["database"]
        dump = newest(config, datetime.now(UTC), name)
        target = original(session, dump, [row["body"] for row in rows])
    missing = None if is_restored(sources) else trial.asked(sources)
    return restore(dump, config, target, sources.config.maintenance.sql, sources.ending, missing)


def newest(config: Dumps, now: datetime, database: str) -> Dump:
    """What is to be restored: the newest of a database. Raises NotCollected."""
    try:
        found = [one for one in find(config.folder, config.time_zone, now) if one.state is State.FINISHED]
    except OSError as error:
        raise NotCollected(f"{config.folder} cannot be read: {error.strerror}") from error
    finished = [one for one in found if may_be_of(one, database)]
    if not finished or finished[-1].header is None:
        raise NotCollected(f"found no finished dump with a header, of database {database}, in {config.folder}")
    return finished[-1]


def original(session: Session, dump: Dump, records: Sequence[Mapping[str, Any]]) -> Original:
    """The target, over one session on it; ``records`` are those of ``contents``, the newest first."""
    here = session.row(queries.load("backups/shape"))
    roles = tuple((str(name), bool(superuser)) for name, superuser in here["roles"])
    shape = Shape(here["major"], here["encoding"], here["size"], roles, _locale(here["locale"]))
    found = session.rows(queries.load("backups/objects"))
    objects = frozenset((row["kind"], row["name"]) for row in found if row["dumped"])
    mine = [one for one in records if one["logs"] and one["system_identifier"] == here["system_identifier"]]
    mine = [one for one in mine if one["database"] == here["database"]]
    at = begun(dump)
    record = next((one for one in mine if at and datetime.fromisoformat(one["moment"]) <= at), None)
    return Original(shape, objects, record, _rows(session, record) if record else (), at is not None)


def _locale(found: Mapping[str, Any]) -> dict[LiteralString, str]:
    """What CREATE DATABASE is told, so that text sorts and has its classes as in the target."""
    words: dict[LiteralString, str] = {"LC_COLLATE": found["collate"], "LC_CTYPE": found["ctype"]}
    if found["provider"] == "i":
        words |= {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": found["locale"]}
        words |= {"ICU_RULES": found["rules"]} if found["rules"] else {}
    elif found["provider"] == "b":
        words |= {"LOCALE_PROVIDER": "builtin", "BUILTIN_LOCALE": found["locale"]}
    return words


def _rows(session: Session, record: Mapping[str, Any]) -> list[Row]:
    start, end = (datetime.fromisoformat(record[name]) for name in ("start", "end"))
    return measured(session, _logs(record), start, end)[1]


def _logs(record: Mapping[str, Any]) -> list[Log]:
    return [Log(one["schema"], one["table"], one["time"]) for one in record["logs"]]


def restore(
    dump: Dump,
    config: Dumps,
    target: Original,
    clocks: Sql,
    ending: list[Any],
    indexes: trial.Wanted | None = None,
) -> LookResult:
    """Findings and samples of one restoration; ``config`` has a section ``restore``.

    ``indexes`` are tried at the end; what came of it is the snapshot.
    """
    if config.restore is None or dump.header is None:
        raise NotCollected("there is no scratch folder, or no header to go by")
    if server_major(dump) > int(target.shape.major):
        return LookResult((dump_words.of_later_server(dump, target.shape),))
    try:
        with restored_dump(dump, target.shape, config.restore, ending) as (server, errors):
            findings = [
                dump_words.done(dump, server, errors, target.shape),
                _in_time(server, config.restore.max_rto_minutes),
            ]
            slow = patient(clocks, config.restore)
            with database.session(server.connect, slow, read_only=False) as session:
                wanting = bool(errors.hosts_own or errors.later)
                if not wanting:  # else what is not there may be for want of these
                    findings += [compared(session, target), _whole(session, target), _data(session, server, dump)]
                findings.append(restored.readable(session, TOPIC.part("readable", "Every table of the restored dump")))
                findings.append(restored.ahead(session, TOPIC.part("sequences", "Sequences of the restored dump")))
            doubted = wanting or bool(of_other_major(dump, target.shape))
            given = indexes and _tried(server, dump, findings, indexes, slow, doubted=doubted)
            tried, trials = given or ([], None)
            samples = (Sample("restore_seconds", took, "s", f"dump: {part}") for part, took in server.seconds.items())
            return LookResult((*findings, *tried), tuple(samples), snapshot=trials)
    except SetUpError as why:
        remedy = "Correct targets.<target>.dumps.restore in config/maintenance.yaml, or make room."
        detail = f"not collected: {why}"
        return LookResult((TOPIC.finding(Level.UNKNOWN, detail, "a server that the dump can be put into", remedy),))
    except (RestoreError, psycopg.Error) as why:
        detail = f"{dump.path.name} could not be restored: {' '.join(str(why).split())[:600]}"
        return LookResult((TOPIC.finding(Level.CRITICAL, detail, "a dump that restores", RETAKE),))


def _tried(
    server: Server, dump: Dump, findings: Sequence[Finding], indexes: trial.Wanted, clocks: Sql, *, doubted: bool
) -> tuple[list[Finding], Any]:
    """Indexes are tried where nothing says that the copy is not the target as it was at a known time."""
    as_of = begun(dump)
    differs = any(one.level is Level.CRITICAL or (one.key, one.level) == _LOST_SOME for one in findings)
    if differs or doubted or as_of is None:
        return trial.not_tried(TRIALS, trial.DOUBTED), None
    return trial.tried(server, indexes, clocks, TRIALS, as_of=as_of, analyse=True)


def _in_time(server: Server, minutes: float) -> Finding:
    limit, took = timedelta(minutes=minutes), timedelta(seconds=sum(server.seconds.values()))
    return TOPIC.part("rto", "Time to restore the newest dump").judged(
        Level.OK if took <= limit else Level.WARNING,
        f"{span(took)} until the restored copy answered",
        f"at most {span(limit)}",
        "Put scratch and dumps on faster disks, or take base backups, which are restored faster.",
    )


def compared(session: Session, target: Original) -> Finding:
    """The logs of a copy with the record before it and the target after it; equal is what was compared, no more."""
    if not target.timed:
        return _CONTENTS.finding(Level.UNKNOWN, f"not comparable: {ZONE}", "a record to compare with", ZONE_REMEDY)
    if target.record is None:
        return _CONTENTS.finding(
            Level.UNKNOWN,
            "not comparable: no daily window has recorded what the logs held before this dump was begun",
            "a record to compare with",
            "See whether the daily step backups.contents runs; the next dump can be compared.",
        )
    expected = f"{described(target.record)}, or as the target has them now"
    try:
        with session.connection.transaction():  # what fails here ends no other look
            copies = _rows(session, target.record)
    except psycopg.Error as error:
        detail = f"a log cannot be read: {error_words(error)[:300]}"
        return _CONTENTS.finding(Level.CRITICAL, detail, expected, RETAKE)
    seen = [Alike(*one) for one in zip(_logs(target.record), target.record["logs"], copies, target.now, strict=True)]
    return _judged(seen, expected)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("rows", "high", "low"))


def _judged(seen: Sequence[Alike], expected: str) -> Finding:
    unlike = [one for one in seen if not _same(one.copy, one.before) and not _same(one.copy, one.after)]
    lost = [_described(one) for one in unlike if _same(one.before, one.after)]
    if lost:
        remedy = "Do not rely on this dump: make another one now, and look for what filters or changes it."
        detail = f"{listed(lost, NAMED, '; ')}; the target has not changed them since before the dump"
        return _CONTENTS.finding(Level.CRITICAL, detail, expected, remedy)
    if not unlike:
        return _CONTENTS.finding(Level.OK, f"the same rows, byte for byte, of {count(len(seen), 'log')}", expected)
    detail = f"not comparable, for rows were changed since: {listed([_described(one) for one in unlike], NAMED, '; ')}"
    fewer = [one for one in unlike if _too_few(one)]
    remedy = "Logs whose rows are changed, or deleted, within the week cannot be told from a dump that lost some."
    return _CONTENTS.finding(Level.WARNING if fewer else Level.UNKNOWN, detail, expected, remedy)


def _too_few(one: Alike) -> bool:
    """Whether a copy has fewer rows than both before and after it, by more than the tolerance."""
    least = min(int(one.before["rows"]), int(one.after["rows"]))
    return int(one.copy["rows"]) < least * (1 - TOLERANCE / 100)


def _described(one: Alike) -> str:
    said = f"{one.log}: {count(one.copy['rows'], 'row')}"
    return f"{said}, {one.before['rows']:,} before the dump and {one.after['rows']:,} now"


def _whole(session: Session, target: Original) -> Finding:
    """Extensions, schemas, tables, valid indexes, functions of the target's own that the copy lacks."""
    there = set(_named(session.rows(queries.load("backups/objects"))))
    wanted = set(_named({"kind": kind, "name": name} for kind, name in target.objects))
    missing = [f"{kind} {name}" for kind, name in sorted(wanted - there)]
    detail = f"{count(len(wanted), 'object')}: all that the target has"
    if missing:
        detail = f"{len(missing)} missing: {listed(missing, NAMED)}"
    return TOPIC.part("objects", "What the restored dump has of the target").judged(
        Level.WARNING if missing else Level.OK,
        detail,
        "every extension, schema, table, index and function of the target",
        "What was made after the dump is not in it; else see what pg_dump was told to leave out.",
    )


def _data(session: Session, server: Server, dump: Dump) -> Finding:
    """Tables of the copy of which the dump's table of contents has no data, not even none."""
    contents = run_as(server.restore, str(server.restore.programs / "pg_restore"), "--list", str(dump.path))
    tables = [(row["schema"], row["table"]) for row in session.rows(queries.load("backups/dumped_tables"))]
    without = [f"{schema}.{table}" for schema, table in tables if f" TABLE DATA {schema} {table} " not in contents]
    detail = f"data of {count(len(tables), 'table')}"
    if without:
        detail = f"no data of {len(without)} of {count(len(tables), 'table')}: {listed(without, NAMED)}"
    return TOPIC.part("data", "Tables whose rows the restored dump leaves out").judged(
        Level.WARNING if without else Level.OK,
        detail,
        "data of every table, be it of no rows",
        "See what pg_dump is told to leave out (--schema-only, --exclude-table-data): these rows are nowhere in it.",
    )


def _named(rows: Any) -> Iterator[tuple[str, str]]:
    """An extension in whichever version: pg_dump leaves that to the server it is restored into. Roles are ours."""
    for row in rows:
        if row["kind"] != "role":
            yield row["kind"], row["name"].rpartition(" ")[0] if row["kind"] == "extension" else row["name"]
