"""PostgreSQL's own patches on a real server: the minor version that config knows, extensions left behind."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import find
from upkeep.core.findings import Finding, Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.patches import Patches
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
AS_OF = date(2026, 5, 14)
NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)


def known(minors: dict[int, int], as_of: date = AS_OF) -> Settings:
    """Config with this list."""
    patches = Patches(as_of=as_of, postgres_minors=minors)
    return CONFIG.model_copy(update={"maintenance": CONFIG.maintenance.model_copy(update={"patches": patches})})


def look(dsn: str, config: Settings, now: datetime = NOW) -> dict[str, Finding]:
    """Carry out the check: key → finding."""
    with database.session(lambda: psycopg.connect(dsn), config.maintenance.sql, read_only=True) as session:
        looked = carry_out(find("version_lag"), Look(session, config, now))
    return {finding.key: finding for finding in looked.findings}


def version(dsn: str) -> tuple[int, int]:
    """(major, minor) of the server."""
    with psycopg.connect(dsn) as connection:
        return divmod(connection.info.server_version, 10_000)


@pytest.mark.guide("G16", "fires", "silent")
def test_a_server_behind_the_newest_minor_version_is_found_until_it_is_not(empty_database: str) -> None:
    """Behind warns with how far; the same is ok; newer than the list says that the list is old."""
    major, minor = version(empty_database)
    behind = look(empty_database, known({major: minor + 2}))["version_lag:server"]
    assert (behind.level, behind.expected) == (Level.WARNING, f"{major}.{minor + 2}")
    assert behind.detail == f"{major}.{minor}, 2 behind {major}.{minor + 2} (as of 2026-05-14)"
    assert look(empty_database, known({major: minor}))["version_lag:server"].level is Level.OK
    if minor:
        newer = look(empty_database, known({major: minor - 1}))["version_lag:server"]
        assert (newer.level, "newer than" in newer.detail) == (Level.ADVISORY, True)


def test_a_major_that_the_list_does_not_have_is_unknown(empty_database: str) -> None:
    """Nothing is known of it, and no number is made up."""
    finding = look(empty_database, known({99: 1}))["version_lag:server"]
    assert (finding.level, finding.expected) == (Level.UNKNOWN, "a minor version that config knows")


@pytest.mark.guide("G16", "fires", "silent")
def test_an_old_list_is_said(empty_database: str) -> None:
    """After a hundred days, or when it is of a day to come; until then nothing is said."""
    config = known({version(empty_database)[0]: 0})
    of = NOW.replace(year=AS_OF.year, month=AS_OF.month, day=AS_OF.day)
    assert "version_lag:list" not in look(empty_database, config, of + timedelta(days=100))
    assert look(empty_database, config, of + timedelta(days=101))["version_lag:list"].level is Level.ADVISORY
    assert "still to come" in look(empty_database, config, of - timedelta(days=1))["version_lag:list"].detail


@pytest.mark.guide("G16", "fires", "silent")
def test_an_extension_left_behind_is_found_until_it_is_updated(empty_database: str) -> None:
    """With the statement that a person may run, which makes it silent."""
    config = known({version(empty_database)[0]: 0})
    key = "version_lag:extension:pg_trgm"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_trgm VERSION '1.3'")
        finding = look(empty_database, config)[key]
        assert (finding.level, finding.metadata["installed"]) == (Level.ADVISORY, "1.3")
        assert finding.remedy == 'As its owner: ALTER EXTENSION "pg_trgm" UPDATE'
        connection.execute(finding.remedy.partition(": ")[2].encode())
    found = look(empty_database, config)
    assert key not in found
    assert found["version_lag:extensions"].level is Level.OK


def test_a_database_without_any_extension(empty_database: str) -> None:
    """Even plpgsql can be dropped: the server's version is known all the same."""
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("DROP EXTENSION plpgsql")
    found = look(empty_database, known({version(empty_database)[0]: 0}))
    assert found["version_lag:extensions"].detail == "all of 0 are what the server would install"
    assert "version_lag:server" in found
