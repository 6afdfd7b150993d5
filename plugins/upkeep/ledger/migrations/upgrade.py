"""Alembic migrations of the ledger. ``upgrade`` creates and upgrades it; the owner's Connection only."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from upkeep.wires.database import Connect, pinned


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def head() -> str:
    """The revision this version of Upkeep works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise LookupError("found no migration, expected at least one in upkeep/migrations/versions")
    return revision


def upgrade(connect: Connect) -> None:
    """Bring the ledger behind ``connect`` (its owner's login) to ``head``; harmless when it is there.

    Raises psycopg.Error as the driver gives it, not SQLAlchemy's wrapping of it.
    """
    config = _config()
    config.attributes["connect"] = pinned(connect)
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from None
