"""The database: its size, growth, connections and the guide's expectations of it (G44-G51)."""
