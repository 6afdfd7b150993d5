"""Databases (G49, G53, G84): tables, indexes and slow statements as the windows saw them last; no target is asked."""
