"""What the daily window needs: the ledger, the functions, the target's database. It reads only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from upkeep.areas import answers
from upkeep.areas.look import Check, Look, carry_out
from upkeep.areas.registry import CHECKS
from upkeep.cli.check.rows import CheckRow, row_of_look, row_of_questions
from upkeep.cli.clocks import recording_dates
from upkeep.core.findings import Finding, Level
from upkeep.flow.connections import connection, functions, postgres, replicas
from upkeep.ledger.migrations.upgrade import behind
from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings
from upkeep.wires import database, pooling, queries
from upkeep.wires.clocks import ADVISORY_SECONDS, ClockReading, least_doubtful
from upkeep.wires.functions.contract import ContractError, parse_answer, request_body
from upkeep.wires.functions.transport import Call, WireError, post


class UsedExtension(NamedTuple):
    """An extension that checks use, what for, and whether something is not collected without it."""

    guide: str
    purpose: str
    needed: bool


EXTENSIONS = {
    "pg_stat_statements": UsedExtension("G45", "the time that queries take", True),
    "pgstattuple": UsedExtension("G54", "bloat that is measured; without it, it is estimated from statistics", False),
}

#: How often the database is asked for its clock; the quickest answer tells most.
CLOCK_READINGS = 3


def ledger_rows(config: Settings) -> Iterator[CheckRow]:
    """The ledger as tasks write to it and as the dashboard reads it."""
    ledger = config.maintenance.ledger

    def at_head(session: database.Session) -> str:
        return behind(session.row(queries.load("ledger/revision"))["version_num"])

    def may_write(session: database.Session) -> str:
        row = session.row(queries.load("ledger/tasks_rights"))
        if row["owns"]:
            return "this role owns the ledger's tables; tasks must use another one than the owner"
        return "" if row["inserts"] else "the role may not insert: run `python -m upkeep ledger upgrade`"

    def only_reads(session: database.Session) -> str:
        row = session.row(queries.load("ledger/tasks_rights"))
        return "this role may write; expected one that only reads" if row["owns"] or row["inserts"] else ""

    yield row_of_questions(f"ledger as tasks ({ledger.tasks})", "G11", config, ledger.tasks, at_head, may_write)
    yield row_of_questions(
        f"ledger as dashboard ({ledger.dashboard})", "G11", config, ledger.dashboard, at_head, only_reads
    )


def function_rows(config: Settings, target: str) -> Iterator[CheckRow]:
    """One target's functions, the metrics in their answers, their clock."""
    connection_id = config.target(target).connections.functions
    http = config.maintenance.http.model_copy(update={"attempts": 1})
    readings: list[ClockReading] = []
    unasked = "not known: found no answer with a Date header"
    for function, action, guide, arguments in answers.DAILY:
        what = f"{target}: {function} {action}"
        try:
            send, key = functions(connection_id)
            call = Call(function, request_body(function, action, period=None, **arguments), connection_id)
            answer = parse_answer(function, action, post(recording_dates(send, readings), call, key, http))
            told = answers.read(function, action, answer.model_dump(mode="json"), config, arguments)
        except (ConfigError, ContractError, LookupError, WireError) as error:
            yield CheckRow(what, guide, False, str(error))
            if isinstance(error, ConfigError):
                unasked = str(error)
            continue
        yield CheckRow(what, guide, True)
        for finding in told.findings:
            if finding.key.startswith("metric:"):
                unknown = finding.level is Level.UNKNOWN
                metric = f"{target}: {finding.subject.lower()}"
                yield CheckRow(
                    metric, finding.guide, not unknown, f"{finding.detail}. {finding.remedy}" if unknown else ""
                )
    clock = f"{target}: clock of the functions"
    yield _clock(clock, readings) if readings else CheckRow(clock, "X6", False, unasked)


def _clock(what: str, readings: list[ClockReading]) -> CheckRow:
    skew = least_doubtful(readings)
    return CheckRow(what, "X6", not skew.misleading, str(skew) if skew.certain > ADVISORY_SECONDS else "")


def database_rows(config: Settings, target: str) -> Iterator[CheckRow]:
    """One target's database: its role, its server, and each check."""
    connection_id = config.target(target).connections.read

    def only_reads(session: database.Session) -> str:
        row = session.row(queries.load("setup/role_rights"))
        if row["superuser"] or row["writable_tables"]:
            return (
                f"role {row['role']} {'is a superuser' if row['superuser'] else 'may write'}; expected one that only "
                "reads: `python -m upkeep grants target` prints what it needs"
            )
        return ""

    yield row_of_questions(f"{target}: database, read-only ({connection_id})", "X11", config, connection_id, only_reads)
    yield from _server(config, target, connection_id)
    for check in CHECKS.values():
        what = f"{target}: {check.title.lower()}"

        def look(session: database.Session, check: Check = check, what: str = what) -> CheckRow:
            standbys = replicas(target)
            seen = carry_out(check, Look(session, config, datetime.now(UTC), replicas=standbys, target=target))
            unknown = [finding for finding in seen.findings if finding.level is Level.UNKNOWN]
            why = "; ".join(f"{finding.detail}. {finding.remedy}" for finding in unknown)
            return CheckRow(what, check.guide, _can(seen.findings, unknown), why)

        yield row_of_look(what, check.guide, config, connection_id, look)


def _can(findings: Sequence[Finding], unknown: Sequence[Finding]) -> bool | None:
    """Whether a check works: also when single parts of it may be read by nobody but a superuser."""
    if all("not_readable" in finding.metadata for finding in unknown):
        return len(unknown) < len(findings)
    # What only time is missing for is nothing to mend.
    return None if all("until" in finding.metadata for finding in unknown) else False


def _server(config: Settings, target: str, connection_id: str) -> Iterator[CheckRow]:
    """What the server is like, and what stands before it."""
    clock = f"{target}: clock of the database"

    def read_clock(session: database.Session) -> CheckRow:
        readings = []
        for _ in range(CLOCK_READINGS):
            sent = time.time()
            at = session.row(queries.load("setup/clock"))["at"]
            readings.append(ClockReading(sent, time.time(), at.timestamp()))
        return _clock(clock, readings)

    recovery = f"{target}: a server that is not in recovery"

    def in_recovery(session: database.Session) -> CheckRow:
        found = session.row(queries.load("setup/recovery"))
        if not found["in_recovery"]:
            return CheckRow(recovery, "", True)
        behind = found["behind_seconds"]
        age = (
            "it has replayed no transaction yet" if behind is None else f"its newest transaction is {behind:.0f} s old"
        )
        return CheckRow(
            recovery,
            "",
            True,
            f"found a server in recovery, a standby: {age}. Reading works, but its counters are those of the "
            "standby and not of the primary, and nothing can be changed there",
        )

    yield row_of_look(clock, "X6", config, connection_id, read_clock)
    yield row_of_look(recovery, "", config, connection_id, in_recovery)
    yield _pooling(target, connection_id)
    for name, extension in EXTENSIONS.items():
        what = f"{target}: extension {name}"

        def present(
            session: database.Session, name: str = name, extension: UsedExtension = extension, what: str = what
        ) -> CheckRow:
            row = session.row(queries.load("setup/extensions"), {"names": [name]})
            problem = missing(row)
            why = f"{problem}. It is for {extension.purpose}" if problem else ""
            return CheckRow(what, extension.guide, not (problem and extension.needed), why)

        yield row_of_look(what, extension.guide, config, connection_id, present)


def missing(row: database.Row) -> str:
    """Why an extension cannot be used and what to type; empty when it can."""
    if row["usable"]:
        return ""
    if row["installed"]:
        return f"the role may not use its schema {row['schema']!r}: GRANT USAGE on it"
    if row["available"]:
        return f"not in this database; the server has {row['available']}: CREATE EXTENSION {row['name']}"
    return "not in this database, and the server does not have it: install its contrib package"


def _pooling(target: str, connection_id: str) -> CheckRow:
    what = f"{target}: no transaction pooling"
    try:
        found = pooling.detect(postgres(connection_id))
        port = connection(connection_id, "postgres").port or 5432
    except psycopg.Error as error:
        return CheckRow(what, "X13", False, database.explain(error, connection_id))
    except ConfigError as error:
        return CheckRow(what, "X13", False, str(error))
    if found.kind == "none":
        return CheckRow(what, "X13", True)
    transactions = found.kind == "transaction"
    effect = "reading works, changes will be refused" if transactions else "no check works"
    return CheckRow(
        what,
        "X13",
        transactions,
        f"found a pooler in {found.kind} mode: {found.reason}; {effect}. Set the port of Connection {connection_id!r}, "
        f"found {port}, to one in session mode or the server's own (Supabase: 5432 instead of 6543)",
    )
