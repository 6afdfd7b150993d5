-- What holds of a target by now, locked: two triggerers follow it one after the other.
SELECT key, level, since, last, towards, from_, against
FROM upkeep.watch_states
WHERE target = %(target)s
ORDER BY key
FOR UPDATE
