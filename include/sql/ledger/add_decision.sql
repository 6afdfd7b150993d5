-- One answer per role, and one yes per person; the first one stays (APPROVAL.md, rules 3 and 4).
INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)
VALUES (%(shown_id)s, %(digest)s, %(role)s, %(person)s, %(action_ids)s, %(reviewed)s, %(comment)s,
        %(responded_at)s)
ON CONFLICT DO NOTHING
RETURNING id, decided_at
