"""Retention: how long each log is kept, what is due, and never too early (G15, G61-G68)."""
