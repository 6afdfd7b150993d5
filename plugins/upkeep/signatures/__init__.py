"""Signed rows: shown, decisions, permits and receipts, each over its content and its predecessor (ADR 0015)."""
