"""Health: response times of the functions, the server's state and clock, alerts of the night (G8, G31-G43, G118)."""
