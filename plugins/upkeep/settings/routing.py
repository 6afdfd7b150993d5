"""``config/routing.yaml``: who is told of what, through which channel, and when not (G114-G116)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from upkeep.core import cron
from upkeep.core.findings import Level
from upkeep.settings.base import ConnectionId, FrozenModel, Name
from upkeep.settings.values import Hours, HoursText, Zone

#: What a window's summary is routed as, beside the levels of trouble.
SUMMARY = "summary"
Told = Literal["critical", "unknown", "warning", "advisory", "summary"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ChannelKind(StrEnum):
    """How a channel is spoken to: Airflow's SMTP hook, Airflow's Slack webhook hook, or an apprise URL."""

    EMAIL = "email"
    SLACK = "slack"
    APPRISE = "apprise"


def _address(value: str) -> str:
    name, at, domain = value.rpartition("@")
    if not (name and at and domain) or not value.isascii() or not value.isprintable() or set(value) & set(" ,;<>\"'"):
        raise ValueError(f"found {value[:80]!r}, expected an e-mail address such as oncall@example.org")
    return value


class Channel(FrozenModel):
    """One way to reach people; ``brief`` is a message of at most 160 characters, as an SMS is."""

    kind: ChannelKind
    connection: ConnectionId
    to: tuple[Annotated[str, AfterValidator(_address)], ...] = ()
    brief: bool = False

    @model_validator(mode="after")
    def _recipients_of_mail_alone(self) -> Self:
        if self.to and self.kind is not ChannelKind.EMAIL:
            raise ValueError(f"found to for a channel of kind {self.kind}, expected it for kind email alone")
        return self


class _When(FrozenModel):
    """Targets, days and hours in a time zone; what is not given is any. Hours past midnight are the day before's."""

    model_config = FrozenModel.model_config | {"arbitrary_types_allowed": True}

    targets: tuple[str, ...] = ()
    days: tuple[Day, ...] = _DAYS
    hours: HoursText | None = None
    zone: Zone = ZoneInfo("UTC")

    def covers(self, now: datetime) -> bool:
        """Whether a moment lies in it."""
        local = now.astimezone(self.zone)
        today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
        if self.hours is None:
            return today in self.days
        start, end = self.hours
        clock = local.time().replace(tzinfo=None)
        if start < end:
            return today in self.days and start <= clock < end
        return (today in self.days and clock >= start) or (yesterday in self.days and clock < end)


class Route(_When):
    """Which levels of which targets go to a channel, and when; without targets, those of all."""

    channel: Name
    levels: tuple[Told, ...] = Field(min_length=1)

    def of(self, channel: str, target: str) -> bool:
        """Whether it is about this channel and target."""
        return self.channel == channel and (not self.targets or target in self.targets)


class QuietHours(_When):
    """When channels stay silent, for all levels or some; what is still true afterwards is told then."""

    channels: tuple[Name, ...] = ()
    levels: tuple[Told, ...] = ()
    reason: str = ""

    def silences(self, channel: str, target: str, level: str, now: datetime) -> bool:
        """Whether a message of this level waits."""
        return (
            (not self.channels or channel in self.channels)
            and (not self.targets or target in self.targets)
            and (not self.levels or level in self.levels)
            and self.covers(now)
        )


class Retry(FrozenModel):
    """How a message that a channel did not take is sent again: after a minute, twice as long each time, up to a limit.

    ``down_minutes`` is after how long other channels are told of one that takes nothing.
    """

    first_minutes: float = Field(gt=0, le=60, allow_inf_nan=False)
    most_minutes: float = Field(gt=0, le=24 * 60, allow_inf_nan=False)
    give_up_hours: float = Field(gt=0, le=24 * 30, allow_inf_nan=False)
    down_minutes: float = Field(ge=0, le=24 * 60, allow_inf_nan=False)
    timeout_seconds: float = Field(gt=0, le=60, allow_inf_nan=False)

    @field_validator("most_minutes")
    @classmethod
    def _not_sooner(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("first_minutes", 0):
            raise ValueError(f"found {value:g}, expected at least first_minutes ({info.data['first_minutes']:g})")
        return value

    def after(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts."""
        return timedelta(minutes=min(self.first_minutes * 2 ** min(attempts - 1, 30), self.most_minutes))


class Alertmanager(FrozenModel):
    """An Alertmanager that is told of all that is open; without another post an alert ends after ``hold_minutes``."""

    connection: ConnectionId
    hold_minutes: int = Field(default=30, ge=2, le=24 * 60, strict=True)


def _cron(value: str) -> str:
    try:
        cron.check(value)
    except ValueError as error:
        raise ValueError(f"found {value!r}: {error}") from None
    return value


class Routing(FrozenModel):
    """``config/routing.yaml``."""

    every: Annotated[str, AfterValidator(_cron)]
    channels: Mapping[Name, Channel]
    routes: tuple[Route, ...]
    quiet_hours: tuple[QuietHours, ...] = ()
    remind_minutes: Mapping[Literal["critical", "unknown", "warning", "advisory"], Annotated[int, Field(ge=1)]]
    most_at_once: int = Field(ge=1, le=20, strict=True)
    most_an_hour: int = Field(ge=1, le=100, strict=True)
    retry: Retry
    owners: Mapping[str, Name] = Field(default_factory=dict)
    owner: Name
    runbooks: Mapping[str, str] = Field(default_factory=dict)
    alertmanager: Alertmanager | None = None

    @field_validator("routes", "quiet_hours")
    @classmethod
    def _known_channels(
        cls, value: tuple[Route | QuietHours, ...], info: ValidationInfo
    ) -> tuple[Route | QuietHours, ...]:
        known = info.data.get("channels", {})
        for one in value:
            named = (one.channel,) if isinstance(one, Route) else one.channels
            if unknown := sorted(set(named) - set(known)):
                raise ValueError(f"found the channel {unknown[0]!r}, expected one of channels: {sorted(known)}")
        return value

    def problems(self, targets: Collection[str], roles: Collection[str]) -> list[str]:
        """What does not fit ``maintenance.yaml``, a sentence each."""
        said = []
        scoped: dict[str, tuple[_When, ...]] = {"routes": self.routes, "quiet_hours": self.quiet_hours}
        for name, ranges in scoped.items():
            for number, one in enumerate(ranges):
                if unknown := sorted(set(one.targets) - set(targets)):
                    said.append(f"{name}.{number}.targets: found {unknown[0]!r}, expected targets: {sorted(targets)}")
        for setting, role in (("owner", self.owner), *((f"owners.{of}", role) for of, role in self.owners.items())):
            if role not in roles:
                said.append(f"{setting}: found {role!r}, expected a name from roles: {sorted(roles)}")
        return [f"config/routing.yaml: {one}" for one in said]

    def wanted(self, channel: str, target: str) -> frozenset[str]:
        """The levels that a channel is for, whatever the hour."""
        return frozenset(level for route in self.routes if route.of(channel, target) for level in route.levels)

    def speaks(self, channel: str, target: str, level: Level | str, now: datetime) -> bool:
        """Whether a message of this level may be sent at this moment."""
        routed = any(route.of(channel, target) and level in route.levels and route.covers(now) for route in self.routes)
        return routed and not any(quiet.silences(channel, target, str(level), now) for quiet in self.quiet_hours)

    def reminder(self, level: Level) -> timedelta | None:
        """After how long it is said again; None: never."""
        minutes = {str(name): value for name, value in self.remind_minutes.items()}.get(level.value)
        return None if minutes is None else timedelta(minutes=minutes)

    def owner_of(self, groups: Iterable[str]) -> str:
        """The role that owns what the first known of these groups of steps looks at."""
        return next((self.owners[group] for group in groups if group in self.owners), self.owner)

    def runbook_of(self, key: str) -> str | None:
        """The document for a story: of the longest beginning of its key that has one."""
        found = [beginning for beginning in self.runbooks if key.startswith(beginning)]
        return self.runbooks[max(found, key=len)] if found else None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The channels, in the file's order."""
        return tuple(self.channels)


__all__ = ["SUMMARY", "Channel", "ChannelKind", "Hours", "QuietHours", "Retry", "Route", "Routing"]
