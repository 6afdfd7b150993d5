"""Backups: there, complete, young, their checksums right, WAL without a gap (G99, G100)."""
