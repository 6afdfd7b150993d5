"""Trends (G31, G117): one thing that a target's windows or the watch have measured, over an hour to two years."""
