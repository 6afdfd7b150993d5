-- G101: what an empty server must be like to take a dump of this database, and how much room it will need.
SELECT current_database()::text AS database,
       (SELECT system_identifier FROM pg_control_system())::text AS system_identifier,
       (current_setting('server_version_num')::int / 10000)::text AS major,
       current_setting('server_encoding') AS encoding,
       pg_database_size(current_database()) AS size,
       -- Columns by their names in any major: 15 brought the first and the second, 16 the rules, 17 renamed the second.
       (SELECT jsonb_build_object(
            'provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), 'collate', d.datcollate, 'ctype', d.datctype,
            'locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
            'rules', to_jsonb(d) ->> 'daticurules')
        FROM pg_database d
        WHERE d.datname = current_database()) AS locale,
       (SELECT jsonb_agg(jsonb_build_array(r.rolname, r.rolsuper) ORDER BY r.rolname)
        FROM pg_roles r
        WHERE r.rolname !~ '^pg_') AS roles
