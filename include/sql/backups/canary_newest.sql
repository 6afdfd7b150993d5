-- G102: the newest canary row of a restored copy, null where it has none.
SELECT max(w.written_at) AS at FROM upkeep_canary.written w
