"""A ledger of two years, for the bench of the pages: windows, steps, findings, samples, snapshots, reports, watch."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench.measure import size

TARGETS = size(("primary", "second", "third", "fourth", "fifth"), ("primary", "second"))
DAYS = size(730, 12)
#: Steps of a daily window, findings of a step, and days of the watch's samples.
STEPS, FINDINGS, WATCHED = size(12, 4), size(4, 2), size(7, 1)

_WINDOWS = """
    INSERT INTO upkeep.windows (target, cadence, due, kind, dag_id, run_id, deadline, period_start, period_end,
                                requested_by, outcome, opened_at, closed_at)
    SELECT t, c.cadence, d.due, 'calendar',
           'maintenance_' || c.cadence || CASE WHEN t = %(first)s THEN '' ELSE '__' || t END,
           to_char(d.due AT TIME ZONE 'UTC', '"scheduled__"YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
           d.due + interval '30 min', d.due - c.every, d.due, 'the schedule', 'ok', d.due, d.due + interval '5 min'
    FROM unnest(%(targets)s::text[]) t,
         (VALUES ('daily', interval '1 day'), ('weekly', '7 days'), ('monthly', '28 days')) AS c (cadence, every),
         LATERAL generate_series(%(now)s::timestamptz - %(days)s * interval '1 day', %(now)s, c.every) AS d (due)
    ORDER BY d.due
"""
_DUE = """
    INSERT INTO upkeep.due_windows (target, cadence, due, deadline, state, reason)
    SELECT target, cadence, due, deadline, 'done', '' FROM upkeep.windows
"""
_CALENDARS = """
    INSERT INTO upkeep.calendars SELECT target, cadence, min(due), max(due), NULL FROM upkeep.windows GROUP BY 1, 2
"""
_STEPS = """
    INSERT INTO upkeep.steps (window_id, step, run_id, try_number, state, reason, source, digest, started_at, ended_at)
    SELECT w.id, s.step, w.run_id, 1, 'ran', '', 'include/sql/database/table_sizes.sql', '', w.due,
           w.due + interval '10 s'
    FROM upkeep.windows w,
         LATERAL (SELECT 'health.system_status' UNION ALL SELECT 'database.table_sizes'
                  UNION ALL SELECT 'group.step_' || n FROM generate_series(3, %(steps)s) n
                  UNION ALL SELECT n FROM unnest(ARRAY['evidence.performance.slow_queries',
                                                       'evidence.optimisation.dead_rows']) n
                  WHERE w.cadence = 'weekly') AS s (step)
    ORDER BY w.id, s.step
"""
#: A step's finding is of the same item of the guide in each window; all items together have one.
_FINDINGS = """
    INSERT INTO upkeep.findings (step_id, position, key, level, subject, detail, expected, remedy, guide, metadata)
    SELECT s.id, n, s.step || ':' || n, CASE WHEN (s.id + n) %% 9 = 0 THEN 'warning' ELSE 'ok' END, 'a subject',
           'what was seen', 'what was expected', 'what to do', 'G' || (1 + (%(findings)s * s.place + n) %% 139), '{}'
    FROM (
        SELECT s.id, s.step, %(steps)s * array_position(ARRAY['daily', 'weekly', 'monthly'], w.cadence)
                             + row_number() OVER (PARTITION BY w.id ORDER BY s.step) AS place
        FROM upkeep.steps s
        JOIN upkeep.windows w ON w.id = s.window_id
    ) s, generate_series(1, %(findings)s) n
    ORDER BY s.id, n
"""
#: Twenty slow statements and ten tables with dead rows a week: rows of Databases with a history and with findings.
_SLOW = """
    INSERT INTO upkeep.findings (step_id, position, key, level, subject, detail, expected, remedy, guide, metadata)
    SELECT s.id, 1000 + n, 'slow_queries:' || n, 'advisory', 'Slow statement ' || n,
           '1,200 ms on average in 10 calls: SELECT ' || repeat('a_column, ', 20) || n, 'what was expected',
           'what to do', 'G84',
           jsonb_build_object('id', n::text, 'calls', 10, 'mean_ms', 1000 + n, 'users', jsonb_build_array('app'))
    FROM upkeep.steps s, generate_series(1, 20) n
    WHERE s.step = 'evidence.performance.slow_queries'
"""
_DEAD = """
    INSERT INTO upkeep.findings (step_id, position, key, level, subject, detail, expected, remedy, guide, metadata)
    SELECT s.id, 1000 + n, 'dead_rows:public.thing_' || n, 'advisory', 'a subject', 'what was seen',
           'what was expected', 'what to do', 'G83', '{}'
    FROM upkeep.steps s, generate_series(1, 10) n
    WHERE s.step = 'evidence.optimisation.dead_rows'
"""
_STATEMENTS = """
    INSERT INTO upkeep.samples (step_id, metric, subject, value, unit, taken_at)
    SELECT s.id, 'statement_time', n::text, 1000 + n, 'ms', s.started_at
    FROM upkeep.steps s, generate_series(1, 20) n
    WHERE s.step = 'evidence.performance.slow_queries'
"""
_SNAPSHOTS = """
    INSERT INTO upkeep.snapshots (step_id, body, digest)
    SELECT s.id, jsonb_build_object('since', s.started_at - interval '1 year', 'indexes', jsonb_object_agg(
               'public.thing_' || n, jsonb_build_object('table', 'public.thing_' || n, 'unique', false, 'valid', true,
                                                        'known', s.started_at, 'used', s.started_at))), ''
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id AND w.cadence = 'daily',
    generate_series(1, %(subjects)s) n
    WHERE s.step = 'database.table_sizes'
    GROUP BY s.id
"""
_METRICS = """
    INSERT INTO upkeep.samples (step_id, metric, subject, value, unit, taken_at)
    SELECT s.id, m, '', 40 + 20 * random(), CASE m WHEN 'response_time' THEN 'ms' ELSE '%%' END, s.started_at
    FROM upkeep.steps s, unnest(%(metrics)s::text[]) m
    WHERE s.step = 'health.system_status'
"""
_SUBJECTS = """
    INSERT INTO upkeep.samples (step_id, metric, subject, value, unit, taken_at)
    SELECT s.id, m.metric, 'public.thing_' || n, (n * 1e6) * (1 + random()), m.unit, s.started_at
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id AND w.cadence = 'daily',
    (VALUES ('table_bytes', 'bytes'), ('table_dead_rows', 'rows'), ('table_live_rows', 'rows'),
            ('index_bytes', 'bytes'), ('index_scans', 'scans')) AS m (metric, unit),
    generate_series(1, %(subjects)s) n
    WHERE s.step = 'database.table_sizes'
    ORDER BY s.id, m.metric, n
"""
_REPORTS = """
    INSERT INTO upkeep.reports (window_id, dag_id, run_id, instance, made_at, level, headline, html, body, digest)
    SELECT id, dag_id, run_id, '1', due + interval '5 min', 'warning', '2 warning of 40 findings', '<p>a report</p>',
           jsonb_build_object('counts', jsonb_build_object('warning', 2, 'ok', 38), 'checklist', (
               SELECT jsonb_agg(jsonb_build_object(
                   'guide', 'G' || n, 'title', 'a row of the checklist', 'state', 'look at it',
                   'evidence', '2 warning, 38 ok', 'findings', 40, 'acknowledged', NULL
               ))
               FROM generate_series(first, first + 4) n
           )), ''
    FROM upkeep.windows
    JOIN (VALUES ('daily', 118), ('weekly', 123), ('monthly', 128)) AS g (cadence, first) USING (cadence)
    ORDER BY id
"""
_WATCH = """
    INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
    SELECT t, s, s, 'ok', 99, jsonb_object_agg(m, 40 + 20 * random()),
           '{"trust-scorer": 88.5, "vibe-analyzer": 91.25}', ''
    FROM unnest(%(targets)s::text[]) t,
         generate_series(date_trunc('minute', %(now)s::timestamptz) - %(watched)s * interval '1 day', %(now)s,
                         interval '30 s') s,
         unnest(%(metrics)s::text[]) m
    GROUP BY t, s
"""
_HOURS = """
    INSERT INTO upkeep.watch_hours (target, hour, samples, unknown, lowest_health, mean_health, latencies)
    SELECT t, h, 120, 0, 97, 99, '{"trust-scorer": 88.5}'
    FROM unnest(%(targets)s::text[]) t,
         generate_series(date_trunc('hour', %(now)s::timestamptz) - least(400, %(days)s) * interval '1 day', %(now)s,
                         interval '1 hour') h
"""


def fill(connection: psycopg.Connection[Any], metrics: tuple[str, ...], samples: int, now: datetime) -> int:
    """Write it, as whoever owns the tables; returns how many samples there are, about as many as are wanted."""
    newest = now.replace(hour=2, minute=0, second=0, microsecond=0)
    newest -= timedelta(days=1) if newest > now else timedelta(0)
    subjects = max(1, samples // (len(TARGETS) * (DAYS + 1) * 5))
    values = {"targets": list(TARGETS), "first": TARGETS[0], "now": newest, "days": DAYS}
    values |= {"steps": STEPS, "findings": FINDINGS, "metrics": list(metrics), "subjects": subjects, "watched": WATCHED}
    for statement in (_WINDOWS, _CALENDARS, _DUE, _STEPS, _FINDINGS, _SLOW, _DEAD):
        connection.execute(statement.encode(), values)
    for statement in (_METRICS, _STATEMENTS, _SUBJECTS, _SNAPSHOTS, _REPORTS):
        connection.execute(statement.encode(), values)
    for statement in (_WATCH, _HOURS):
        connection.execute(statement.encode(), values | {"now": now})
    connection.commit()
    connection.execute("VACUUM (ANALYZE)") if connection.autocommit else connection.execute("ANALYZE")
    (count,) = connection.execute("SELECT count(*) FROM upkeep.samples").fetchone() or (0,)
    return int(count)
