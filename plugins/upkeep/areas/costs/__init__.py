"""Costs: what a month costs by measured use, and what could be saved (G30)."""
