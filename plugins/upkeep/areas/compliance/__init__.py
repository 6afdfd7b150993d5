"""Compliance: the function's report, and our own check of consents and retention (G82, G83)."""
