-- G82: by type of consent, how many were given and how many taken back in the period; a type without either is a row too.
SELECT c.consent_type AS type,
       count(*) FILTER (WHERE c.granted_at >= %(start)s AND c.granted_at < %(end)s) AS granted,
       count(*) FILTER (WHERE c.withdrawn_at >= %(start)s AND c.withdrawn_at < %(end)s) AS withdrawn
FROM public.user_consents c
GROUP BY c.consent_type
ORDER BY c.consent_type
