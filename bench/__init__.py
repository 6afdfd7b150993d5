"""``make bench``: the ratios of the README's table, each measured side by side in one run."""
