"""``python -m upkeep check``: what can be collected and changed, and what is missing for it."""
