"""Thresholds: proposed from history inside hard bounds, approved, in force as versions (G19)."""
