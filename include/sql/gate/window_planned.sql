-- Whether the run of a calendar's window has drawn up a plan: what it holds is asked there, and nowhere else.
SELECT EXISTS (
    SELECT FROM upkeep.windows w
    JOIN upkeep.plans p ON p.window_id = w.id AND p.purpose = 'plan'
    WHERE w.target = %(target)s AND w.cadence = %(cadence)s AND w.due = %(due)s AND w.kind = 'calendar'
) AS planned
