-- G82: how far each log table reaches back; retention is judged elsewhere.
SELECT 'public.application_logs' AS "table", min(l.created_at) AS oldest FROM public.application_logs l
UNION ALL SELECT 'public.audit_logs', min(l.created_at) FROM public.audit_logs l
UNION ALL SELECT 'public.data_processing_logs', min(l.created_at) FROM public.data_processing_logs l
UNION ALL SELECT 'public.error_logs', min(l."timestamp") FROM public.error_logs l
UNION ALL SELECT 'public.performance_alerts', min(l.created_at) FROM public.performance_alerts l
UNION ALL SELECT 'public.performance_logs', min(l.created_at) FROM public.performance_logs l
UNION ALL SELECT 'public.security_logs', min(l.created_at) FROM public.security_logs l
