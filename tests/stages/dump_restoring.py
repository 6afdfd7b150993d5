"""A real database with a log, what a daily window wrote down of it, and a dump of it: to be restored."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from sandbox.postgres import Cluster, identity, programs
from tests.conftest import database as database_of
from tests.stages.dumping import Dumped
from tests.stages.restoring import LOGS
from upkeep.areas.backups import contents
from upkeep.areas.backups.dump_files import Dump
from upkeep.areas.backups.dump_restoration import Original, newest, original, restore
from upkeep.areas.look import Look
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Dumps, Scratch
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

CLOCKS = settings(ROOT / "config").maintenance.sql


@dataclass(frozen=True)
class Stage:
    """A database of which a daily window has recorded the logs, and a dump of it in a folder."""

    dumped: Dumped
    scratch: Path
    record: Mapping[str, Any]

    def config(self, **scratch: Any) -> Dumps:
        """The section of config."""
        words = identity().prefix or ("env",)
        given = {"scratch": self.scratch, "programs": programs(), "run_as": words, "timeout_seconds": 120}
        return Dumps(folder=self.dumped.folder, restore=Scratch(**(given | scratch)))

    def newest(self) -> Dump:
        """The dump, two minutes from now, when it rests."""
        return newest(self.config(), datetime.now(UTC) + timedelta(minutes=2), "")

    def target(self) -> Original:
        """The target as it is now."""
        with database.session(partial(psycopg.connect, self.dumped.dsn), CLOCKS, read_only=True) as session:
            return original(session, self.newest(), [self.record])

    def restored(self, target: Original | None = None, **scratch: Any) -> LookResult:
        """Restore the dump, and look at what is left of it."""
        looked = restore(self.newest(), self.config(**scratch), target or self.target(), CLOCKS, [])
        assert [path.name for path in self.scratch.iterdir() if path.name != ".lock"] == []
        return looked


@contextmanager
def staged(cluster: Cluster, folder: Path, name: str, *statements: str, words: tuple[str, ...] = ()) -> Iterator[Stage]:
    """Logs with a record and what statements make, then the dump, made with words."""
    (folder / "dumps").mkdir()
    (folder / "scratch").mkdir()
    os.chown(folder / "scratch", identity().uid, identity().gid)
    with database_of(cluster, name) as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            for each in (LOGS, *statements):
                admin.execute(each.encode())
        with database.session(partial(psycopg.connect, dsn), CLOCKS, read_only=True) as session:
            now = datetime.now(UTC)
            record = contents.contents(Look(session, settings(ROOT / "config"), now)).snapshot
        early = {"moment": (now - timedelta(minutes=5)).isoformat()}  # a dump tells whole seconds
        dumped = Dumped(dsn, folder / "dumps")
        dumped.take("good", "-Fd", *words)
        yield Stage(dumped, folder / "scratch", record | early)
    shutil.rmtree(folder / "scratch")
