"""Integrations: each Connection and third party, reached without changing anything (G29)."""
