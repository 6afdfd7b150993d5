-- What holds of each key after one more sample, in the words of that sample where it tells what holds; rows of JSON.
INSERT INTO upkeep.watch_states
    (target, key, level, since, last, towards, from_, against, source, subject, detail, expected, remedy, guide, during)
SELECT r.target, r.key, r.level, r.since, r.last, r.towards, r.from_, r.against, r.source, r.subject,
       CASE WHEN r.tells OR o.key IS NULL THEN r.detail ELSE o.detail END, r.expected,
       CASE WHEN r.tells OR o.key IS NULL THEN r.remedy ELSE o.remedy END, r.guide,
       CASE WHEN r.tells OR o.key IS NULL THEN r.during ELSE o.during END
FROM jsonb_to_recordset(%(rows)s) AS r (
    target text, key text, level text, since timestamptz, last timestamptz, towards text, from_ timestamptz, against integer,
    source text, subject text, detail text, expected text, remedy text, guide text, during text, tells boolean)
LEFT JOIN upkeep.watch_states o ON o.target = r.target AND o.key = r.key
ON CONFLICT (target, key) DO UPDATE SET
    level = excluded.level, since = excluded.since, last = excluded.last, towards = excluded.towards,
    from_ = excluded.from_, against = excluded.against, source = excluded.source, subject = excluded.subject,
    detail = excluded.detail, expected = excluded.expected, remedy = excluded.remedy, guide = excluded.guide,
    during = excluded.during
