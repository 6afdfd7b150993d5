-- G15: whoever comes after a drop that waits for its lock waits behind it: not longer than this.
SELECT set_config('lock_timeout', %(lock_timeout)s, true)
