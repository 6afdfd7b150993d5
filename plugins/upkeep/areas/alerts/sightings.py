"""What was seen of a target, when and by which step: by its windows, and by the watch between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.core.findings import Finding, Level
from upkeep.core.units import span, utc
from upkeep.ledger import acknowledgements
from upkeep.settings.load import Settings
from upkeep.settings.watch import Watch
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: What the watch sees belongs to the group health.
WATCH_STEP = "health.watch"
#: So many polls without a sample and the watch is silent.
SILENT_POLLS = 10
#: The look at the calendar is taken anew here.
_CALENDAR_STEP = "due_windows"


@dataclass(frozen=True)
class Where:
    """Where a finding was seen: the step, and the run whose report shows it."""

    step: str
    dag_id: str
    run_id: str
    at: datetime

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of steps around it, the innermost first."""
        return tuple(reversed(self.step.split(".")[:-1]))

    @property
    def name(self) -> str:
        """The step's own name."""
        return self.step.rpartition(".")[2]


Placed = tuple[Finding, Where, str]


@dataclass(frozen=True)
class Sightings:
    """Each finding of a target once, and since when the watch sees those that are its own."""

    placed: tuple[Placed, ...]
    since: dict[str, datetime]


def sightings(session: Session, config: Settings, target: str, after: datetime, now: datetime) -> Sightings:
    """What windows later than ``after`` saw last, and what the watch says by now."""
    asked = {"target": target, "after": after}
    standing = session.rows(queries.load("watch/standing"), {"target": target})
    windows = [
        *_ledger(session.rows(queries.load("alerts/newest_findings"), asked)),
        *_died(session.rows(queries.load("alerts/died"), asked)),
    ]
    placed = _together(windows, _watched(standing, config, now), config.maintenance.watch)
    watched = {finding.key for finding, where, _ in placed if where.step == WATCH_STEP}
    return Sightings(tuple(placed), {row["key"]: row["since"] for row in standing if row["key"] in watched})


def _ledger(rows: Iterable[Row]) -> Iterator[Placed]:
    """Rows of the ledger as findings; of a look that was repeated after the plan only the second one counts."""
    looked = list(rows)
    last: dict[tuple[str, str], datetime] = {(row["cadence"], row["step"]): row["due"] for row in looked}
    for row in looked:
        again = last.get((row["cadence"], f"after.{row['step'].removeprefix('evidence.')}"))
        repeated = row["step"].startswith("evidence.") and again is not None and again >= row["due"]
        where = Where(row["step"], row["dag_id"], row["run_id"], row["started_at"])
        if row["key"] is None or repeated or where.name == _CALENDAR_STEP:
            continue
        told = {name: row[name] for name in ("key", "subject", "detail", "expected", "remedy", "guide", "metadata")}
        yield Finding(level=Level(row["level"]), **told), where, row["source"]


def _died(rows: Iterable[Row]) -> Iterator[Placed]:
    """Steps whose process was ended before they could write anything."""
    for row in rows:
        finding = Finding(
            f"step:{row['step']}",
            Level.UNKNOWN,
            row["title"] or row["step"],
            f"failed: {row['reason'] or 'no reason was recorded'}",
            remedy=f"Open the log of task {row['step']}, fix the cause, then clear the task.",
        )
        yield finding, Where(row["step"], row["dag_id"], row["run_id"], row["made_at"]), row["source"] or ""


def _watched(rows: Sequence[Row], config: Settings, now: datetime) -> Iterator[Placed]:
    """What the watch says by now, and that it is silent, where it has stopped.

    What it no longer looks at, such as a function that config does not name any more, it says nothing of.
    """
    patience = _silence(config.maintenance.watch)
    newest = max((row["last"] for row in rows), default=None)
    if newest is None:
        return
    if now - newest > patience:
        finding = Finding(
            "watch:silent",
            Level.UNKNOWN,
            "The watch is silent",
            f"its last sample is of {utc(newest)}, {span(now - newest)} ago: what was between is not known",
            f"a sample every {config.maintenance.watch.every_seconds} s",
            "See whether Airflow's triggerer runs and reaches the ledger.",
        )
        yield finding, Where(WATCH_STEP, "", "", newest), ""
    if newest - now > patience:
        finding = Finding(
            "watch:ahead",
            Level.UNKNOWN,
            "The watch's clock was ahead",
            f"its last sample is of {utc(newest)}, in {span(newest - now)}: until then no sample changes what it says",
            "samples of the past",
            "Set the clock of the triggerer's machine.",
        )
        yield finding, Where(WATCH_STEP, "", "", now), ""
    for row in rows:
        if newest - row["last"] > patience:
            continue
        said = {name: row[name] for name in ("key", "subject", "expected", "remedy", "guide")}
        plan = f"during plan {row['during']}: " if row["during"] else ""
        level = Level(row["level"])
        finding = Finding(level=level, detail=plan + row["detail"], **said)
        (accepted,) = acknowledgements.with_acknowledgements((finding,), config.exceptions, now)
        yield accepted, Where(WATCH_STEP, "", "", row["last"]), row["source"]


def _silence(watch: Watch) -> timedelta:
    return SILENT_POLLS * timedelta(seconds=watch.every_seconds)


def _together(windows: Iterable[Placed], watched: Iterable[Placed], watch: Watch) -> list[Placed]:
    """Each key once: of windows, of which two cadences may look for it, what was seen last; then the watch's word."""
    found: dict[str, Placed] = {}
    for one in windows:
        before = found.get(one[0].key)
        if before is None or one[1].at >= before[1].at:
            found[one[0].key] = one
    for one in watched:
        before = found.get(one[0].key)
        if before is None or _outweighs(one, before, watch):
            found[one[0].key] = one
    return list(found.values())


def _outweighs(watched: Placed, window: Placed, watch: Watch) -> bool:
    """Whether the watch's word counts, which follows what is so by several samples, or a window's single look.

    What a window sees that is worse is told at once and counts until the watch has had the time to see it too; that
    something is better the watch alone decides: a good moment amid bad ones is no recovery. A watch that has been
    silent is overtaken by any look since.
    """
    later = watched[1].at - window[1].at
    if window[0].level.rank < watched[0].level.rank:
        return later > (watch.samples + 1) * timedelta(seconds=watch.every_seconds)
    return later > -_silence(watch)
