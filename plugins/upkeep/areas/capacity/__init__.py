"""Capacity: growth, days until a limit, scaling triggers (G18, G27, G93-G98)."""
