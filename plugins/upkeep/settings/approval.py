"""Who may ask and who must answer: people, roles, approval, guards, freezes (config/maintenance.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import Field, ValidationInfo, field_validator

from upkeep.settings.base import ConnectionId, FrozenModel, Name

#: The name in ``approval.roles`` of every kind that has none of its own there.
DEFAULT = "default"


class Person(FrozenModel):
    """An Airflow user, by the name that Airflow shows. ``id`` is what the auth manager calls them (FAB: a number), by
    default that name. Both must be the user's: an answer under another name counts for nothing.
    """

    id: str = ""
    shell: tuple[str, ...] = ()


def person_of(people: Mapping[str, Person], user_id: str, shown: str) -> str | None:
    """Who logged in to Airflow: the id and the name that it shows are both theirs; None for everybody else.

    Who asked for a run is known by name alone. If a number were enough for an answer, one that config has for somebody
    else, as after Airflow's database was made anew, would let one person ask and approve.
    """
    found = people.get(shown)
    return shown if found and (found.id or shown) == user_id else None


class Role(FrozenModel):
    """One of the guide's four roles (G133-G136), the people who hold it, and who may stand in for them."""

    title: str
    users: tuple[str, ...] = ()
    deputies: tuple[str, ...] = ()


class Approval(FrozenModel):
    """How mutations are approved: which roles by kind of action, how long an answer may take.

    A kind that ``roles`` does not name has those of ``default``. Which kinds there are is not known here:
    ``areas.kinds.with_roles`` holds the names against them.
    """

    roles: Mapping[str, tuple[Name, ...]]
    closed_response_minutes: int = Field(ge=1, le=7 * 24 * 60, strict=True)
    remind_minutes: int = Field(ge=1, le=24 * 60, strict=True)
    override: bool = Field(strict=True)
    slack: ConnectionId | None = None

    @field_validator("roles")
    @classmethod
    def _each_kind(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for kind, roles in value.items():
            if not roles or len(set(roles)) < len(roles):
                raise ValueError(f"found {list(roles)} for {kind}, expected at least one role and none twice")
        return value

    def roles_of(self, kind: str) -> tuple[str, ...]:
        """Who has to approve a kind."""
        return self.roles[kind if kind in self.roles else DEFAULT]


class Guards(FrozenModel):
    """What stops a mutation: seconds of replica lag, percent of connections, patience with locks."""

    lock_timeout_seconds: float = Field(gt=0, le=60, strict=True)
    lock_attempts: int = Field(ge=1, le=20, strict=True)
    poll_seconds: float = Field(gt=0, le=10, strict=True)
    replica_lag_seconds: float = Field(gt=0, le=3600, strict=True)
    connections_percent: float = Field(gt=0, le=100, strict=True)
    patience_seconds: float = Field(ge=0, le=3600, strict=True)


class Optimise(FrozenModel):
    """When a table is vacuumed or analysed (G52, G59), and how gently."""

    dead_percent: float = Field(gt=0, le=100, strict=True)
    dead_rows: int = Field(ge=1, strict=True)
    changed_percent: float = Field(gt=0, le=1000, strict=True)
    vacuum_cost_delay_ms: float = Field(ge=0, le=100, strict=True)
    vacuum_cost_limit: int = Field(ge=1, le=10_000, strict=True)
    megabytes_per_second: float = Field(gt=0, le=100_000, strict=True)
    least_receipts: int = Field(ge=1, le=1000, strict=True)
    freeze_advisory_percent: float = Field(gt=0, le=1000, strict=True)
    freeze_warning_percent: float = Field(gt=0, le=1000, strict=True)

    @field_validator("freeze_warning_percent")
    @classmethod
    def _not_below(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("freeze_advisory_percent", 0):
            least = info.data["freeze_advisory_percent"]
            raise ValueError(f"found {value:g}, expected at least freeze_advisory_percent ({least:g})")
        return value


class Indexes(FrozenModel):
    """Which indexes count as unused and what is said to be missing (G53).

    ``proof_days`` is how old the data may be by which a restored copy has proven a missing index.
    """

    statistics_days: float = Field(ge=0, le=3650, strict=True)
    min_bytes: int = Field(ge=0, strict=True)
    advice_rows: int = Field(ge=1, strict=True)
    advice_scans: int = Field(ge=1, strict=True)
    proof_days: float = Field(default=8, gt=0, le=366, strict=True)


class Freeze(FrozenModel):
    """A time in which nothing is changed, nor by a calendar's window that is due in it: [start, end).

    Evidence is still collected.
    """

    start: datetime
    end: datetime
    reason: str = Field(min_length=1)

    @field_validator("start", "end")
    @classmethod
    def _aware(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError(f"found {value}, expected a time with its zone, such as 2026-12-24T00:00:00Z")
        return value.astimezone(UTC)  # in whose words every text says it

    @field_validator("end")
    @classmethod
    def _later(cls, value: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("start")
        if start is not None and value <= start:
            raise ValueError(f"found {value}, expected a time after start ({start})")
        return value
