"""``config/retention.yaml``: which rows of the target's logs are kept how long, and where they go (G61-G68).

A retention stands here and nowhere else. Where two classes hold the same row, the longer one keeps it: see
``Retention.outlasting``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from upkeep.settings.base import ConnectionId, FrozenModel, Name
from upkeep.settings.values import Folder, Identifier, TableName, TableText, WebAddress

#: The guide's five kinds of log.
LogType = Literal["application", "error", "audit", "performance", "security"]
#: The guide's item of each.
GUIDE: Mapping[LogType, str] = {
    "application": "G61",
    "error": "G62",
    "audit": "G63",
    "performance": "G64",
    "security": "G65",
}
#: Seven years, two leap days among them: what audit logs are kept at least.
AUDIT_DAYS = 2557

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
#: What a row must hold: each of these columns one of these values, as text.
Condition = Mapping[Identifier, Annotated[tuple[str, ...], Field(min_length=1)]]


def _https(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1"):
        raise ValueError(f"found {value!r}, expected https: the SAS is part of each request")
    return value.rstrip("/")


class Azure(FrozenModel):
    """A container of Azure Blob Storage; ``connection`` (type ``wasb``) holds the SAS that its requests are signed by.

    ``account`` is the Blob service's URL. Archives go below ``prefix``, into ``tier``, or that of the account.
    """

    account: Annotated[WebAddress, AfterValidator(_https)]
    container: str = Field(max_length=63, pattern=r"^[a-z0-9](-?[a-z0-9]){2,62}$")
    prefix: str = Field(default="", max_length=200, pattern=r"^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$")
    connection: ConnectionId
    tier: Literal["Hot", "Cool", "Cold"] | None = None

    @field_validator("tier", mode="before")
    @classmethod
    def _online(cls, value: object) -> object:
        if value == "Archive":
            raise ValueError(
                "found Archive, expected Hot, Cool or Cold: an object is read back before it counts as an archive; "
                "let a lifecycle rule of the account move it later"
            )
        return value

    @property
    def url(self) -> str:
        """The container's URL."""
        return f"{self.account}/{self.container}"

    @property
    def folder(self) -> str:
        """What names begin with."""
        return f"{self.prefix}/" if self.prefix else ""


class Location(FrozenModel):
    """Where archives go; with neither ``path`` nor ``azure`` it is not set up, and nothing is archived there.

    ``path`` is a local directory of the worker, or one that a share is mounted on.
    """

    title: str = Field(min_length=1, max_length=100)
    path: Folder | None = None
    azure: Azure | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.path and self.azure:
            raise ValueError(f"found path {str(self.path)!r} and azure, expected one of the two")
        return self

    @property
    def is_set_up(self) -> bool:
        """Whether archives can go there."""
        return self.path is not None or self.azure is not None


class LogClass(FrozenModel):
    """Rows that are kept for so many days; ``time`` is the column that says when a row came.

    ``delete`` lets the weekly plan delete rows that are due and in an archive, of a table that is partitioned by this
    time whole partitions; without it they stay.
    """

    type: LogType
    table: TableText
    time: Identifier
    days: int = Field(ge=1, le=36_500, strict=True)
    where: Condition = Field(default_factory=dict)
    location: Name
    delete: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _audit_is_kept(self) -> Self:
        if self.type == "audit" and self.delete:
            raise ValueError("found delete: true for an audit log, expected none: Upkeep never deletes these (G68)")
        if self.type == "audit" and self.days < AUDIT_DAYS:
            raise ValueError(
                f"found {self.days} days for an audit log, expected at least {AUDIT_DAYS}: seven years (G63, G68)"
            )
        return self

    @property
    def deletable(self) -> bool:
        """Audit logs are never deleted by Upkeep, however old they are (G68)."""
        return self.type != "audit"

    def meets(self, other: Condition) -> bool:
        """Whether a row can hold both conditions: no column of both may want values that have nothing in common."""
        both = set(self.where) & set(other)
        return all(set(self.where[column]) & set(other[column]) for column in both)


class Hold(FrozenModel):
    """A legal hold: no row of the class from ``start`` up to ``end`` is deleted while it stands here."""

    log: Name
    reason: Reason
    by: str = Field(min_length=1, max_length=100)
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"found start {self.start} and end {self.end}, expected the start first")
        return self


class Retention(FrozenModel):
    """``config/retention.yaml``; ``unmapped`` says of a kind of log that this deployment lacks why that is so.

    ``holds`` has no default: a section that was lost is not the same as no hold. ``batch_rows`` are deleted in one
    transaction at most.
    """

    locations: Mapping[Name, Location]
    classes: Mapping[Name, LogClass] = Field(min_length=1)
    unmapped: Mapping[LogType, Reason] = Field(default_factory=dict)
    holds: tuple[Hold, ...]
    batch_rows: int = Field(default=10_000, ge=1, le=10_000, strict=True)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for problem in (*self._unknown_names(), *self._twice(), *self._mapped_after_all(), *self._beside_audit()):
            raise ValueError(problem)
        return self

    @field_validator("classes")
    @classmethod
    def _one_time_a_table(cls, value: Mapping[Name, LogClass]) -> Mapping[Name, LogClass]:
        times: dict[TableName, str] = {}
        for name, one in value.items():
            if times.setdefault(one.table, one.time) != one.time:
                raise ValueError(
                    f"found {name}.time {one.time!r}, but {times[one.table]!r} in another class of {one.table}, "
                    "expected one column that says when a row came"
                )
        return value

    def _unknown_names(self) -> Iterable[str]:
        for name, one in self.classes.items():
            if one.location not in self.locations:
                yield f"found classes.{name}.location {one.location!r}, expected one of: {sorted(self.locations)}"
        for hold in self.holds:
            if hold.log not in self.classes:
                yield f"found a hold on {hold.log!r}, expected one of: {sorted(self.classes)}"

    def _twice(self) -> Iterable[str]:
        seen: dict[tuple[TableName, tuple[tuple[str, frozenset[str]], ...]], str] = {}
        for name, one in self.classes.items():
            rows = one.table, tuple(sorted((column, frozenset(values)) for column, values in one.where.items()))
            if rows in seen:
                yield f"found classes.{seen[rows]} and classes.{name} of the same rows of {one.table}, expected one"
            seen[rows] = name

    def _mapped_after_all(self) -> Iterable[str]:
        for kind in sorted({one.type for one in self.classes.values()} & set(self.unmapped)):
            yield f"found unmapped.{kind}, but a class of that type, expected one of the two"

    def _beside_audit(self) -> Iterable[str]:
        """DELETE is granted on a table, not on a class."""
        audited = {one.table for one in self.classes.values() if not one.deletable}
        for name, one in self.classes.items():
            if one.delete and one.table in audited:
                yield f"found classes.{name}.delete, but an audit log in {one.table} too, expected a table of its own"

    def of_table(self, table: TableName) -> dict[str, LogClass]:
        """The classes of a table, by name."""
        return {name: one for name, one in self.classes.items() if one.table == table}

    def outlasting(self, name: str) -> dict[str, LogClass]:
        """The classes that can hold rows of this one and keep them longer, or as long and stand before it.

        A row belongs to the class that keeps it longest; an audit log, which is never deleted, outlasts every other.
        """
        mine, order = self.classes[name], list(self.classes)
        return {
            other: one
            for other, one in self.of_table(mine.table).items()
            if other != name
            and one.meets(mine.where)
            and (not one.deletable, one.days, -order.index(other)) > (not mine.deletable, mine.days, -order.index(name))
        }

    def longest(self, table: TableName) -> int | None:
        """How many days some row of a table is kept at most; None when no class holds it."""
        return max((one.days for one in self.of_table(table).values()), default=None)
