"""A real server with logs, its backups and archived WAL, and what a daily window wrote down of it: to be restored."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox import backups as sandbox
from sandbox.backups import Store
from sandbox.ports import free_port
from sandbox.postgres import Cluster, bin_dir, identity, programs
from tests.stages.archives import switch
from tests.stages.sessions import until
from upkeep.areas.backups import canary, contents
from upkeep.areas.backups.contents import Log
from upkeep.areas.backups.drill import QUIET, Landmark, System, look_at
from upkeep.areas.backups.newest import Newest, newest
from upkeep.areas.look import Look
from upkeep.settings.backups import Backups, Restore
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires import database

ERRORS = Log("public", "error_logs", "timestamp")
LOGS = """
CREATE TABLE error_logs (id bigserial PRIMARY KEY, timestamp timestamptz NOT NULL, category text, message text);
INSERT INTO error_logs (timestamp, category, message)
SELECT now() - n * interval '30 min', 'database', 'failed ' || n FROM generate_series(1, 400) n;
"""
#: A canary row.
CANARY = """
CREATE SCHEMA upkeep_canary;
CREATE TABLE upkeep_canary.written (written_at timestamptz PRIMARY KEY);
INSERT INTO upkeep_canary.written VALUES (now());
"""
#: Foreign keys without an index: one that an index helps, one of whose values each is a third of the table. Of two
#: small tables code of the target's runs when a statement on them is planned: it tells of rows, or does not end.
KEYS = """
CREATE TABLE customers (id int PRIMARY KEY);
CREATE TABLE states (id int PRIMARY KEY);
CREATE TABLE purchases (
    id int PRIMARY KEY, customer int CONSTRAINT of_customer REFERENCES customers,
    state int CONSTRAINT in_state REFERENCES states, note text
);
CREATE TABLE telling (id int, customer int CONSTRAINT tells REFERENCES customers);
CREATE TABLE staying (id int, customer int CONSTRAINT stays REFERENCES customers);
CREATE FUNCTION tell() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF session_user ~ '^upkeep_planner' THEN
        RAISE EXCEPTION 'secret of %', (SELECT max(id) FROM public.customers)
        USING ERRCODE = 'UK0' || CASE current_setting('is_superuser') WHEN 'on' THEN 'ON' ELSE 'FF' END;
    END IF;
    RETURN 0;
END $$;
CREATE FUNCTION stay() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    WHILE session_user ~ '^upkeep_planner' LOOP
        BEGIN
            PERFORM set_config('statement_timeout', '0', false);
            PERFORM pg_sleep(1);
        EXCEPTION WHEN query_canceled THEN NULL;
        END;
    END LOOP;
    RETURN 0;
END $$;
CREATE RULE audited AS ON UPDATE TO purchases DO ALSO NOTIFY audited;
INSERT INTO customers SELECT generate_series(1, 5001);
INSERT INTO states SELECT generate_series(0, 3);
INSERT INTO purchases SELECT n, n % 5000 + 1, n % 3, repeat('x', 40) FROM generate_series(1, 20000) n;
INSERT INTO telling SELECT n, n FROM generate_series(1, 3) n;
INSERT INTO staying SELECT n, n FROM generate_series(1, 2) n;
CREATE INDEX by_tell ON telling ((id + tell()));
CREATE INDEX by_stay ON staying ((id + stay()));
DELETE FROM customers WHERE id = 5001;
DELETE FROM states WHERE id = 3;
"""
#: A row, and when it says that it came.
ROW = (
    "INSERT INTO error_logs (timestamp, message) VALUES (coalesce(%s, clock_timestamp()), 'quiet') RETURNING timestamp"
)


#: Tables, indexes and the log, of which a restored server reads nothing before it is asked.
UNREAD = [
    "pg_catalog.pg_description",
    "pg_catalog.pg_init_privs",
    "information_schema.sql_features",
    "pg_catalog.pg_conversion_oid_index",
    "pg_catalog.pg_description_o_c_o_index",
    "public.error_logs",
]


class Platform:
    """``ahead`` and ``late`` are landmarks whose row was committed before, or long after, the time that it says.

    Of ``batch`` it is the row before that was committed late.
    """

    known: dict[str, Any]
    system: System
    ahead: Landmark
    late: Landmark
    batch: Landmark
    canary: datetime | None
    #: Files of relations that a restored server starts without reading: the first one's and some more, by name.
    table: str
    files: dict[str, str]

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder / "data", free_port(), secrets.token_hex(8), folder / "wal")
        self.cluster.init()
        self.store = Store(folder, self.cluster.archive_directory())
        self.scratch = self.store.scratch
        self.config: Settings = settings(ROOT / "config")

    def run(self) -> None:
        """Write logs, take a backup, go on writing, and write down what there is; the server stops then."""
        server = self.cluster.start()
        try:
            self._backed_up()
            with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as admin:
                self._rows_with_quiet_between(admin)
                self._looked_at()
                admin.execute("UPDATE error_logs SET category = 'read' WHERE id <= 20")
            for _ in range(3):
                switch(self.cluster, self.store)
        finally:
            self.cluster.stop(server)

    def _backed_up(self) -> None:
        with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute(LOGS)
            admin.execute(CANARY)
            admin.execute(KEYS)
            admin.execute("ANALYZE")
            admin.execute("VACUUM error_logs")  # hint bits that came later would write its pages anew, and heal them
            self.files = dict(admin.execute("SELECT n, pg_relation_filepath(n) FROM unnest(%s::text[]) n", (UNREAD,)))
            self.table = self.files[UNREAD[0]]
        sandbox.take(self.cluster.dsn("postgres"), self.store)
        with psycopg.connect(self.cluster.dsn("postgres"), autocommit=True) as admin:
            admin.execute("INSERT INTO error_logs (timestamp, message) VALUES (now() - interval '2 h', 'late')")
            admin.execute("UPDATE error_logs SET category = 'resolved' WHERE id <= 10")

    def _rows_with_quiet_between(self, admin: psycopg.Connection[Any]) -> None:
        def committed(at: datetime | None = None) -> tuple[datetime, datetime]:
            (said,) = admin.execute(ROW, (at,)).fetchone() or (datetime.now(UTC),)
            by = datetime.now(UTC)
            until(lambda: datetime.now(UTC) > by + QUIET + timedelta(milliseconds=100))
            return said, by

        def row(at: datetime | None = None) -> datetime:
            return committed(at)[0]

        *_, before = [row() for _ in range(3)]
        ahead, by = committed(datetime.now(UTC) + QUIET / 2)
        while by >= ahead:  # a busy machine let the time pass before the row was there
            before, (ahead, by) = ahead, committed(datetime.now(UTC) + QUIET / 2)
        behind, last = row(), row()
        self.ahead = Landmark(ERRORS, before, ahead, behind)
        late = row(behind + QUIET / 4)
        self.late, self.batch = Landmark(ERRORS, behind, late, last), Landmark(ERRORS, late, last, row())

    def _looked_at(self) -> None:
        connect = lambda: psycopg.connect(self.cluster.dsn("postgres"))  # noqa: E731  (the way to connect, as a value)
        with database.session(connect, self.config.maintenance.sql, read_only=True) as session:
            self.known = contents.contents(Look(session, self.config, datetime.now(UTC))).snapshot
            self.system = look_at(session, self.config, self.newest(), self.known)
            self.canary = canary.in_copy(session)

    def left(self) -> list[str]:
        """What lies in the scratch folder, but for the file by which one waits for another there."""
        return sorted(path.name for path in self.scratch.iterdir() if path.name != ".lock")

    def kept(self) -> dict[str, int]:
        """Each file of the backups and of the archive, and how many bytes it has."""
        files = [path for place in (self.store.base, self.store.wal) for path in place.rglob("*") if path.is_file()]
        return {str(file): file.stat().st_size for file in files}

    def newest(self, **config: Any) -> Newest:
        """The newest backup, with programs and a scratch folder as config would name them."""
        return newest(self.backups(**config), "here", datetime.now(UTC))

    def backups(self, **config: Any) -> Backups:
        """The section of config."""
        given = {"scratch": self.scratch, "programs": programs(), "run_as": identity().prefix, "timeout_seconds": 60}
        verify = str(bin_dir() / "pg_verifybackup")
        restore = Restore(**(given | config))
        return Backups(base=self.store.base, wal=self.store.wal, verify_program=verify, restore=restore)


@pytest.fixture(scope="session")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One for all tests of a process, which spoil and heal its backups."""
    platform = Platform(tmp_path_factory.mktemp("restoring"))
    platform.run()
    yield platform
    for folder in (platform.cluster.directory(), platform.store.wal, platform.scratch):
        shutil.rmtree(folder)


@pytest.fixture
def restorable(backed_up: Platform) -> Iterator[Platform]:
    """Each test leaves the backups as it found them, for the next one may ask whether they are whole."""
    before = backed_up.kept()
    yield backed_up
    sandbox.heal(backed_up.store)
    assert backed_up.kept() == before
