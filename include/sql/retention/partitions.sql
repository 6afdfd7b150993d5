-- G15: all partitions of a log, however deep and in whichever schema, those whose detachment was interrupted among them: the
-- range of one that is by the log's time alone, and what its drop would meet. What hangs in a view of it, in a publication
-- or on a key is looked at by OID, of what it is below (but for the log) too; `may_drop` is of the role that is asked for, or of this one.
-- To be a member of its owner is no more than this only where that owns no other table. A key of its own would have the DROP lock the table that it refers to; one of the log does not.
-- A virtual column (18) that a partition computes otherwise than the log has other values when it is read through the log.
WITH RECURSIVE tree AS (
    SELECT i.inhrelid AS oid, i.inhparent AS parent, i.inhdetachpending AS pending
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_inherits i ON i.inhparent = c.oid
    WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind = 'p'
    UNION ALL
    SELECT i.inhrelid, i.inhparent, t.pending OR i.inhdetachpending
    FROM tree t
    JOIN pg_class c ON c.oid = t.oid AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = t.oid
), ranges AS (
    SELECT t.*,
           b.bound,
           coalesce(k.partstrat = 'r' AND k.partnatts = 1 AND a.attname = %(time)s
                    AND a.atttypid = 'timestamptz'::regtype, false) AS by_time
    FROM tree t
    JOIN pg_class c ON c.oid = t.oid
    JOIN pg_partitioned_table k ON k.partrelid = t.parent
    LEFT JOIN pg_attribute a ON a.attrelid = t.parent AND a.attnum = k.partattrs[0] AND a.attnum > 0
    CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
), publications AS MATERIALIZED (
    SELECT x.oid, p.pubname::text AS name
    FROM pg_publication_tables p
    JOIN pg_namespace s ON s.nspname = p.schemaname
    JOIN pg_class x ON x.relnamespace = s.oid AND x.relname = p.tablename
), event_triggers AS MATERIALIZED (
    SELECT ARRAY(SELECT e.evtname::text FROM pg_event_trigger e
                 WHERE e.evtenabled <> 'D' AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
                   AND (coalesce(cardinality(e.evttags), 0) = 0 OR 'DROP TABLE' = ANY (e.evttags))
                   AND NOT EXISTS (SELECT FROM pg_depend d
                                   WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid
                                     AND d.deptype = 'e')
                   AND NOT EXISTS (SELECT FROM pg_proc f  -- PostgREST's own, on each project of Supabase: a NOTIFY
                                   WHERE f.oid = e.evtfoid AND f.proname IN ('pgrst_ddl_watch', 'pgrst_drop_watch'))
                 ORDER BY 1) AS names
), below AS MATERIALIZED (
    SELECT t.oid, a.relid::oid AS above
    FROM tree t
    CROSS JOIN LATERAL pg_partition_ancestors(t.oid) a
    WHERE a.relid <> pg_partition_root(t.oid)
), owners AS MATERIALIZED (
    SELECT o.oid,
           o.rolname::text AS name,
           NOT o.rolsuper AND NOT EXISTS (
               SELECT FROM pg_class x
               WHERE x.relkind IN ('r', 'p', 'f') AND pg_has_role(o.oid, x.relowner, 'MEMBER')
                 AND x.oid NOT IN (SELECT t.oid FROM tree t UNION ALL SELECT t.parent FROM tree t)) AS of_this_log_alone
    FROM pg_roles o
    WHERE o.oid IN (SELECT c.relowner FROM tree t JOIN pg_class c ON c.oid = t.oid)
), times AS (
    SELECT r.*,
           CASE WHEN r.by_time THEN substring(r.bound FROM '^FOR VALUES FROM \(''([^'']+)''\) TO ')::timestamptz END AS first,
           CASE WHEN r.by_time THEN substring(r.bound FROM ' TO \(''([^'']+)''\)$')::timestamptz END AS last
    FROM ranges r
)
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema,
       c.relname::text AS name,
       c.relkind::text AS kind,
       t.pending,
       t.bound = 'DEFAULT' AS is_default,
       t.by_time,
       t.bound,
       CASE WHEN t.first > '0001-01-02' AND t.first < '9999-01-01' THEN t.first END AS lower,
       CASE WHEN t.last > '0001-01-03' AND t.last < '9999-01-01' THEN t.last END AS upper,
       o.name AS owner,
       o.of_this_log_alone,
       coalesce(r.rolname, %(role)s, '')::text AS "role",
       coalesce(pg_has_role(r.oid, c.relowner, 'USAGE') AND has_schema_privilege(r.oid, n.oid, 'USAGE'), false) AS may_drop,
       ARRAY(SELECT format('%%s.%%s', k.conrelid::regclass, k.conname) FROM pg_constraint k
             WHERE k.confrelid = c.oid AND k.contype = 'f' ORDER BY 1) AS referenced_by,
       ARRAY(SELECT k.conname::text FROM pg_constraint k
             WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0 ORDER BY 1) AS own_keys,
       ARRAY(SELECT DISTINCT g.tgname::text FROM below b
             JOIN pg_trigger g ON g.tgrelid = b.above
             WHERE b.oid = c.oid AND (NOT g.tgisinternal OR g.tgparentid <> 0) AND g.tgtype & 8 <> 0
               AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = g.tgconstraint AND k.contype = 'f') ORDER BY 1)
       || ARRAY(SELECT DISTINCT w.rulename::text FROM below b
                JOIN pg_rewrite w ON w.ev_class = b.above AND w.ev_type = '4'
                WHERE b.oid = c.oid ORDER BY 1) AS delete_triggers,
       (SELECT e.names FROM event_triggers e) AS event_triggers,
       ARRAY(SELECT DISTINCT w.ev_class::regclass::text FROM below b
             JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.above
             JOIN pg_rewrite w ON w.oid = d.objid
             WHERE b.oid = c.oid AND d.classid = 'pg_rewrite'::regclass AND w.ev_class <> b.above ORDER BY 1) AS views,
       ARRAY(SELECT DISTINCT s.oid::regclass::text FROM pg_depend d
             JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
             WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid = c.oid AND d.deptype IN ('a', 'i') ORDER BY 1) AS sequences,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             JOIN pg_attribute l ON l.attrelid = pg_partition_root(c.oid) AND l.attname = a.attname
             JOIN pg_attrdef e ON e.adrelid = l.attrelid AND e.adnum = l.attnum
             WHERE a.attrelid = c.oid AND a.attgenerated = 'v'
               AND pg_get_expr(d.adbin, d.adrelid) <> pg_get_expr(e.adbin, e.adrelid) ORDER BY 1) AS computed,
       ARRAY(SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) FROM pg_depend d
             WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                    OR d.refclassid = 'pg_type'::regclass
                       AND d.refobjid IN (SELECT y.oid FROM pg_type y
                                          WHERE y.typrelid = c.oid
                                             OR y.typelem IN (SELECT z.oid FROM pg_type z WHERE z.typrelid = c.oid)))
               AND d.deptype = 'n' AND (d.classid, d.objid) <> ('pg_class'::regclass, c.oid)
               AND NOT EXISTS (SELECT FROM pg_depend o
                               WHERE o.classid = d.classid AND o.objid = d.objid AND o.refclassid = 'pg_class'::regclass
                                 AND o.refobjid = c.oid AND o.deptype IN ('a', 'i')) ORDER BY 1) AS dependents,
       ARRAY(SELECT DISTINCT p.name FROM publications p
             WHERE p.oid IN (SELECT a.relid FROM pg_partition_ancestors(c.oid) a) ORDER BY 1) AS published
FROM times t
JOIN pg_class c ON c.oid = t.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN owners o ON o.oid = c.relowner
LEFT JOIN pg_roles r ON r.rolname = coalesce(%(role)s, current_user)
ORDER BY t.last, n.nspname, c.relname
