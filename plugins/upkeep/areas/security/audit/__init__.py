"""The monthly audit: rules over the catalogue, each with its own statement (G78)."""
