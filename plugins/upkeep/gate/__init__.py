"""The gate (docs/gate.md): plans, decisions, permits, receipts, and apply, the one place that changes a target."""
