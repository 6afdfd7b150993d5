"""Alembic migrations of the ledger. ``upgrade`` creates and upgrades it; the owner's Connection only."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
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


class NewerLedger(Exception):  # what it is, not that it is one
    """The ledger was upgraded by a newer version of Upkeep than this one."""


def behind(found: str) -> str:
    """Why a ledger of this revision does not fit this code, and what to do; empty when it does."""
    if found == head():
        return ""
    if found in revisions():
        return f"found revision {found}, expected {head()}: run `python -m upkeep ledger upgrade`"
    return (
        f"found revision {found}, expected {head()}: a newer Upkeep has upgraded this ledger; install that version, or "
        "restore the ledger from before (docs/install.md, Upgrading, and back)"
    )


def revisions() -> tuple[str, ...]:
    """All revisions that this version knows, the first one first."""
    known = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(reversed([script.revision for script in known]))


def upgrade(connect: Connect, to: str = "head") -> None:
    """Bring the ledger behind ``connect`` (its owner's login) to a revision; harmless when it is there.

    Raises NewerLedger, and psycopg.Error as the driver gives it, not SQLAlchemy's wrapping of it.
    """
    config = _config()
    config.attributes["connect"] = pinned(connect)
    try:
        command.upgrade(config, to)
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        raise NewerLedger(behind(str(error.__cause__.argument))) from None
    except DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from None
