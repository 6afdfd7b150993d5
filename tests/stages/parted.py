"""The same faults over a log whose rows are in a partition, which goes as a whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

import psycopg

from tests.stages.deleting import ROWS, Trials, Written
from tests.stages.keeping import LOG

_PARTED = LOG.replace(" PRIMARY KEY", "").rstrip().removesuffix(")") + ", PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"
_PARTITION = """
CREATE TABLE IF NOT EXISTS "Log of then" PARTITION OF log
FOR VALUES FROM (date_trunc('month', now() - interval '160 days'))
TO (date_trunc('month', now() - interval '160 days') + interval '1 month')
"""
#: While a run stands still in its transaction the trials wait for the log no longer than this.
_CLOCK = "-c lock_timeout=2s"


@dataclass
class PartedTrials(Trials):
    """Faulty runs over a partitioned log; each row that comes makes a partition for it where there is none."""

    batch: int = 100 * ROWS

    def begin(self) -> None:
        """Make the log anew, partitioned."""
        if self.logs == 0:
            stage = self.keeping.stage
            stage.dsn = psycopg.conninfo.make_conninfo(stage.dsn, options=_CLOCK)
            stage.do("DROP TABLE log", _PARTED, "CREATE INDEX ON log (at)")
        super().begin()

    def insert(self, rows: int) -> None:
        """The same, where the log can be reached."""
        with suppress(psycopg.errors.LockNotAvailable):
            self.keeping.stage.do(_PARTITION)
            super().insert(rows)

    def change(self) -> None:
        """The same, where the partition can be written to."""
        with suppress(psycopg.errors.LockNotAvailable):
            super().change()

    def strike(self, fault: str, process: BaseProcess, deletes: bool) -> tuple[set[Written], int]:
        """Between its statements, not only at the moment when the rows go, which is one."""
        try:
            return super().strike(fault, process, deletes and self.draw.random() < 0.5)
        except psycopg.errors.LockNotAvailable:  # it stood still holding the log, and goes on
            return set(), 0
