"""``python -m upkeep check``: a table of what can and cannot be collected, and why.

It reads only. Each row is a thing the daily window needs; a row that says NO names the setting to change. A row that
says yes may have a remark below it: what works today and will not be enough for everything.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

from upkeep import checks, database, migrations, pooling, queries
from upkeep.checks import answers
from upkeep.cli.clocks import ADVISORY_SECONDS, Reading, dated, least_doubtful
from upkeep.findings import Level
from upkeep.flow.connections import connection, functions, postgres
from upkeep.functions.contract import ContractError, parse_answer, request_body
from upkeep.functions.transport import Call, WireError, post
from upkeep.settings import ConfigError, Settings, config_folder, settings


class Asked(NamedTuple):
    """One call of the daily window with its guide item and its arguments."""

    function: str
    action: str
    guide: str
    arguments: Mapping[str, Any]


CALLS = (
    Asked("production-monitoring", "system_status", "G8", {}),
    Asked("database-scalability", "performance_analysis", "G9", {}),
    Asked("error-tracking", "get_error_analytics", "G10", {}),
    Asked("database-scalability", "scalability_report", "G44", {"report_scope": "performance"}),
    Asked("error-tracking", "get_errors", "G69", {"filters": {"category": "authentication", "severity": "high"}}),
)


class Extension(NamedTuple):
    """An extension that checks use, what for, and whether something is not collected without it."""

    guide: str
    purpose: str
    needed: bool


EXTENSIONS = {
    "pg_stat_statements": Extension("G45", "the time that queries take", True),
    "pgstattuple": Extension("G54", "bloat that is measured; without it, it is estimated from statistics", False),
}

#: How often the database is asked for its clock; the quickest answer tells most.
CLOCK_READINGS = 3


@dataclass(frozen=True)
class Row:
    """One line of the table. ``can`` is whether it can be collected; ``why`` is never empty when it cannot."""

    what: str
    guide: str
    can: bool
    why: str = ""


def run(arguments: argparse.Namespace) -> int:
    """Print the table. Returns 0 when everything can be collected, else 1."""
    config = settings()
    names = [arguments.target] if arguments.target else list(config.targets)
    for name in names:
        config.target(name)
    rows = [Row(f"configuration in {config_folder()}", "", True), *_ledger(config)]
    for name in names:
        rows += _functions(config, name)
        rows += _database(config, name)
    print(table(rows))
    return 0 if all(row.can for row in rows) else 1


def table(rows: list[Row]) -> str:
    """The rows in columns, the reason below its row."""
    width = max(len(row.what) for row in rows)
    lines = [f"{'WHAT':{width}}  {'GUIDE':8}  CAN BE COLLECTED"]
    for row in rows:
        lines.append(f"{row.what:{width}}  {row.guide:8}  {'yes' if row.can else 'NO'}")
        if row.why:
            lines.append(f"    {row.why}")
    good = sum(row.can for row in rows)
    lines.append(f"{good} of {len(rows)} can be collected.")
    return "\n".join(lines)


def _ledger(config: Settings) -> Iterator[Row]:
    ledger = config.maintenance.ledger

    def at_head(session: database.Session) -> str:
        found = session.row(queries.load("ledger/revision"))["version_num"]
        if found != migrations.head():
            return f"found revision {found}, expected {migrations.head()}: run `python -m upkeep ledger upgrade`"
        return ""

    def may_write(session: database.Session) -> str:
        row = session.row(queries.load("ledger/tasks_rights"))
        if row["owns"]:
            return "this role owns the ledger's tables; tasks must use another one than the owner"
        return "" if row["inserts"] else "the role may not insert: run `python -m upkeep ledger upgrade`"

    def only_reads(session: database.Session) -> str:
        row = session.row(queries.load("ledger/tasks_rights"))
        return "this role may write; expected one that only reads" if row["owns"] or row["inserts"] else ""

    yield _asked(f"ledger as tasks ({ledger.tasks})", "G11", config, ledger.tasks, at_head, may_write)
    yield _asked(f"ledger as dashboard ({ledger.dashboard})", "G11", config, ledger.dashboard, at_head, only_reads)


def _asked(
    what: str, guide: str, config: Settings, connection_id: str, *asks: Callable[[database.Session], str]
) -> Row:
    """A row that says yes when none of the questions finds a problem."""

    def ask(session: database.Session) -> Row:
        problems = [problem for ask in asks if (problem := ask(session))]
        return Row(what, guide, not problems, "; ".join(problems))

    return _looked(what, guide, config, connection_id, ask)


def _looked(
    what: str, guide: str, config: Settings, connection_id: str, look: Callable[[database.Session], Row]
) -> Row:
    """The row of a look at a database, or one that says why nobody could look."""
    try:
        with database.session(postgres(connection_id), config.maintenance.sql, read_only=True) as session:
            return look(session)
    except psycopg.errors.UndefinedTable:
        return Row(what, guide, False, "found no ledger tables: run `python -m upkeep ledger upgrade`")
    except psycopg.Error as error:
        return Row(what, guide, False, database.explain(error, connection_id))
    except (ConfigError, LookupError) as error:
        return Row(what, guide, False, str(error))


def _functions(config: Settings, target: str) -> Iterator[Row]:
    connection_id = config.target(target).connections.functions
    http = config.maintenance.http.model_copy(update={"attempts": 1})
    readings: list[Reading] = []
    for function, action, guide, arguments in CALLS:
        what = f"{target}: {function} {action}"
        try:
            send, key = functions(connection_id)
            call = Call(function, request_body(function, action, period=None, **arguments), connection_id)
            answer = parse_answer(function, action, post(dated(send, readings), call, key, http))
            looked = answers.read(function, action, answer.model_dump(mode="json"), config)
        except (ConfigError, ContractError, LookupError, WireError) as error:
            yield Row(what, guide, False, str(error))
            continue
        yield Row(what, guide, True)
        for finding in looked.findings:
            if finding.key.startswith("metric:"):
                unknown = finding.level is Level.UNKNOWN
                metric = f"{target}: {finding.subject.lower()}"
                yield Row(metric, finding.guide, not unknown, f"{finding.detail}. {finding.remedy}" if unknown else "")
    yield _clock(f"{target}: clock of the functions", readings)


def _clock(what: str, readings: list[Reading]) -> Row:
    if not readings:
        return Row(what, "X6", False, "not known: found no answer with a Date header")
    skew = least_doubtful(readings)
    return Row(what, "X6", not skew.misleading, str(skew) if skew.certain > ADVISORY_SECONDS else "")


def _database(config: Settings, target: str) -> Iterator[Row]:
    connection_id = config.target(target).connections.read

    def only_reads(session: database.Session) -> str:
        row = session.row(queries.load("checks/role_rights"))
        if row["superuser"] or row["writable_tables"]:
            return (
                f"role {row['role']} {'is a superuser' if row['superuser'] else 'may write'}; expected one that only "
                "reads: `python -m upkeep grants target` prints what it needs"
            )
        return ""

    yield _asked(f"{target}: database, read-only ({connection_id})", "X11", config, connection_id, only_reads)
    yield from _server(config, target, connection_id)
    for check in checks.CHECKS.values():

        def look(session: database.Session, check: checks.Check = check) -> str:
            looked = checks.carry_out(check, checks.Look(session, config, datetime.now(UTC)))
            return "; ".join(f"{f.detail}. {f.remedy}" for f in looked.findings if f.level is Level.UNKNOWN)

        yield _asked(f"{target}: {check.title.lower()}", check.guide, config, connection_id, look)


def _server(config: Settings, target: str, connection_id: str) -> Iterator[Row]:
    """What the server is like, and what stands before it."""
    clock = f"{target}: clock of the database"

    def read_clock(session: database.Session) -> Row:
        readings = []
        for _ in range(CLOCK_READINGS):
            sent = time.time()
            at = session.row(queries.load("checks/clock"))["at"]
            readings.append(Reading(sent, time.time(), at.timestamp()))
        return _clock(clock, readings)

    recovery = f"{target}: a server that is not in recovery"

    def in_recovery(session: database.Session) -> Row:
        found = session.row(queries.load("checks/recovery"))
        if not found["in_recovery"]:
            return Row(recovery, "", True)
        behind = found["behind_seconds"]
        age = (
            "it has replayed no transaction yet" if behind is None else f"its newest transaction is {behind:.0f} s old"
        )
        return Row(
            recovery,
            "",
            True,
            f"found a server in recovery, a standby: {age}. Looking works; its counters tell of what is read there, "
            "not of the primary, and nothing can be changed on it",
        )

    yield _looked(clock, "X6", config, connection_id, read_clock)
    yield _looked(recovery, "", config, connection_id, in_recovery)
    yield _pooling(target, connection_id)
    for name, extension in EXTENSIONS.items():
        what = f"{target}: extension {name}"

        def present(
            session: database.Session, name: str = name, extension: Extension = extension, what: str = what
        ) -> Row:
            row = session.row(queries.load("checks/extensions"), {"names": [name]})
            problem = _missing(row)
            why = f"{problem}. It is for {extension.purpose}" if problem else ""
            return Row(what, extension.guide, not (problem and extension.needed), why)

        yield _looked(what, extension.guide, config, connection_id, present)


def _missing(row: database.Row) -> str:
    """Why an extension cannot be used and what to type; empty when it can."""
    if row["usable"]:
        return ""
    if row["installed"]:
        return f"the role may not use its schema {row['schema']!r}: GRANT USAGE on it"
    if row["available"]:
        return f"not in this database; the server has {row['available']}: CREATE EXTENSION {row['name']}"
    return "not in this database, and the server does not have it: install its contrib package"


def _pooling(target: str, connection_id: str) -> Row:
    what = f"{target}: no transaction pooling"
    try:
        found = pooling.detect(postgres(connection_id))
        port = connection(connection_id, "postgres").port or 5432
    except psycopg.Error as error:
        return Row(what, "X13", False, database.explain(error, connection_id))
    except ConfigError as error:
        return Row(what, "X13", False, str(error))
    if found.kind == "none":
        return Row(what, "X13", True)
    transactions = found.kind == "transaction"
    effect = "looking works, whatever changes the database will refuse" if transactions else "no check works"
    return Row(
        what,
        "X13",
        transactions,
        f"found a pooler in {found.kind} mode: {found.reason}; {effect}. Set the port of Connection {connection_id!r}, "
        f"found {port}, to one in session mode or the server's own (Supabase: 5432 instead of 6543)",
    )
