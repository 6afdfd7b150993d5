-- One answer per role, and one yes per person; the first one stays (docs/gate.md, rules 3 and 4). None to what a later try
-- of the task has shown anew, for that told people that answers before it do not count. The chain's lock orders the two.
INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)
SELECT %(shown_id)s, %(digest)s, %(role)s, %(person)s, %(action_ids)s::text[], %(reviewed)s::text[], %(comment)s,
       %(responded_at)s
 WHERE NOT EXISTS (
     SELECT FROM upkeep.shown AS mine
       JOIN upkeep.shown AS later USING (digest, role, dag_id, run_id, instance, task_id, map_index)
      WHERE mine.id = %(shown_id)s AND later.try_number > mine.try_number
 )
ON CONFLICT DO NOTHING
RETURNING id, decided_at
