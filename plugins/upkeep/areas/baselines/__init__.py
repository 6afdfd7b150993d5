"""Baselines: what is ordinary for each function and metric, approved, in force while it verifies (G26)."""
