"""Performance: slow statements, the week's answers, week against week (G17, G21, G84-G89)."""
