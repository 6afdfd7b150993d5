-- What the watch says of a target by now, for whoever tells people.
SELECT key, level, since, last, source, subject, detail, expected, remedy, guide, during
FROM upkeep.watch_states
WHERE target = %(target)s
ORDER BY key
