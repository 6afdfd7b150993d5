"""A log that is partitioned by time: what the tests of dropping partitions begin with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from tests.stages.config import config as config  # noqa: PLC0414  # the fixture
from tests.stages.keeping import Keeping
from tests.stages.keeping import keeping as keeping  # noqa: PLC0414  # the fixture
from upkeep.areas.retention.store import DELETED, MANIFEST

#: A name that must be quoted, in a schema of its own.
SCHEMA, OLD = 'Old "Logs', "Log %s of Mörz"
LOG = """
CREATE TABLE log (
    id bigint NOT NULL DEFAULT nextval('log_numbers'),
    at timestamptz NOT NULL,
    kind text NOT NULL DEFAULT 'usual',
    body text,
    PRIMARY KEY (id, at, kind)
) PARTITION BY RANGE (at)
"""
ROWS = 25


#: All bounds are counted from here, also where midnight comes between two of them; rows lie days away from each.
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def days(ago: float) -> sql.Literal:
    """The midnight (UTC) so many days ago, as a literal of a bound."""
    return sql.Literal((TODAY - timedelta(days=ago)).isoformat())


class Parting:
    """A stage whose log has rows of 120 days in a partition that is past, kept 90 days, and a present one."""

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping
        classes = {"type": "error", "table": "public.log", "time": "at", "days": 90, "location": "here", "delete": True}
        keeping.write(classes={"usual": classes}, unmapped=dict.fromkeys(UNMAPPED, "none here"))
        keeping.stage.do(
            "DROP TABLE log",
            "CREATE SEQUENCE log_numbers",
            LOG,
            "CREATE INDEX ON log (at)",
            sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)),
        )
        self.add(SCHEMA, OLD, 130, 110)
        self.add("public", "log_present", 110, -10)
        keeping.fill(ROWS, 120)
        keeping.fill(4, 100)
        keeping.fill(3, 1)

    def add(self, schema: str, name: str, start: float, end: float, parent: str = "log", more: str = "") -> None:
        """A partition from so many days ago to so many."""
        create = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({}) {}").format(
            sql.Identifier(schema, name), sql.Identifier(parent), days(start), days(end), sql.SQL(more)
        )
        self.keeping.stage.do(create)

    @property
    def old(self) -> sql.Identifier:
        """The past partition."""
        return sql.Identifier(SCHEMA, OLD)

    def alter(self, statement: str) -> None:
        """A statement about the past partition, which is ``{}`` in it."""
        self.keeping.stage.do(sql.SQL(statement).format(*[self.old] * statement.count("{}")))

    @property
    def is_attached(self) -> bool:
        """Whether the past partition hangs in the log."""
        query = (
            "SELECT 1 AS n FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relname = %s"
            " AND NOT i.inhdetachpending"
        )
        return bool(self.keeping.stage.look(query, OLD))

    def archived(self) -> str:
        """The past partition in an archive; its name."""
        assert [one.state for one in self.keeping.apply("archive").values()] == ["done"]
        return self.names()[-1]

    def names(self) -> list[str]:
        """The archives whose rows have not left the log."""
        store = self.keeping.store()
        return [name for name in store.names(MANIFEST) if not store.has(name + DELETED)]

    def everything(self) -> list[dict[str, Any]]:
        """All rows, in the order of their keys."""
        return self.keeping.stage.look("SELECT * FROM log ORDER BY id")


UNMAPPED = ("application", "audit", "performance", "security")


@pytest.fixture
def parting(keeping: Keeping) -> Iterator[Parting]:
    """A partitioned log, of which a partition is due."""
    return Parting(keeping)
