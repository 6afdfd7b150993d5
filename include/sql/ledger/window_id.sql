-- Steps find their window by what they know of their run; no id travels through XCom.
SELECT id
FROM upkeep.windows
WHERE target = %(target)s AND cadence = %(cadence)s AND due = %(due)s
  AND kind = %(kind)s AND manual_run_id = %(manual_run_id)s AND manual_instance = %(manual_instance)s
