-- X13: a setting for the session under a name that means nothing to anybody else; an empty value takes it back.
SELECT pg_catalog.set_config('upkeep.pooling_probe', %(marker)s, false)
