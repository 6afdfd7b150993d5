"""Security: logins, access, permissions, keys and the audit's rules (G6, G69-G72, G75-G81)."""
