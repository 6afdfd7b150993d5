"""The way out: PostgreSQL, the statements of ``include/sql``, clocks, the functions, the net."""
