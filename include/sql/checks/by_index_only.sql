-- A log is read by its time index also where the planner would find reading it whole cheaper: its guess may be stale.
SELECT set_config('enable_seqscan', 'off', true)
