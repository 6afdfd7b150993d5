"""``config/exceptions.yaml``: findings that somebody has acknowledged, each with a reason, a name and a last day."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, field_validator

from upkeep.core.findings import Level
from upkeep.settings.base import FrozenModel

#: Characters of a reason and of a name: both stand in the detail of each finding that is acknowledged.
MOST_WORDS = 500


def _said(value: str) -> str:
    words = value.strip()
    if not words or len(words) > MOST_WORDS or not words.isprintable():
        raise ValueError(f"found {value[:80]!r}, expected a line of 1 to {MOST_WORDS} characters")
    return words


def _key(value: str) -> str:
    named = value.removesuffix("*")
    if not value.strip() or "*" in named or (named != value and ":" not in named):
        # A lone * would make every verdict green, and nobody would see what it hides.
        raise ValueError(
            f"found {value[:80]!r}, expected a finding's key, or the beginning of one with its first part and a * "
            "behind it, such as 'audit:rls_off:public.*'"
        )
    return value


class Acknowledgement(FrozenModel):
    """One finding, or all whose keys begin alike, that people know of and accept until the end of ``expires``, UTC.

    ``up_to`` is the worst level that is accepted: what gets worse than that comes back.

    Whether the day has come is asked when it is used: a file that was valid yesterday still loads.
    """

    key: Annotated[str, AfterValidator(_key)]
    reason: Annotated[str, AfterValidator(_said)]
    by: Annotated[str, AfterValidator(_said)]
    expires: date
    up_to: Level = Level.WARNING

    @field_validator("up_to")
    @classmethod
    def _a_level_that_is_accepted(cls, value: Level) -> Level:
        if value not in (Level.ADVISORY, Level.WARNING, Level.CRITICAL):
            raise ValueError(f"found {value.value!r}, expected advisory, warning or critical")
        return value

    def covers(self, key: str, level: Level) -> bool:
        """Whether it is about the finding of this key and no worse than accepted.

        A ``*`` stands for the rest of the key, also for none.
        """
        if level.rank < self.up_to.rank:
            return False
        if self.key.endswith("*"):
            return key.startswith(self.key[:-1])
        return key == self.key


class Exceptions(FrozenModel):
    """``config/exceptions.yaml``."""

    exceptions: tuple[Acknowledgement, ...]

    @field_validator("exceptions")
    @classmethod
    def _once_each(cls, value: tuple[Acknowledgement, ...]) -> tuple[Acknowledgement, ...]:
        keys = [one.key for one in value]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"found the key {twice[0]!r} twice, expected one entry for it: the later end would hold")
        return value
