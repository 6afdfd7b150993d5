-- A database or a role may have defaults that change what statements mean and how answers read: none of ours rests on one.
-- Every name is written out, for search_path itself is not ours yet. A setting that this server does not know is left out;
-- what waits for a commit to be on disk, or for more than that, stays as it is.
SELECT pg_catalog.set_config(pin.name, pin.value, %(local)s)
FROM pg_catalog.json_each_text(%(settings)s::pg_catalog.json) AS pin (name, value)
WHERE pg_catalog.current_setting(pin.name, true) IS NOT NULL
  AND (pin.name OPERATOR(pg_catalog.<>) 'synchronous_commit'
       OR pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off')
