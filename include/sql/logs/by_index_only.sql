-- A log is read by its time index also where the planner would find reading it whole cheaper: its guess may be stale.
-- And as a bitmap, page by page: row by row in the order of time the pages of rows that lie scattered come many times.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true),
       set_config('enable_bitmapscan', 'on', true)
