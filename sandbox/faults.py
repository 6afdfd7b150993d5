"""The fault catalogue: real faults, planted in the running sandbox and removed again; tests and demos use them.

``python -m sandbox fault NAME`` plants one, ``python -m sandbox heal NAME`` removes it, ``heal`` alone removes all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from sandbox import backups, dumps, holding
from sandbox.holding import MARK, Change
from sandbox.stack import Sandbox


@dataclass(frozen=True)
class Fault:
    """One fault: what it is, how it is planted, how it is removed. Both may be repeated without harm."""

    says: str
    plant: Change
    heal: Change


def _run(*statements: LiteralString, **values: object) -> Change:
    """A change made of SQL in the target, as its superuser."""

    def change(sandbox: Sandbox) -> None:
        with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as opened:
            for statement in statements:
                opened.execute(statement, values or None)

    return change


def _twin(fault: str | None, *functions: str, **options: float) -> Change:
    """A change of the twin's faults file, which it reads at every request; None heals."""

    def change(sandbox: Sandbox) -> None:
        file = sandbox.folder / "faults.json"
        faults: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        for function in functions:
            faults.pop(function, None)
            if fault:
                faults[function] = {"fault": fault, **options} if options else fault
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(faults))
        unfinished.replace(file)

    return change


def _function(fault: str, says: str, function: str = "error-tracking", **options: float) -> Fault:
    return Fault(f"{function} {says}", _twin(fault, function, **options), _twin(None, function))


def _backup(name: str) -> Fault:
    return Fault(
        f"the newest backup: {name.replace('-', ' ')}",
        lambda sandbox: backups.plant(sandbox.backups, name),
        lambda sandbox: backups.heal(sandbox.backups, name),
    )


def _dump(name: str) -> Fault:
    return Fault(
        f"the newest dump by pg_dump: {name.replace('-', ' ')}",
        lambda sandbox: backups.plant(sandbox.backups, name, dumps.FAULTS),
        lambda sandbox: backups.heal(sandbox.backups, name),
    )


#: Faults of backups that go by a name of their own here.
_BACKUPS = {"stale": "stale-backup", "flipped-bit": "corrupt-backup", "missing-segment": "missing-wal"}


_ERRORS: LiteralString = """
    INSERT INTO error_logs ("timestamp", function_name, category, severity, message)
    SELECT now() - n * interval '2 seconds', 'trust-scorer', 'internal', 'critical', %(mark)s || ': error ' || n
    FROM generate_series(1, 600) n
"""
_REQUESTS: LiteralString = """
    INSERT INTO application_logs (created_at, function_name, method, path, status, duration_ms, api_role, ip_address)
    SELECT now() - n * interval '2 seconds', 'trust-scorer', 'POST', %(mark)s, 500, 40, 'anon', '198.51.100.7'
    FROM generate_series(1, 600) n
"""
_LOGINS: LiteralString = """
    INSERT INTO security_logs (created_at, event, account, ip_address, user_agent)
    SELECT now() - n * interval '3 seconds', 'login_failure', 'victim@example.org', '203.0.113.66', %(mark)s
    FROM generate_series(1, 300) n
"""


def _revoke_pg_monitor(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as opened:
        opened.execute(sql.SQL("REVOKE pg_monitor FROM {}").format(sql.Identifier("upkeep_read")))


def _grant_pg_monitor(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.cluster.dsn("platform"), autocommit=True) as opened:
        opened.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier("upkeep_read")))


FAULTS: Mapping[str, Fault] = {
    "error-burst": Fault(
        "600 critical errors and failed requests in the last 20 minutes",
        _run(_ERRORS, _REQUESTS, mark=MARK),
        _run(
            "DELETE FROM error_logs WHERE starts_with(message, %(mark)s)",
            "DELETE FROM application_logs WHERE path = %(mark)s",
            mark=MARK,
        ),
    ),
    "failed-logins": Fault(
        "300 failed logins of one account from one address",
        _run(_LOGINS, mark=MARK),
        _run("DELETE FROM security_logs WHERE user_agent = %(mark)s", mark=MARK),
    ),
    "connection-saturation": Fault(
        "nearly all connections are taken", holding.start("connection-saturation"), holding.end("connection-saturation")
    ),
    "long-transaction": Fault(
        "a transaction has written and stays open (a finding after checks.long_query_minutes)",
        holding.start("long-transaction"),
        holding.end("long-transaction"),
    ),
    "bloat": Fault(
        "every consent was updated twice and autovacuum is off: two thirds of the table are dead rows",
        _run(
            "ALTER TABLE user_consents SET (autovacuum_enabled = false)",
            "UPDATE user_consents SET updated_at = now()",
            "UPDATE user_consents SET updated_at = now()",
        ),
        _run(
            "ALTER TABLE user_consents RESET (autovacuum_enabled)",
            "VACUUM FULL user_consents",
            "VACUUM (ANALYZE) user_consents",  # FULL leaves the count of dead rows as it was
        ),
    ),
    "index-bloat": Fault(
        "error logs came in and were cleared away: their indexes are mostly free pages",
        _run(
            "ALTER TABLE error_logs SET (autovacuum_enabled = false)",
            """
            INSERT INTO error_logs ("timestamp", function_name, category, severity, message)
            SELECT now() - interval '1 day' - n * interval '1 second', 'trust-scorer', 'internal', 'low', %(mark)s
            FROM generate_series(1, 60000) n
            """,
            "DELETE FROM error_logs WHERE message = %(mark)s",
            "VACUUM (ANALYZE, TRUNCATE false) error_logs",
            mark=MARK,
        ),
        _run(
            "ALTER TABLE error_logs RESET (autovacuum_enabled)", "VACUUM FULL error_logs", "VACUUM (ANALYZE) error_logs"
        ),
    ),
    "unvalidated-constraint": Fault(
        "a CHECK that no row breaks and a foreign key that some do, neither of them validated",
        _run(
            "CREATE TABLE IF NOT EXISTS planted_users (id uuid PRIMARY KEY)",
            "GRANT SELECT ON planted_users TO upkeep_read",
            "ALTER TABLE planted_users OWNER TO platform_owner",
            "ALTER TABLE performance_alerts DROP CONSTRAINT IF EXISTS planted_check",
            "ALTER TABLE performance_alerts ADD CONSTRAINT planted_check CHECK (threshold IS NOT NULL) NOT VALID",
            "ALTER TABLE user_consents DROP CONSTRAINT IF EXISTS planted_key",
            "ALTER TABLE user_consents"
            " ADD CONSTRAINT planted_key FOREIGN KEY (user_id) REFERENCES planted_users NOT VALID",
        ),
        _run(
            "ALTER TABLE performance_alerts DROP CONSTRAINT IF EXISTS planted_check",
            "ALTER TABLE user_consents DROP CONSTRAINT IF EXISTS planted_key",
            "DROP TABLE IF EXISTS planted_users",
        ),
    ),
    **{_BACKUPS.get(name, f"backup-{name}"): _backup(name) for name in backups.FAULTS},
    **{name: _dump(name) for name in dumps.FAULTS},
    "role-without-pg-monitor": Fault("the read role lost pg_monitor", _revoke_pg_monitor, _grant_pg_monitor),
    "function-500": _function("http_500", "answers 500"),
    "function-success-false": _function("success_false", "answers 200 with success:false"),
    "function-truncated": _function("truncated", "answers half a JSON document"),
    "function-html": _function("html", "answers with an HTML page"),
    "function-never": _function("never", "never answers"),
    "function-slow-when-cold": _function(
        "slow_when_cold", "takes 2.5 s after silence", "trust-scorer", seconds=2.5, after_seconds=600
    ),
    "function-rolled-back": _function(
        "rolled_back", "is answered by an earlier deployment, and healthy", "trust-scorer"
    ),
    "expired-key": Fault(
        "the gateway says that the key has expired",
        _twin("expired_key", "production-monitoring", "database-scalability"),
        _twin(None, "production-monitoring", "database-scalability"),
    ),
}


def plant(sandbox: Sandbox, name: str) -> None:
    """Plant one fault by its name. Raises KeyError for a name that is not in the catalogue."""
    FAULTS[name].plant(sandbox)


def heal(sandbox: Sandbox, name: str | None = None) -> None:
    """Remove one fault, or all."""
    for one in [name] if name else FAULTS:
        FAULTS[one].heal(sandbox)
