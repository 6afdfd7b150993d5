"""Whether a deletion comes too early for some row, and which row shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from upkeep.settings.retention import Condition, LogClass, Retention
from upkeep.settings.values import TableName


@dataclass(frozen=True)
class Deletion:
    """What would be deleted: the rows of a table that hold ``where`` and are older than ``days``."""

    guide: str
    table: TableName
    time: str
    days: int
    where: Condition = field(default_factory=dict)


#: What the guide's own script deletes over REST, by table and age alone.
GUIDES = (
    Deletion("G66", TableName("public", "performance_alerts"), "created_at", 30),
    Deletion("G67", TableName("public", "error_logs"), "timestamp", 90),
)


@dataclass(frozen=True)
class TooEarly:
    """A row that a deletion would take although the class ``name`` keeps it: these values, so many days old."""

    name: str
    kept: LogClass
    values: Mapping[str, str]
    age_days: int

    def __str__(self) -> str:
        row = " and ".join([*(f"{column} {value!r}" for column, value in self.values.items()), "any other values"])
        age = f"{self.age_days} days"
        return f"a row with {row} that is {age} old: class {self.name} keeps it {self.kept.days} days"


def too_early(retention: Retention, deletion: Deletion) -> Iterator[TooEarly]:
    """A row for each class that keeps what a deletion would take; none when it takes nothing that is kept.

    An audit log is kept for ever, as far as Upkeep is concerned.
    """
    for name, kept in retention.of_table(deletion.table).items():
        if kept.meets(deletion.where) and (not kept.deletable or kept.days > deletion.days):
            yield TooEarly(name, kept, _values(deletion.where, kept.where), deletion.days + 1)


def _values(one: Condition, other: Condition) -> dict[str, str]:
    """The first value that both allow, of each column that one of them asks for."""
    return {
        column: next(value for value in one.get(column, other.get(column, ())) if value in other.get(column, (value,)))
        for column in sorted({*one, *other})
    }
