-- Alerts as they are seen now; what is no longer so gets its end.
UPDATE upkeep.alerts a
SET level = r.level, cause = r.cause, detail = r.detail, remedy = r.remedy, members = r.members, findings = r.findings,
    owner = r.owner, dag_id = r.dag_id, run_id = r.run_id, reminded = r.reminded, since = r.since, changed_at = r.changed_at,
    ended_at = r.ended_at
FROM jsonb_to_recordset(%(rows)s) AS r (
    id bigint, level text, cause text, detail text, remedy text, members jsonb, findings integer, owner text,
    dag_id text, run_id text, reminded boolean, since timestamptz, changed_at timestamptz, ended_at timestamptz)
WHERE a.id = r.id
