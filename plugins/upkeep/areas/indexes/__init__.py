"""Indexes: unused, duplicate, invalid and missing ones, drops and rebuilds (G14, G53, G55-G58)."""
