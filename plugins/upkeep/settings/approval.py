"""Who may ask and who must answer: people, roles, approval, guards, freezes (config/maintenance.yaml)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import Field, ValidationInfo, field_validator

from upkeep.core.statements import redact
from upkeep.settings.base import ConnectionId, FrozenModel, Name

#: The name in ``approval.roles`` of every kind that has none of its own there.
DEFAULT = "default"


class Person(FrozenModel):
    """An Airflow user, by the name that Airflow shows. ``id`` is what the auth manager calls them (FAB: a number), by
    default that name. Both must be the user's: an answer under another name counts for nothing.

    Who asked for a run is known by name alone. If a number were enough for an answer, one that config has for somebody
    else, as after Airflow's database was made anew, would let one person ask and approve.
    """

    id: str = ""
    shell: tuple[str, ...] = ()


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


_BEGINS = re.compile(r"\s*(SELECT|WITH)\b", re.IGNORECASE)
_QUOTED_NAME = re.compile(r'"[^"]*"')


class NamedStatement(FrozenModel):
    """A read that matters. It is planned on a restored copy with a missing index and without it, never executed.

    Names stand with their schema, for only pg_catalog is searched; ``$1`` is what the application fills in or computes,
    for a view, a function, an operator or a type of the target's own is refused (enumerations are not), and so is what
    an extension brings: ``citext = $1`` is planned as text. Of several targets it is planned on those that have its
    tables.
    """

    name: Name
    sql: str = Field(min_length=1, max_length=10_000)

    @field_validator("sql")
    @classmethod
    def _one_statement(cls, value: str) -> str:
        expected = "expected one SELECT, alone or behind WITH"
        if not _BEGINS.match(value) or "\0" in value:
            raise ValueError(f"found {value[:60]!r}, {expected}")
        if ";" in _QUOTED_NAME.sub("", redact(value)).rstrip("; "):
            raise ValueError(f"found more behind the semicolon of {value[:60]!r}, {expected}")
        return value

    @property
    def digest(self) -> str:
        """By which a proof is known to be of this very text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Indexes(FrozenModel):
    """Which indexes count as unused and what is said to be missing (G53).

    ``proof_days`` is how old the data may be by which a restored copy has proven a missing index. ``statements`` are
    those that matter: a missing index by which one of them costs half or less is proven too.
    """

    statistics_days: float = Field(ge=0, le=3650, strict=True)
    min_bytes: int = Field(ge=0, strict=True)
    advice_rows: int = Field(ge=1, strict=True)
    advice_scans: int = Field(ge=1, strict=True)
    proof_days: float = Field(default=8, gt=0, le=366, strict=True)
    statements: tuple[NamedStatement, ...] = Field(default=(), max_length=20)

    @field_validator("statements")
    @classmethod
    def _each_once(cls, value: tuple[NamedStatement, ...]) -> tuple[NamedStatement, ...]:
        names = [one.name for one in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"found {twice[0]} twice, expected a name of its own for each statement")
        return value


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
