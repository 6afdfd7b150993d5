"""``python -m upkeep check``: a table of what can and cannot be collected, and why.

It reads only. Each row is a thing the daily window needs; a row that says NO names the setting to change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from upkeep import checks, database, migrations, queries
from upkeep.checks import answers
from upkeep.findings import Level
from upkeep.flow.connections import functions, postgres
from upkeep.functions.contract import ContractError, parse_answer, request_body
from upkeep.functions.transport import Call, WireError, post
from upkeep.settings import ConfigError, Settings, config_folder, settings

#: What the daily window calls, with the guide item of each.
CALLS = (
    ("production-monitoring", "system_status", "G8"),
    ("error-tracking", "get_error_analytics", "G10"),
)


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
    try:
        with database.session(postgres(connection_id), config.maintenance.sql, read_only=True) as session:
            problems = [problem for ask in asks if (problem := ask(session))]
    except psycopg.errors.UndefinedTable:
        problems = ["found no ledger tables: run `python -m upkeep ledger upgrade`"]
    except psycopg.Error as error:
        problems = [database.explain(error, connection_id)]
    except (ConfigError, LookupError) as error:
        problems = [str(error)]
    return Row(what, guide, not problems, "; ".join(problems))


def _functions(config: Settings, target: str) -> Iterator[Row]:
    connection_id = config.target(target).connections.functions
    http = config.maintenance.http.model_copy(update={"attempts": 1})
    for function, action, guide in CALLS:
        what = f"{target}: {function} {action}"
        try:
            send, key = functions(connection_id)
            call = Call(function, request_body(function, action, period=None), connection_id)
            answer = parse_answer(function, action, post(send, call, key, http))
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

    reached = _asked(f"{target}: database, read-only ({connection_id})", "X11", config, connection_id, only_reads)
    yield reached
    for check in checks.CHECKS.values():

        def look(session: database.Session, check: checks.Check = check) -> str:
            looked = checks.carry_out(check, checks.Look(session, config, datetime.now(UTC)))
            return "; ".join(f"{f.detail}. {f.remedy}" for f in looked.findings if f.level is Level.UNKNOWN)

        yield _asked(f"{target}: {check.title.lower()}", check.guide, config, connection_id, look)
