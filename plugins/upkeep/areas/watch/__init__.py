"""The platform in real time: each target polled every half minute, and what has changed (G31, G106-G113)."""
