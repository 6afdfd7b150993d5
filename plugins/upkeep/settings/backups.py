"""``targets.<t>.backups``, ``.dumps`` and ``.managed_backups``: where they lie and what they must be like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator, model_validator

from upkeep.settings.base import ConnectionId, FrozenModel
from upkeep.settings.values import Folder, Zone


class Scratch(FrozenModel):
    """Where and with which programs a dump is restored as a proof (G101), and in what time.

    ``scratch`` is a folder for restored copies alone; ``programs`` holds ``postgres`` of the target's major, ``initdb``
    and ``pg_restore``. ``run_as`` are the words put before each program, where the tasks run as root, as which
    PostgreSQL does not start. ``max_rto_minutes`` is how long it may take until the restored copy answers.
    """

    scratch: Folder
    programs: Folder
    run_as: tuple[Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")], ...] = ()
    superuser: str = Field(default="postgres", min_length=1, max_length=63, pattern=r"^[^\x00]+$")
    timeout_seconds: float = Field(default=3600, gt=0, le=86_400)
    max_rto_minutes: float = Field(default=60, gt=0, allow_inf_nan=False)


class Restore(Scratch):
    """Where and with which programs a backup is restored as a proof (G101-G105), and in what time.

    As for dumps; ``programs`` holds ``postgres`` of the backup's major. ``max_rpo_minutes`` is how much of the newest
    work may be missing in the restored copy.
    """

    max_rpo_minutes: float = Field(default=120, gt=0, allow_inf_nan=False)


def _elsewhere(restore: Scratch | None, **folders: Path) -> None:
    scratch = restore.scratch if restore else None
    for name, folder in folders.items():
        if scratch and (scratch.is_relative_to(folder) or folder.is_relative_to(scratch)):
            raise ValueError(f"found restore.scratch {scratch} and {name} {folder}, expected neither in the other")


class Young(FrozenModel):
    """How old the newest backup of a kind may be."""

    max_age_hours: float = Field(default=26, gt=0, allow_inf_nan=False)
    critical_age_hours: float = Field(default=50, gt=0, allow_inf_nan=False, validate_default=True)

    @field_validator("critical_age_hours")
    @classmethod
    def _later(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("max_age_hours", 0):
            raise ValueError(f"found {value:g}, expected at least max_age_hours ({info.data['max_age_hours']:g})")
        return value


class Kept(Young):
    """How large the newest backup must be whose bytes can be reached: so many bytes, and so much of the usual."""

    min_bytes: int = Field(ge=0, strict=True)
    least_percent: float = Field(default=50, ge=0, le=100)


class Backups(Kept):
    """Where a target's base backups and archived WAL lie, and what they must be like (G99, G100).

    ``max_wal_age_hours`` of None judges no age: of a server that may write nothing for longer. A backup that is smaller
    than ``least_percent`` of the middle one of those before it is a warning; of incremental ones that is not judged.
    ``proof`` is what is read daily against the manifest's checksums: ``whole`` all of the newest backup, ``sevenths`` a
    seventh of one backup until all of that was read, or more where ``proof_budget_bytes`` allow it (ADR 31). Without
    ``restore`` no backup is restored, and nothing is proven but that its files are whole.
    """

    base: Folder
    wal: Folder
    max_wal_age_hours: float | None = Field(default=2, gt=0, allow_inf_nan=False)
    min_bytes: int = Field(default=1_000_000, ge=0, strict=True)
    verify_program: str = Field(default="pg_verifybackup", pattern=r"^[^\x00]+$")
    verify_timeout_seconds: float = Field(default=900, gt=0, le=86_400)
    proof: Literal["whole", "sevenths"] = "whole"
    proof_budget_bytes: int | None = Field(default=None, gt=0, strict=True)
    restore: Restore | None = None

    @model_validator(mode="after")
    def _apart(self) -> Self:
        _elsewhere(self.restore, base=self.base, wal=self.wal)
        if self.proof_budget_bytes is not None and self.proof == "whole":
            raise ValueError("found proof_budget_bytes with proof: whole, expected it with proof: sevenths alone")
        return self


class Dumps(Kept):
    """Where a target's dumps by pg_dump lie, in the custom or the directory format, and what they must be like (G99,
    G100).

    ``time_zone`` is that of the host where pg_dump runs: a dump tells its time without one. ``verify_program`` is
    pg_restore of the major that wrote the dumps, or later. A dump that is smaller than ``least_percent`` of the middle
    one of those before it is a warning.

    ``restore.run_as`` is needed: a dump is code, which can start programs where it is restored. Its words must lead to
    an OS user who owns nothing but scratch; where the tasks are not root, to a sandbox without their files.
    """

    folder: Folder
    time_zone: Zone = ZoneInfo("UTC")
    min_bytes: int = Field(default=1_000, ge=0, strict=True)
    verify_program: str = Field(default="pg_restore", pattern=r"^[^\x00]+$")
    verify_timeout_seconds: float = Field(default=600, gt=0, le=86_400)
    restore: Scratch | None = None

    @model_validator(mode="after")
    def _apart(self) -> Self:
        _elsewhere(self.restore, folder=self.folder)
        if self.restore and not self.restore.run_as:
            raise ValueError(
                "found restore without restore.run_as, expected words that keep a dump's code from what the tasks' "
                "user may read, such as [setpriv, --reuid=scratch, --regid=scratch, --clear-groups]"
            )
        return self


class Canary(FrozenModel):
    """Who writes a canary row each day, by which the monthly drill measures what would be lost (G102).

    ``connection`` logs in as ``role``, which has no right of its own: a plan gives it the one that it needs.
    """

    connection: ConnectionId
    role: str = Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")


class ManagedBackups(Young):
    """Backups that Supabase keeps itself and lists for who has an access token (G99).

    ``connection`` is of type http: host = https://api.supabase.com, password = the token. ``project`` is the project's
    reference. Nobody is handed their bytes: what is in them is known only to who restores one into a new project.
    """

    connection: ConnectionId
    project: str = Field(pattern=r"^[a-z0-9]{1,40}$")
