-- A setting for the rest of this session; mutations refuse to run behind a pooler that would not keep it.
SELECT set_config(%(setting)s, %(value)s, false)
