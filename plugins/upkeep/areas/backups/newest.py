"""The newest backup as a restore takes it: how far its WAL goes, what it is of, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from upkeep.areas.backups import files, sizes
from upkeep.areas.backups.files import Archive, Backup, BackupError
from upkeep.areas.look import Sources
from upkeep.core.findings import NotCollected
from upkeep.settings.backups import Backups, Restore
from upkeep.wires import queries
from upkeep.wires.database import Session


@dataclass(frozen=True)
class Newest:
    """The newest finished backup, and its WAL up to ``archive_end``; from position ``ends_at`` on a copy is consistent.

    ``ended_at`` is no earlier than that: when its manifest, which comes last, was written or copied. ``ending`` takes
    what ends with the task.
    """

    backup: Backup
    config: Backups
    restore: Restore
    archive: Archive
    ends_at: int
    archive_end: int
    ended_at: datetime
    ending: list[Callable[[], None]] = field(default_factory=list)

    def within(self, position: int) -> bool:
        """Whether recovery can be stopped at a position."""
        return self.ends_at <= position < self.archive_end


@dataclass(frozen=True)
class Original:
    """The target as it answers. ``settings`` are those that a copy must have as large to be asked."""

    database: str
    system_identifier: str
    settings: Mapping[str, str]


def newest(config: Backups | None, where: str, now: datetime) -> Newest:
    """What is to be restored; ``where`` names the section of config.

    Raises NotCollected where config does not say how, or there is nothing to restore.
    """
    if config is None:
        raise NotCollected(f"no base backups are configured ({where}); whether one can be restored is not known")
    if config.restore is None:
        raise NotCollected(f"no scratch folder is configured ({where}.restore), so that no backup can be restored")
    try:
        finished = [backup for backup in files.find(config.base) if backup.finished]
        if not finished:
            raise NotCollected(f"found no finished backup in {config.base}")
        folder = finished[-1].folder
        label, manifest = files.read_label(folder, config.wal), files.read_manifest(folder)
        archive = files.read_archive(config.wal, label, manifest.end_lsn, now)
        incremental = sizes.incremental(finished[-1])
        ended_at = files.ended_at(folder)
    except (OSError, BackupError) as error:
        raise NotCollected(f"the newest backup cannot be restored: {error}") from error
    if incremental or "." in archive.newest:
        what = "it is incremental" if incremental else f"its WAL is archived compressed ({archive.newest})"
        raise NotCollected(f"the newest backup is not restored by Upkeep: {what}")
    end = archive.reaches + label.segment_bytes
    return Newest(finished[-1], config, config.restore, archive, manifest.end_lsn, end, ended_at)


def newest_of(sources: Sources) -> Newest:
    """The newest backup of an inspection's target. Raises NotCollected."""
    where = f"config/maintenance.yaml: targets.{sources.target}.backups"
    found = newest(sources.config.target(sources.target).backups, where, datetime.now(UTC))
    return replace(found, ending=sources.ending)


def openings(sources: Sources) -> tuple[Newest, Original, Mapping[str, Any] | None]:
    """What an inspection restores, of which target, and the record that it is compared with. Raises NotCollected."""
    found = newest_of(sources)
    with sources.read() as session:
        target = original(session)
    with sources.ledger() as session:
        return found, target, recorded(session, sources.target, found, target.system_identifier)


def recorded(session: Session, target: str, found: Newest, cluster: str) -> Mapping[str, Any] | None:
    """The newest record of what the logs held that lies between the backup and the end of its WAL; None without one.

    ``session`` is one on the ledger, ``cluster`` the target's system identifier: positions of another mean nothing.
    """
    rows = session.rows(queries.load("backups/known_contents"), {"target": target})
    bodies: list[Mapping[str, Any]] = [row["body"] for row in rows if row["body"]["logs"]]
    bodies = [body for body in bodies if body["system_identifier"] == cluster]
    return next((body for body in bodies if found.within(files.lsn(body["lsn"]))), None)


def original(session: Session) -> Original:
    """The target itself, over one session on it. Raises NotCollected where a copy of it could write elsewhere."""
    if elsewhere := [row["name"] for row in session.rows(queries.load("backups/tablespaces"))]:
        raise NotCollected(
            f"the target has tablespaces ({', '.join(elsewhere)}): replayed WAL would write to their folders here"
        )
    here = session.row(queries.load("backups/moment"))
    settings = {row["name"]: row["setting"] for row in session.rows(queries.load("backups/standby_settings"))}
    return Original(here["database"], here["system_identifier"], settings)
