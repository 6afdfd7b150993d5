-- G78: policies by which PUBLIC or a role of the API writes any row: permissive, for a command that writes, and the
-- condition on the old or on the new row is the word true.
SELECT quote_ident(p.polname) || ' on ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       concat_ws(' ',
                 'for ' || CASE p.polcmd WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                 'to ' || (SELECT string_agg(CASE g.id WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.id)) END,
                                             ', ' ORDER BY pg_get_userbyid(g.id))
                           FROM unnest(p.polroles) AS g (id)),
                 CASE WHEN pg_get_expr(p.polqual, p.polrelid) = 'true' THEN 'using (true)' END,
                 CASE WHEN pg_get_expr(p.polwithcheck, p.polrelid) = 'true' THEN 'with check (true)' END) AS detail
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
  AND c.relrowsecurity AND p.polpermissive AND p.polcmd <> 'r'
  AND 'true' IN (pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  AND EXISTS (SELECT
              FROM unnest(p.polroles) AS g (id)
              LEFT JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
              WHERE g.id = 0 OR pg_has_role(r.oid, g.id, 'USAGE'))
