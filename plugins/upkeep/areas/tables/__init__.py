"""Tables: dead rows and bloat, VACUUM and ANALYZE, constraints that were never validated (G52, G54, G59, G60)."""
