-- G102: who is to write canary rows, by name or by OID, and whether there is a table for that: schema_there and owner, table_oid,
-- may_write, and in words the rights that it has beside USAGE of the schema and INSERT into the table (CONNECT is none).
-- wal_position is the whole server's.
SELECT r.oid::bigint AS oid, r.rolname::text AS "role",
       concat_ws(', ',
           CASE WHEN r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication
                THEN 'attributes such as SUPERUSER or CREATEDB' END,
           CASE WHEN EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) THEN 'membership in a role' END,
           CASE WHEN EXISTS (SELECT FROM pg_shdepend d
                             WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o')
                THEN 'objects that it owns' END,
           CASE WHEN has_table_privilege(r.oid, c.oid, 'SELECT, UPDATE, DELETE, TRUNCATE')
                THEN 'more than INSERT into upkeep_canary.written' END,
           CASE WHEN EXISTS (SELECT FROM pg_shdepend d
                             WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'a'
                               AND d.classid <> 'pg_database'::regclass
                               AND NOT (d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
                                        AND d.objsubid = 0
                                        AND (d.classid, d.objid) IN (('pg_namespace'::regclass, coalesce(n.oid, 0)),
                                                                     ('pg_class'::regclass, coalesce(c.oid, 0)))))
                     OR EXISTS (SELECT FROM pg_database b CROSS JOIN aclexplode(b.datacl) a
                                WHERE a.grantee = r.oid AND (a.privilege_type <> 'CONNECT' OR a.is_grantable))
                     OR EXISTS (SELECT FROM aclexplode(n.nspacl) a
                                WHERE a.grantee = r.oid AND (a.privilege_type <> 'USAGE' OR a.is_grantable))
                     OR EXISTS (SELECT FROM aclexplode(c.relacl) a
                                WHERE a.grantee = r.oid AND (a.privilege_type <> 'INSERT' OR a.is_grantable))
                THEN 'grants of its own' END) AS rights,
       md5(jsonb_build_array(r.oid::bigint, r.rolname)::text) AS shape,
       n.oid IS NOT NULL AS schema_there, pg_get_userbyid(n.nspowner)::text AS owner, c.oid::bigint AS table_oid,
       coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_table_privilege(r.oid, c.oid, 'INSERT'), false) AS may_write,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END,
                       '0/0')::bigint AS wal_position
FROM pg_roles r
LEFT JOIN pg_namespace n ON n.nspname = 'upkeep_canary'
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'written' AND c.relkind = 'r'
WHERE r.rolname = coalesce(%(role)s::text, r.rolname) AND r.oid = coalesce(%(oid)s::bigint::oid, r.oid)
