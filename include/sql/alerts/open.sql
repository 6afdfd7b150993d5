-- New alerts, as rows of JSON; their numbers come back in the same order. One that carries on others may be acknowledged.
INSERT INTO upkeep.alerts (target, key, level, cause, detail, remedy, members, findings, owner, dag_id, run_id, channel,
                           reminded, since, changed_at, acknowledged_by, acknowledged_why, acknowledged_level,
                           acknowledged_until)
SELECT r.target, r.key, r.level, r.cause, r.detail, r.remedy, r.members, r.findings, r.owner, r.dag_id, r.run_id, r.channel,
       r.reminded, r.since, r.changed_at, r.acknowledged_by, r.acknowledged_why, r.acknowledged_level,
       r.acknowledged_until
FROM jsonb_to_recordset(%(rows)s) AS r (
    target text, key text, level text, cause text, detail text, remedy text, members jsonb, findings integer, owner text,
    dag_id text, run_id text, channel text, reminded boolean, since timestamptz, changed_at timestamptz,
    acknowledged_by text, acknowledged_why text, acknowledged_level text, acknowledged_until timestamptz)
RETURNING id, target, key
