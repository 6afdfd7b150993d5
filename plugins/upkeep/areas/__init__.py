"""One subject of the guide, one room: what it looks at, and what it may change."""
