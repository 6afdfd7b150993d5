-- G82: what contradicts the rules: processing of the period without a legal basis, consents that hold and were withdrawn.
SELECT 'processing_without_legal_basis' AS rule, count(*) AS "count",
       'by ' || string_agg(DISTINCT p.processor, ', ') AS detail
FROM public.data_processing_logs p
WHERE p.created_at >= %(start)s AND p.created_at < %(end)s AND coalesce(btrim(p.legal_basis), '') = ''
HAVING count(*) > 0
UNION ALL
SELECT 'granted_though_withdrawn', count(*), 'of type ' || string_agg(DISTINCT c.consent_type, ', ')
FROM public.user_consents c
WHERE c.granted AND c.withdrawn_at IS NOT NULL
HAVING count(*) > 0
