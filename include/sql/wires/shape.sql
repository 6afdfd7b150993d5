-- What some indexes are, as a fingerprint: all that their definitions say but their own names, and the names of what
-- they are built on. A concurrent rebuild keeps it. From the catalogue alone, for the server's own definition waits
-- for whoever has ACCESS EXCLUSIVE. Before PostgreSQL 17 stored expressions know where they stood in their statement.
SELECT x.indexrelid::bigint AS oid,
       md5(jsonb_build_array(
           x.indrelid::bigint, n.nspname, t.relname, i.relam::bigint, i.reltablespace::bigint, i.relpersistence::text,
           i.reloptions, x.indisunique, x.indimmediate, to_jsonb(x) -> 'indnullsnotdistinct', x.indnkeyatts, x.indkey::text,
           x.indclass::text, x.indcollation::text, x.indoption::text,
           regexp_replace(x.indexprs::text, ':location -?[0-9]+', '', 'g'),
           regexp_replace(x.indpred::text, ':location -?[0-9]+', '', 'g'),
           (SELECT jsonb_agg(a.attoptions ORDER BY a.attnum)
            FROM pg_attribute a
            WHERE a.attrelid = i.oid AND a.attnum > 0),
           (SELECT jsonb_agg(a.attname ORDER BY a.attnum)
            FROM pg_attribute a
            WHERE a.attrelid = t.oid
              AND (a.attnum = ANY (x.indkey)
                   OR EXISTS (SELECT FROM pg_depend d
                              WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid
                                AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
                                AND d.refobjsubid = a.attnum)))
       )::text) AS shape
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE x.indexrelid = ANY (%(oids)s::bigint[]::oid[])
