"""A restored copy of a base backup: rolled forward in steps, asked, stopped. Archived WAL is read by ``cp`` alone.

Sources: PostgreSQL's documentation, "Recovering Using a Continuous Archive Backup", "Recovery Target", "Hot Standby".
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from upkeep.areas.backups import files
from upkeep.areas.backups.files import Label
from upkeep.areas.backups.pace import Pace
from upkeep.areas.backups.server import RestoreError, Server, run_as
from upkeep.settings.backups import Backups

log = logging.getLogger(__name__)

_RECOVERING = {
    "hot_standby": "on",
    "recovery_target_inclusive": "off",
    "recovery_target_action": "pause",
}


@dataclass(frozen=True)
class Stop:
    """Where recovery is to stop: before the first thing at or after a position (``lsn``) or a moment (``time``)."""

    kind: str
    value: str


@dataclass(kw_only=True)
class Copy(Server):
    """A restored copy. ``last_commit`` is when the newest transaction that it has replayed was committed, None before
    the first.
    """

    config: Backups
    last_commit: datetime | None = None
    _label: Label | None = None  # not prepared yet

    def recover(self, stop: Stop | None, standby: Mapping[str, str], phase: str) -> None:
        """Roll forward to a stop, or without one to the end of the archive; then the copy answers.

        It waits read-only where it stopped; at the end it is opened for writing. ``standby`` are settings that must be
        as large as the original's. Raises RestoreError, and SetUpError for what is not the backup's fault.
        """
        began, pace = time.monotonic(), Pace(phase, done=None)
        self.stop()
        label = self._label = self._label or self._prepare()
        target = {f"recovery_target_{stop.kind}": stop.value} if stop else {}
        settings = {**_RECOVERING, **standby, **target, "restore_command": self._fetching(label)}
        settings["min_wal_size"] = f"{max(80, 2 * label.segment_bytes // 2**20)}MB"  # less does not start
        settings["max_wal_size"] = f"{max(1024, 4 * label.segment_bytes // 2**20)}MB"
        self.start(settings)
        self.until(lambda connection: self._there(connection, label, stop, pace), "recovery")
        self.seconds[phase] = time.monotonic() - began
        log.info("%s after %.1f s", phase, self.seconds[phase])

    def _fetching(self, label: Label) -> str:
        """Copy a file of the archive; a segment that is still being copied to it counts as not there yet.

        PostgreSQL ends recovery as failed at a segment of another size.
        """
        file = f"{shlex.quote(str(self.config.wal).replace('%', '%%'))}/%f"
        minutes = files.BEING_COPIED // timedelta(minutes=1)
        coming = f"find {file} -name '{'?' * 24}' -size -{label.segment_bytes}c -mmin -{minutes} 2>/dev/null"
        return f'test -z "$({coming})" && cp {file} %p'

    def _prepare(self) -> Label:
        """Put our configuration in place of the original's, and ask for recovery. Raises RestoreError."""
        try:
            label = files.read_label(self.data, self.config.wal)  # PostgreSQL puts it away when it starts
        except files.BackupError as error:
            raise RestoreError(str(error)) from error
        run_as(self.restore, "chmod", "-R", "u+rwX,go-rwx", str(self.data))
        run_as(self.restore, "rm", "-f", str(self.data / "standby.signal"), str(self.data / "postmaster.pid"))
        run_as(self.restore, "truncate", "-s", "0", str(self.data / "postgresql.auto.conf"))
        run_as(self.restore, "touch", str(self.data / "recovery.signal"))
        return label

    def _replayed(self, position: str, label: Label, stop: Stop | None) -> tuple[float, float]:
        """Bytes of WAL that are replayed, and all that are to be; for a moment at most, to the archive's end."""
        begin = label.start.number * label.segment_bytes
        if stop and stop.kind == "lsn":
            return files.lsn(position) - begin, files.lsn(stop.value) - begin
        reaches = files.read_archive(self.config.wal, label, 0, datetime.now(UTC)).reaches
        return files.lsn(position) - begin, reaches + label.segment_bytes - begin

    def _there(self, connection: psycopg.Connection[Any], label: Label, stop: Stop | None, pace: Pace) -> bool:
        """Whether it has come as far as it should."""
        paused = "pg_is_in_recovery() AND pg_is_wal_replay_paused()"
        statement = f"SELECT pg_is_in_recovery(), {paused}, pg_last_xact_replay_timestamp(), pg_last_wal_replay_lsn()"
        in_recovery, waits, commit, at = connection.execute(statement).fetchone() or (True, False, None, None)
        if stop and not waits and not in_recovery:
            raise RestoreError(f"recovery ended before {stop.kind} {stop.value}: {self.said()}")
        if there := bool(waits if stop else not in_recovery):
            self.last_commit = commit or self.last_commit  # the server knows those since its start alone
        elif at:
            pace.tell(lambda: self._replayed(at, label, stop))
        return there
