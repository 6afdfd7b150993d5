-- What holds of one key after one more sample, in the words of that sample.
INSERT INTO upkeep.watch_states
    (target, key, level, since, last, towards, from_, against, source, subject, detail, expected, remedy, guide, during)
VALUES (%(target)s, %(key)s, %(level)s, %(since)s, %(last)s, %(towards)s, %(from_)s, %(against)s,
        %(source)s, %(subject)s, %(detail)s, %(expected)s, %(remedy)s, %(guide)s, %(during)s)
ON CONFLICT (target, key) DO UPDATE SET
    level = excluded.level, since = excluded.since, last = excluded.last, towards = excluded.towards,
    from_ = excluded.from_, against = excluded.against, source = excluded.source, subject = excluded.subject,
    detail = CASE WHEN %(tells)s THEN excluded.detail ELSE watch_states.detail END,
    expected = excluded.expected, remedy = CASE WHEN %(tells)s THEN excluded.remedy ELSE watch_states.remedy END,
    guide = excluded.guide, during = CASE WHEN %(tells)s THEN excluded.during ELSE watch_states.during END
