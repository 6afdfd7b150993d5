-- G15: no statement of a drop runs after the plan's time; and whoever comes after one that waits for its lock waits behind it:
-- not longer than this, where a time is given.
SELECT set_config('statement_timeout', %(statement_timeout)s, true),
       set_config('lock_timeout', coalesce(%(lock_timeout)s, current_setting('lock_timeout')), true)
