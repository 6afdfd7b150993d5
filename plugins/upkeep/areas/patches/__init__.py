"""Patches: what npm says of the checkout, the server's and its extensions' versions (G16, G73, G74)."""
