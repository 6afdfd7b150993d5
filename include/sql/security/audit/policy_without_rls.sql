-- G78: policies that guard nothing, because row-level security of their table is off.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       'never asked: ' || string_agg(quote_ident(p.polname), ', ' ORDER BY p.polname) AS detail
FROM pg_policy p
JOIN pg_class c ON c.oid = p.polrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT c.relrowsecurity
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY c.oid, n.nspname, c.relname
