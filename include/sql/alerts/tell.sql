-- What a channel has been told of alerts, or counts as told where an alert goes on under another key.
INSERT INTO upkeep.tellings (alert_id, channel, level, told_at, outbox_id)
SELECT r.alert_id, r.channel, r.level, r.told_at, r.outbox_id
FROM jsonb_to_recordset(%(rows)s) AS r (alert_id bigint, channel text, level text, told_at timestamptz, outbox_id bigint)
