-- Settings of another server, for this session; those that this one does not know are left out.
SELECT set_config(u.name, u.value, false)
FROM unnest(%(names)s::text[], %(values)s::text[]) AS u (name, value)
WHERE current_setting(u.name, true) IS NOT NULL
