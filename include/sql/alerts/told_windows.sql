-- Of these keys, those that have a message already.
SELECT key FROM upkeep.outbox WHERE key = ANY (%(keys)s)
