"""Documents: age, owner and links of the guide and its runbooks (G28, G138)."""
