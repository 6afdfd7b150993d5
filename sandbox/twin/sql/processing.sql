-- G82: processing of the period, and how much of it names no legal basis (a blank text is none).
SELECT count(*) AS processing_records,
       count(*) FILTER (WHERE coalesce(btrim(p.legal_basis), '') = '') AS processing_without_legal_basis
FROM public.data_processing_logs p
WHERE p.created_at >= %(start)s AND p.created_at < %(end)s
