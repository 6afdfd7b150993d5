"""Alembic's entry: runs the migrations on the connection that ``upkeep.migrations.upgrade`` hands in."""

from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine("postgresql+psycopg://", creator=context.config.attributes["connect"], poolclass=pool.NullPool)
with engine.begin() as connection:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS upkeep"))
    context.configure(connection=connection, version_table_schema="upkeep", version_table="ledger_version")
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
