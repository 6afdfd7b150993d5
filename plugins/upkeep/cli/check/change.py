"""What a change needs beyond looking: a Connection that may, the right server, people who answer (docs/gate.md)."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from airflow.secrets.metastore import MetastoreBackend
from sqlalchemy.exc import SQLAlchemyError

from upkeep.areas.backups import canary
from upkeep.areas.kinds import NAMES
from upkeep.cli.check.identity import of_server
from upkeep.cli.check.rows import CheckRow, row_of_look
from upkeep.core.findings import Level
from upkeep.flow.connections import connection, signer, trusted, trusted_connection
from upkeep.gate import sheets
from upkeep.gate.decision_store import ledger_identity
from upkeep.settings.base import ConfigError
from upkeep.settings.load import Settings, settings
from upkeep.wires import database, pooling

_PRINT = "`python -m upkeep check --print-identity` prints it"


def target_rows(config: Settings, target: str) -> Iterator[CheckRow]:
    """One target's rows; without a Connection that may change it there is one, and nothing is changed."""
    setting = f"targets.{target}.connections.maintain"
    maintain = config.target(target).connections.maintain
    if maintain is None:
        yield CheckRow(f"{target}: {setting}", "G52", None, f"found none in config: nothing is changed in {target}")
        return
    what = f"{target}: a Connection that may change it ({maintain})"
    if untrusted := _untrusted(what, target, maintain):
        yield untrusted
        return
    yield row_of_look(what, "G52", config, maintain, lambda session: _rights(what, session), trusted)
    read = config.target(target).connections.read
    what = f"{target}: a Connection that guards may trust ({read})"
    yield _untrusted(what, target, read) or CheckRow(what, "G52", True)
    drops = f"{target}: dropping indexes that can go ({maintain})"
    yield row_of_look(drops, "G53", config, maintain, lambda session: _drops(drops, session), trusted)
    yield _pooling(target, maintain)
    yield _pinned_server(config, target, maintain)


def canary_rows(config: Settings, target: str) -> Iterator[CheckRow]:
    """Whether the daily window may add a canary row, where config wants one."""
    wanted = config.target(target).canary
    if wanted is None:
        return
    what = f"{target}: a canary row each day ({wanted.connection})"

    def look(session: database.Session) -> CheckRow:
        why = canary.unable(session, target, config.target(target), wanted)
        if why is None:
            return CheckRow(what, "G102", True)
        return CheckRow(what, "G102", None if why.level is Level.ADVISORY else False, f"{why.detail}. {why.remedy}")

    yield row_of_look(what, "G102", config, wanted.connection, look, trusted)


def _untrusted(what: str, target: str, connection_id: str) -> CheckRow | None:
    """Why nothing is changed with this Connection; None for one of the environment or a secrets backend."""
    try:
        trusted_connection(connection_id)
    except ConfigError as error:
        # One that an operator may edit is worse than none: it can be pointed at another database.
        wrong = "found type" in str(error) or _in_airflows_store(connection_id)
        return CheckRow(what, "G52", False if wrong else None, f"{error}. Nothing is changed in {target}")
    return None


def _in_airflows_store(connection_id: str) -> bool:
    """Whether Airflow's own database has it; a database that cannot be asked has nothing."""
    try:
        return MetastoreBackend().get_connection(connection_id) is not None
    except SQLAlchemyError:
        return False


def _rights(what: str, session: database.Session) -> CheckRow:
    row = session.row(session.load("setup/maintain_rights"))
    if row["superuser"]:
        return CheckRow(
            what, "G52", False, f"role {row['role']} is a superuser; expected one that may VACUUM and no more"
        )
    if not row["refused"]:
        return CheckRow(what, "G52", True)
    others = row["refused"] - len(row["names"])
    named = ", ".join(row["names"]) + (f" and {others} more" if others else "")
    why = (
        f"role {row['role']} may not VACUUM {row['refused']} of {row['tables']} tables: {named}; "
        "`python -m upkeep grants maintain` prints what it needs"
    )
    return CheckRow(what, "G52", False, why)


def _drops(what: str, session: database.Session) -> CheckRow:
    row = session.row(session.load("setup/index_rights"))
    missing = []
    if row["refused"]:
        missing.append(
            f"does not own {row['refused']} of {row['tables']} tables with indexes (they belong to "
            f"{', '.join(row['owners'])}), so that drops, rebuilds and validations there end as not done"
        )
    if row["closed_schemas"]:
        missing.append(
            f"may not CREATE in schema {', '.join(row['closed_schemas'])}, so that drops there end as not done"
        )
    if not missing:
        return CheckRow(what, "G53", True)
    why = f"role {row['role']} {' and '.join(missing)}; `python -m upkeep grants indexes` prints what it needs"
    return CheckRow(what, "G53", None, why)


def _pooling(target: str, maintain: str) -> CheckRow:
    what = f"{target}: no transaction pooling before changes"
    try:
        found = pooling.detect(trusted(maintain))
        port = trusted_connection(maintain).port or 5432
    except psycopg.Error as error:
        return CheckRow(what, "X13", False, database.explain(error, maintain))
    if found.keeps_sessions:
        return CheckRow(what, "X13", True)
    return CheckRow(
        what,
        "X13",
        False,
        f"found a pooler in {found.kind} mode: {found.reason}; it keeps neither locks nor settings, so nothing is "
        f"changed. Set the port of Connection {maintain!r}, found {port}, to one in session mode or the server's own "
        "(Supabase: 5432 instead of 6543)",
    )


def _pinned_server(config: Settings, target: str, maintain: str) -> CheckRow:
    what = f"{target}: the server that config pins"
    setting, pinned = f"targets.{target}.system_identifier", config.target(target).system_identifier

    def same(session: database.Session) -> CheckRow:
        return _pin(what, setting, pinned, of_server(session), maintain)

    return row_of_look(what, "", config, maintain, same, trusted)


def ledger_row(config: Settings) -> CheckRow:
    """The ledger that config pins, through a Connection that no operator can point elsewhere."""
    what, ledger = "the ledger that config pins", config.maintenance.ledger

    def same(session: database.Session) -> CheckRow:
        return _pin(what, "ledger.identity", ledger.identity, ledger_identity(session), ledger.tasks)

    return row_of_look(what, "G11", config, ledger.tasks, same, trusted)


def key_row() -> CheckRow:
    """The key that signs the ledger's rows, and whether config pins it."""
    what = "the key that signs the ledger's rows"
    try:
        signer()
    except ConfigError as error:
        pinned = settings().maintenance.ledger.signing.keys
        return CheckRow(
            what, "G11", False if pinned else None, f"{error}. Until then nothing is asked and nothing is changed"
        )
    return CheckRow(what, "G11", True)


def _pin(what: str, setting: str, pinned: str | None, found: str, connection_id: str) -> CheckRow:
    if pinned == found:
        return CheckRow(what, "", True)
    expected = f"expected that of the server behind Connection {connection_id!r}; {_PRINT}"
    if pinned is None:
        return CheckRow(what, "", None, f"{setting}: found none, {expected}. Until then nothing is changed")
    return CheckRow(
        what, "", False, f"{setting}: found {pinned}, {expected}. Nothing is changed: the Connection leads elsewhere"
    )


def role_rows(config: Settings) -> Iterator[CheckRow]:
    """Who holds each role, and whether each kind of action can find as many different people as it needs."""
    roles = config.maintenance.roles
    needed = {kind: config.maintenance.approval.roles_of(kind) for kind in NAMES}
    for name, role in roles.items():
        kinds = ", ".join(kind for kind, names in needed.items() if name in names)
        people = ", ".join((*role.users, *(f"{deputy} (deputy)" for deputy in role.deputies)))
        if people:
            yield CheckRow(f"role {name}, {role.title}: {people}", "G133", True)
        elif kinds:
            why = f"roles.{name}.users: found nobody, expected people who answer; until then these are refused: {kinds}"
            yield CheckRow(f"role {name}, {role.title}", "G133", None, why)
    holders = {name: config.maintenance.holders(name) for name in roles}
    for kind, names in needed.items():
        if all(holders[name] for name in names) and (why := sheets.missing_quorum(names, holders)):
            said = f"approval.roles.{kind}: {why}: it is always refused"
            yield CheckRow(f"different people for {kind}", "G133", None, said)
    what, signers = "the monthly window's sign-on", config.maintenance.monthly.sign_on
    why = sheets.missing_quorum(signers, holders)
    yield CheckRow(
        what, "G23", None if why else True, why and f"monthly.sign_on: {why}: nothing is changed in that window"
    )


def slack_row(config: Settings) -> CheckRow:
    """Where those who must answer are told."""
    what, slack = "Slack, where those who must answer are notified", config.maintenance.approval.slack
    if slack is None:
        where = "questions appear only under Required Actions in Airflow's UI"
        return CheckRow(what, "G115", None, f"approval.slack: found none, so nobody is notified: {where}")
    try:
        connection(slack, "slackwebhook")
    except ConfigError as error:
        return CheckRow(what, "G115", False, str(error))
    return CheckRow(what, "G115", True)
