"""The gate (APPROVAL.md): plans, decisions, permits, receipts, and apply, the one place that changes a target."""
