"""Apply: the one place that changes a target, and only what a permit names (docs/gate.md, rules 3 to 9)."""
