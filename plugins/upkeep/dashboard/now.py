"""What is so now, of the targets that a visitor may read: troubles by cause, the last looks, the six metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from upkeep.areas.alerts import store
from upkeep.areas.alerts.episodes import Alert, Trouble
from upkeep.areas.alerts.troubles import current
from upkeep.areas.calendar.due import GRACE, Reconciliation
from upkeep.areas.calendar.look import SKEW
from upkeep.areas.calendar.reconcile import read_known
from upkeep.core.findings import Level, worst
from upkeep.core.text import anchor
from upkeep.core.units import number, title
from upkeep.settings.base import METRICS
from upkeep.settings.load import Settings, dag_name
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: Since when an open finding is so, in columns: younger than this, and what the column is called.
AGES = (
    (timedelta(days=1), "under a day"),
    (timedelta(days=7), "1 to 7 days"),
    (timedelta(days=30), "7 to 30 days"),
    (timedelta.max, "older"),
)
#: A story that began within this counts as new.
NEW = timedelta(days=7)


def story_anchor(target: str, key: str) -> str:
    """The place of a story on the page of findings."""
    return anchor(f"{target}\n{key}")


@dataclass(frozen=True)
class OpenStory:
    """A trouble and, where somebody knows of it, the alert that says so; ``alert`` is None before it was judged."""

    trouble: Trouble
    alert: Alert | None
    now: datetime

    @cached_property
    def silent(self) -> bool:
        """Whether somebody has acknowledged it, at least as bad as it is now."""
        return self.alert is not None and replace(self.alert, trouble=self.trouble).silent(self.now)

    @cached_property
    def anchor(self) -> str:
        """Its place on the page of findings."""
        return story_anchor(self.trouble.target, self.trouble.key)

    @property
    def age(self) -> timedelta:
        """How long it has been so."""
        return max(self.now - self.trouble.since, timedelta())

    @property
    def new(self) -> bool:
        """Whether it began within the week."""
        return self.age < NEW


@dataclass(frozen=True)
class Picture:
    """Every story of the visitor's targets, worst first, and the calendar; None where the clocks disagree."""

    stories: tuple[OpenStory, ...]
    calendar: Reconciliation | None
    now: datetime

    @cached_property
    def loud(self) -> list[OpenStory]:
        """Those that nobody has acknowledged."""
        return [story for story in self.stories if not story.silent]


def calendar(session: Session, config: Settings, now: datetime) -> Reconciliation | None:
    """The calendar as of now, nothing written; None where this host's clock and the ledger's are too far apart."""
    there: datetime = session.row(queries.load("setup/clock"))["at"]
    return read_known(session).compare(config, now) if abs(there - datetime.now(UTC)) <= SKEW else None


def picture(session: Session, config: Settings, targets: Sequence[str], now: datetime) -> Picture:
    """Work out what is so now, as the alerts do, without writing anything."""
    found = calendar(session, config, now)
    alerts = {
        (alert.trouble.target, alert.trouble.key): alert for alert in store.known(session) if alert.ended_at is None
    }
    stories = [
        _story(trouble, alerts, now)
        for trouble in current(session, config, found, now)
        if not trouble.target or trouble.target in targets
    ]
    stories.sort(key=lambda one: (one.trouble.level.rank, one.trouble.since, one.trouble.target, one.trouble.key))
    return Picture(tuple(stories), found, now)


def _story(trouble: Trouble, alerts: Mapping[tuple[str, str], Alert], now: datetime) -> OpenStory:
    alert = alerts.get((trouble.target, trouble.key))
    if alert is not None and alert.trouble.since < trouble.since:
        trouble = replace(trouble, since=alert.trouble.since)  # it was so before under another key
    return OpenStory(trouble, alert, now)


@dataclass(frozen=True)
class Metric:
    """The newest sample of one of the guide's six metrics; ``stale``: older than the last window that took one."""

    name: str
    value: str
    level: Level
    taken_at: datetime | None
    stale: bool


@dataclass(frozen=True)
class Drill:
    """The newest drill that has proven a backup: when, in which run, what it measured, and how much that may be.

    ``missing`` and ``canary``, the age of the newest row, are None where they were not measured, ``limits`` where
    config says nothing (RTO, RPO); ``stale``: older than the last monthly window.
    """

    at: datetime
    dag_id: str
    run_id: str
    took: timedelta
    missing: timedelta | None
    canary: timedelta | None
    limits: tuple[timedelta, timedelta] | None
    stale: bool

    @property
    def slow(self) -> bool:
        """Whether either is above what config allows now."""
        return self.limits is not None and (
            self.took > self.limits[0] or (self.missing is not None and self.missing > self.limits[1])
        )


@dataclass(frozen=True)
class TargetState:
    """One target: what is so, when it was looked at last; ``stale``: not since it was to be.

    ``restores`` is whether config says that backups are restored, ``drill`` None before one has proven a backup.
    """

    name: str
    title: str
    dag_id: str
    level: Level
    worst: OpenStory | None
    stories: tuple[OpenStory, ...]
    looked_at: datetime | None
    report: tuple[str, str] | None
    stale: bool
    metrics: tuple[Metric, ...]
    restores: bool
    drill: Drill | None

    @property
    def others(self) -> int:
        """How many stories there are beside the worst."""
        return max(len(self.stories) - 1, 0)


def states(session: Session, config: Settings, targets: Sequence[str], seen: Picture) -> list[TargetState]:
    """The state of each target. One that was not looked at when it was to be is not ok, whatever was seen before."""
    asked = {"targets": list(targets)}
    daily = session.rows(queries.load("dashboard/newest_reports"), asked | {"cadence": "daily"})
    reports = {row["target"]: row for row in daily}
    metrics = session.rows(queries.load("ledger/newest_metrics"), asked | {"metrics": list(METRICS)})
    drills = {row["target"]: row for row in session.rows(queries.load("backups/last_proven"), asked)}
    return [
        replace(_state(config, target, seen, reports, metrics), drill=_drill(config, drills.get(target), seen.now))
        for target in targets
    ]


def _drill(config: Settings, row: Row | None, now: datetime) -> Drill | None:
    if row is None:
        return None
    target, missing, canary = row["target"], row["recovery_point"], row["canary_age"]
    backups = config.target(target).backups
    allowed = backups.restore if backups else None
    monthly = config.maintenance.cadences(target)["monthly"]
    return Drill(
        at=row["at"],
        dag_id=row["dag_id"],
        run_id=row["run_id"],
        took=timedelta(seconds=row["recovery_time"]),
        missing=None if missing is None else timedelta(seconds=missing),
        canary=None if canary is None else timedelta(seconds=canary),
        limits=(timedelta(minutes=allowed.max_rto_minutes), timedelta(minutes=allowed.max_rpo_minutes))
        if allowed
        else None,
        stale=row["at"] < monthly.at_or_before(now - monthly.length - GRACE),
    )


def _state(
    config: Settings, target: str, seen: Picture, reports: Mapping[str, Row], metrics: Iterable[Row]
) -> TargetState:
    daily = config.maintenance.cadences(target)["daily"]
    expected = daily.at_or_before(seen.now - daily.length - GRACE)
    newest = reports.get(target)
    stale = newest is None or newest["made_at"] < expected
    stories = tuple(one for one in seen.loud if one.trouble.target == target)
    levels = [one.trouble.level for one in stories] + [Level.UNKNOWN if stale else Level.OK]
    return TargetState(
        name=target,
        title=config.maintenance.targets[target].title,
        dag_id=dag_name("maintenance_daily", target, config.targets),
        level=worst(levels),
        worst=stories[0] if stories else None,
        stories=stories,
        looked_at=newest["made_at"] if newest else None,
        report=(newest["dag_id"], newest["run_id"]) if newest else None,
        stale=stale,
        metrics=tuple(_metrics(config, target, metrics, expected)),
        restores=bool((backups := config.target(target).backups) and backups.restore),
        drill=None,
    )


def _metrics(config: Settings, target: str, rows: Iterable[Row], expected: datetime) -> Iterator[Metric]:
    found = {row["metric"]: row for row in rows if row["target"] == target}
    for name in METRICS:
        row = found.get(name)
        if row is None:
            yield Metric(title(name), "–", Level.UNKNOWN, None, stale=True)
        else:
            level = Level(row["level"] or Level.UNKNOWN)
            value = f"{number(row['value'])} {config.thresholds.metrics[name].unit}"
            yield Metric(title(name), value, level, row["taken_at"], row["taken_at"] < expected)


@dataclass(frozen=True)
class OwnerRow:
    """Open findings of one owner: by age the number of findings and the worst level among them, and all of them."""

    owner: str
    ages: tuple[tuple[int, Level], ...]
    total: int


def by_owner(stories: Iterable[OpenStory]) -> list[OwnerRow]:
    """Open findings by owner and age; who has most stands first."""
    owners: dict[str, list[OpenStory]] = {}
    for story in stories:
        owners.setdefault(story.trouble.owner, []).append(story)
    rows = [
        OwnerRow(owner, tuple(_aged(mine)), sum(one.trouble.findings for one in mine)) for owner, mine in owners.items()
    ]
    return sorted(rows, key=lambda row: (-row.total, row.owner))


def _aged(stories: Sequence[OpenStory]) -> Iterator[tuple[int, Level]]:
    youngest = timedelta(-1)
    for oldest, _ in AGES:
        within = [one for one in stories if youngest <= one.age < oldest]
        yield sum(one.trouble.findings for one in within), worst([one.trouble.level for one in within] or [Level.OK])
        youngest = oldest
