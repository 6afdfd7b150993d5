"""Signed rows (docs/gate.md, rule 11): keys, what is signed of a row, the chain of rows."""
