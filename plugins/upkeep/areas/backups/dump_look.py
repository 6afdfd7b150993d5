"""Daily verification of dumps by pg_dump (G99, G100): the newest exists, is finished, young, large enough and whole.

A dump that nobody here can read (encrypted, compressed as a whole, plain SQL, of a newer pg_dump) is named, and nothing
is said of what is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from upkeep.areas.backups import dump_reading
from upkeep.areas.backups.dump_files import Dump, State, find, may_be_of
from upkeep.areas.backups.judging import BEFORE, NOT_COVERED, SKEW, age, size, unfinished
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.units import listed, roughly
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Dumps
from upkeep.wires import queries

#: What a dump by pg_dump holds less than a base backup.
NOT_DUMPED = "other databases of the server, roles, and changes since it was begun (no recovery to a later moment)"
#: What came so little after a dump was made with it.
RUN = timedelta(hours=1)
ZONE = "it was last written before it was begun, so that its time is of another zone than config says"
ZONE_REMEDY = "Set targets.<target>.dumps.time_zone to that of the host where pg_dump runs."
_TOPIC = Topic("backups:dumps", "Newest dump", "G99")


def inspect(sources: Sources) -> LookResult:
    """The newest dump of a target that has its section of config."""
    config = sources.config.target(sources.target).dumps
    return look_at_dumps(config, datetime.now(UTC), database_of(sources)) if config else LookResult(())


def database_of(sources: Sources) -> str:
    """The name of the target's database; empty while it does not answer, which hides no dump."""
    try:
        with sources.read() as session:
            return str(session.row(queries.load("backups/database"))["database"])
    except psycopg.Error:
        return ""


def look_at_dumps(config: Dumps, now: datetime, database: str) -> LookResult:
    """Judge the newest dump; ``config`` is a target's section ``dumps``, ``now`` this host's time in UTC, ``database``
    the one that dumps must be of, empty where nobody knows.
    """
    topic = _TOPIC.part("completion")
    try:
        there = find(config.folder, config.time_zone, now)
    except (FileNotFoundError, NotADirectoryError):
        return LookResult((_none(f"found no folder {config.folder}"),))
    except OSError as error:
        detail = f"not collected: {config.folder} cannot be read: {error.strerror}"
        remedy = "Let the user that Airflow's tasks run as read the dumps."
        return LookResult((topic.finding(Level.UNKNOWN, detail, "a folder that the tasks' user may read", remedy),))
    found = [dump for dump in there if may_be_of(dump, database)]
    finished = [dump for dump in found if dump.state is State.FINISHED]
    if not finished:
        others = sorted({dump.header.database for dump in there if dump.header} - {database})
        return LookResult((_without_any(found, config, database, others),))
    newest = finished[-1]
    newer = found[found.index(newest) + 1 :]
    findings = [
        _completion(newest, database),
        _age(newest, config, now),
        _size(newest, finished[:-1], config),
        _integrity(newest, config),
        *(_unfinished(dump, now) for dump in newer[-1:] if dump.state is State.UNFINISHED),
        *(_foreign(dump) for dump in newer[-1:] if dump.state is State.FOREIGN and not _of_its_run(dump, newest)),
    ]
    samples = [Sample("dump_bytes", float(newest.size), "bytes")]
    if begun(newest):
        samples.append(Sample("dump_age", (now - newest.begun_at) / timedelta(hours=1), "h"))
    return LookResult(tuple(findings), tuple(samples))


def _none(detail: str) -> Finding:
    remedy = (
        "Make a dump now (pg_dump --format=custom), then find out why none is made; or correct targets.<target>.dumps."
    )
    return _TOPIC.part("completion").finding(Level.CRITICAL, detail, "a finished dump", remedy)


def _without_any(found: Sequence[Dump], config: Dumps, database: str, others: Sequence[str]) -> Finding:
    foreign = [dump for dump in found if dump.state is State.FOREIGN]
    if foreign:
        return _foreign(foreign[-1])
    named = "".join(f"; unfinished: {dump.path.name}" for dump in found[-1:])
    of_it = f" of database {database}" if database else ""
    named += f"; there are dumps of {listed(others, BEFORE)}" if others else ""
    return _none(f"found no finished dump by pg_dump{of_it} in {config.folder}{named}")


def _foreign(dump: Dump) -> Finding:
    return _TOPIC.part("readable", "A dump that cannot be read here").finding(
        Level.UNKNOWN,
        f"not collected: {dump.path.name} is {dump.said}",
        "pg_dump's custom or directory format, by a pg_dump that this release knows",
        "Whether it is whole is not known. Make dumps with --format=custom, and encrypt the disk or the store instead.",
    )


def _unfinished(dump: Dump, now: datetime) -> Finding:
    topic = _TOPIC.part("unfinished", "A newer dump without its end")
    return unfinished(topic, dump.path.name, dump.begun_at, now, "its table of contents, and rests for a minute")


def _completion(dump: Dump, database: str) -> Finding:
    topic = _TOPIC.part("completion")
    expected = "a table of contents as pg_dump writes it, last changed after it was begun"
    remedy = "Do not rely on it: make another dump now, and see what touched or cut off this one."
    header = dump.header
    if header is None:
        return topic.finding(Level.CRITICAL, f"{dump.path.name}: {dump.said}", expected, remedy)
    detail = (
        f"{dump.path.name}: {roughly(dump.size)} of database {header.database}, server {header.server}, "
        f"by pg_dump {header.dumped_by}; {NOT_COVERED}, {NOT_DUMPED}"
    )
    if database:
        return topic.finding(Level.OK, detail, expected)
    unknown = f"not collected: the target did not tell its database's name, so that it may be another's: {detail}"
    return topic.finding(Level.UNKNOWN, unknown, expected, "See why the target's read Connection does not answer.")


def _of_its_run(dump: Dump, newest: Dump) -> bool:
    """Whether a file that cannot be read was made with the newest dump, which can: a log, a second form."""
    return dump.changed_at <= newest.changed_at + RUN


def _age(dump: Dump, config: Dumps, now: datetime) -> Finding:
    topic = _TOPIC.part("age", "Age of the newest dump")
    if dump.header is None or begun(dump):
        return age(topic, begun(dump), config, now)
    return topic.finding(Level.UNKNOWN, f"not collected: {ZONE}", f"at most {config.max_age_hours:g} h", ZONE_REMEDY)


def begun(dump: Dump) -> datetime | None:
    """When it was begun. One whose files are older than that says a time of another zone: nothing is known then."""
    if dump.header is None or dump.changed_at < dump.begun_at - SKEW:
        return None
    return dump.begun_at


def _size(dump: Dump, before: Sequence[Dump], config: Dumps) -> Finding:
    topic = _TOPIC.part("size", "Size of the newest dump")
    of_it = [one.size for one in before if _database(one) == _database(dump)][-BEFORE:]
    remedy = "See what is in it (pg_restore --list): tables that were left out, or rows that are gone."
    return size(topic, dump.size, of_it, config, remedy)


def _database(dump: Dump) -> str:
    return dump.header.database if dump.header else ""


def _integrity(dump: Dump, config: Dumps) -> Finding:
    level, said = dump_reading.read(config.verify_program, dump, config.verify_timeout_seconds)
    remedy = {
        Level.UNKNOWN: "Set targets.<target>.dumps.verify_program (or …verify_timeout_seconds); let it read the dumps.",
        Level.WARNING: "See what pg_dump is told to leave out: --schema-only, --exclude-table-data.",
        Level.ADVISORY: "Let pg_dump compress by gzip and write COPY: then whatever is bent or cut off shows.",
    }.get(level, "Do not rely on it: make another dump now, then test the disk that this one lies on.")
    detail = f"not collected: {said}" if level is Level.UNKNOWN else said
    topic = Topic("backups:dumps:integrity", "The newest dump, read", "G100")
    return topic.judged(level, detail, "pg_restore reads all of it, and each table's data comes to its end", remedy)
