-- The next entry of the chain: who signed which row.
INSERT INTO upkeep.signatures (entry, place, row_id, digest, key_id, signed_at, signature)
VALUES (%(entry)s, %(place)s, %(row_id)s, %(digest)s, %(key_id)s, %(signed_at)s, %(signature)s)
