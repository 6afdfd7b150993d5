"""The weekly look at PostgreSQL's own patches (G16): the server's minor version, and extensions left behind by one."""

from __future__ import annotations

from datetime import date, timedelta

from psycopg import sql

from upkeep.areas.look import Check, Look
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.gate.plans.statements import copyable
from upkeep.ledger.write import LookResult
from upkeep.settings.patches import Patches
from upkeep.wires import queries
from upkeep.wires.database import Row

#: Minor releases come each quarter; a list that is older does not know the last one.
LIST_AGE = timedelta(days=100)


def version_lag(look: Look) -> LookResult:
    """The server against the minor version that config knows, and each extension against the server's files."""
    rows = look.session.rows(queries.load("patches/version_lag"))
    known, today = look.settings.maintenance.patches, look.now.date()
    major, minor = divmod(rows[0]["server_version"], 10_000)
    extensions = [row for row in rows if row["name"] is not None]
    findings = [_server(major, minor, known), *_list_age(known, today), *_extensions(extensions)]
    newest = known.postgres_minors.get(major)
    behind = () if newest is None else (Sample("postgres_minors_behind", float(max(newest - minor, 0)), "versions"),)
    return LookResult(tuple(findings), behind)


def _server(major: int, minor: int, known: Patches) -> Finding:
    newest = known.postgres_minors.get(major)
    if newest is None:
        level, said = Level.UNKNOWN, f"config knows no minor version of {major}"
        remedy = "Add it to patches.postgres_minors; if PostgreSQL no longer patches this major, plan an upgrade."
    elif minor < newest:
        level, said = Level.WARNING, f"{newest - minor} behind {major}.{newest}"
        remedy = "Read the release notes, install the newer packages and restart: no dump and no upgrade is needed."
    elif minor > newest:
        level, said = Level.ADVISORY, f"newer than {major}.{newest}, the newest that config knows"
        remedy = "Bring patches.postgres_minors and patches.as_of up to date."
    else:
        level, said, remedy = Level.OK, "the newest that config knows", ""
    return Topic("version_lag:server", "Minor version of PostgreSQL", "G16").finding(
        level,
        f"{major}.{minor}, {said} (as of {known.as_of})",
        f"{major}.{newest}" if newest is not None else "a minor version that config knows",
        remedy,
        {"major": major, "minor": minor, "newest": newest},
    )


def _list_age(known: Patches, today: date) -> list[Finding]:
    age = today - known.as_of
    if timedelta(0) <= age <= LIST_AGE:
        return []
    return [
        Topic("version_lag:list", "List of PostgreSQL's minor versions", "G16").finding(
            Level.ADVISORY,
            f"patches.as_of is {known.as_of}, "
            + ("which is still to come" if age < timedelta(0) else f"{age.days} days ago"),
            f"at most {LIST_AGE.days} days",
            "Look at postgresql.org/support/versioning, then set patches.postgres_minors and patches.as_of.",
        )
    ]


def _extensions(rows: list[Row]) -> list[Finding]:
    lagging = [row for row in rows if row["installed"] != row["available"]]
    return [_extension(row) for row in lagging] or [
        Topic("version_lag:extensions", "Versions of extensions", "G16").finding(
            Level.OK,
            f"all of {len(rows)} are what the server would install",
            "each extension at the server's default version",
        )
    ]


def _extension(row: Row) -> Finding:
    gone = row["available"] is None
    command = copyable(sql.SQL("ALTER EXTENSION {} UPDATE").format(sql.Identifier(row["name"])).as_string())
    return Topic(f"version_lag:extension:{row['name']}", f"Extension {row['name']}", "G16").finding(
        Level.ADVISORY,
        f"{row['installed']}; "
        + ("the server has no files of it" if gone else f"the server would install {row['available']}"),
        "the server's default version",
        "Install its package for this major version." if gone else f"As its owner: {command}",
        {"installed": row["installed"], "available": row["available"]},
    )


CHECKS = (Check("patches/version_lag", "G16", "Versions of PostgreSQL and its extensions", version_lag),)
