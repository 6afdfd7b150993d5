"""What plans and people leave in a ledger of two years: plans, permits, receipts, alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from upkeep.areas.alerts.body import Pages
from upkeep.areas.alerts.judge import judge
from upkeep.areas.calendar.reconcile import bring_up_to_date
from upkeep.settings.load import Settings
from upkeep.settings.maintenance import Sql
from upkeep.wires import database

#: Actions of a weekly plan.
ACTIONS = 12
_CLOCKS = Sql(connect_timeout_seconds=5, statement_timeout_seconds=600, lock_timeout_seconds=10)

_PLANS = """
    INSERT INTO upkeep.plans (window_id, target, dag_id, run_id, digest, body, measured, checklist, not_after,
                              planned_at)
    SELECT w.id, w.target, w.dag_id, w.run_id, 'plan ' || w.id,
           jsonb_build_object('actions', jsonb_agg(jsonb_build_object(
               'id', n::text, 'verb', 'vacuum', 'schema', 'public', 'table', 'thing_' || n, 'sql',
               'VACUUM (ANALYZE) public.thing_' || n, 'because', repeat('at least a tenth of it is dead ', 5)
           )))::text, '{}', '[]', w.deadline, w.due
    FROM upkeep.windows w, generate_series(1, %(actions)s) n
    WHERE w.cadence = 'weekly'
    GROUP BY w.id
    ORDER BY w.id
"""
_PERMITS = """
    INSERT INTO upkeep.permits (digest, action_id, attempt, run_id, backend_pid, before, permitted_at)
    SELECT p.digest, n::text, 1, p.run_id, 1, '{}', p.planned_at + n * interval '1 min'
    FROM upkeep.plans p, generate_series(1, %(actions)s) n
    ORDER BY p.id, n
"""
_RECEIPTS = """
    INSERT INTO upkeep.receipts (permit_id, outcome, reason, started_at, ended_at, lock_wait_ms, duration_ms, wal_bytes,
                                 before, after, written_at)
    SELECT id, 'done', '', permitted_at, permitted_at + interval '20 s', 1, 20000, 8192, '{"dead_rows": 9000}',
           '{"dead_rows": 0}', permitted_at + interval '20 s'
    FROM upkeep.permits
    ORDER BY id
"""
_ACKNOWLEDGED = """
    UPDATE upkeep.alerts
    SET acknowledged_by = 'p0', acknowledged_why = 'known since Monday', acknowledged_level = level
    WHERE id %% 6 = 0
"""


def fill_history(connection: psycopg.Connection[Any]) -> None:
    """A plan a week and target, each action permitted and done; nobody signed it, so the permits' trigger is off."""
    connection.execute("ALTER TABLE upkeep.permits DISABLE TRIGGER USER")
    for statement in (_PLANS, _PERMITS, _RECEIPTS):
        connection.execute(statement.encode(), {"actions": ACTIONS})
    connection.execute("ALTER TABLE upkeep.permits ENABLE TRIGGER USER")
    connection.commit()


def fill_alerts(connect: database.Connect, config: Settings, now: datetime) -> None:
    """What maintenance_alerts does: each trouble is an alert, and every sixth of them somebody has acknowledged."""
    with database.session(connect, _CLOCKS, read_only=False) as session:
        found = bring_up_to_date(session, config, now)
    with database.session(connect, _CLOCKS, read_only=False) as session:
        judge(session, config, found, (), Pages(lambda *run: "/".join(run), "alerts"), lambda run: True, now)
    with database.session(connect, _CLOCKS, read_only=False) as session:
        session.rows(_ACKNOWLEDGED, {})
