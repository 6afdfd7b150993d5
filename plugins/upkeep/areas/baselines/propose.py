"""Baselines from history (G26), inside hard bounds, as actions for people to approve.

The method. A subject's values of the last calendar's daily windows are taken as distances from its best value. The
baseline is their median; its upper end (the lower one, where low values are bad) is as far as an ordinary day reaches
(``robust``, where the sources stand). Both have three significant digits, the end rounded away from the best. The
calendar's daily windows come at one hour, so there is no profile of hours; there is one of weekdays where each has
``weekday_windows`` values, they differ by more than chance (Kruskal and Wallis at 1 %), and one is at least
``least_change_percent`` from the whole.

Nothing is proposed from fewer windows than ``least_windows``, for a move of less than ``least_change_percent``, or
beyond the bounds: what is slow is to be mended, a baseline does not excuse it. Changes count as seen from the best
value, below a fifth of the guide's good range as if from there.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from upkeep.areas import versioned
from upkeep.areas.baselines.force import KIND, Baseline, BaselinesInForce, NormalRange, in_force, outside, statement
from upkeep.areas.baselines.subjects import Subject, samples, subjects
from upkeep.core import statistics as robust
from upkeep.core.findings import Level
from upkeep.gate.plans.model import Action, Proposal
from upkeep.ledger.read import daily_values
from upkeep.settings.load import Settings
from upkeep.settings.thresholds import Thresholds
from upkeep.wires.database import Session

_DIGITS = 3

#: (due, value) of the calendar's daily windows, oldest first.
Points = Sequence[tuple[datetime, float]]
History = Mapping[str, Points]


def history(session: Session, target: str, config: Thresholds, now: datetime) -> dict[str, Points]:
    """Subject → its values in the calendar's daily windows of the last ``history_days``."""
    known, since = subjects(config), now - timedelta(days=config.baselines.history_days)
    values = daily_values(session, target, samples(known), since, now)
    return {name: values.get(subject.sample, []) for name, subject in known.items()}


@dataclass(frozen=True)
class BaselineCandidate:
    """What a subject's history makes of its baseline.

    ``seen`` is what it says is ordinary, None where it is not enough; ``proposed`` that, where people are to be asked,
    else None and ``why``. ``points`` are the values that such a subject can have, ``moved`` is by how many percent it
    is worse than what is in force.
    """

    subject: Subject
    points: Points
    seen: Baseline | None = None
    proposed: Baseline | None = None
    why: str = ""
    mad: float = 0.0
    moved: float = 0.0

    @property
    def windows(self) -> int:
        """How many windows have a value."""
        return len(self.points)


def candidate(subject: Subject, points: Points, standing: Baseline | None, config: Thresholds) -> BaselineCandidate:
    """A baseline for one subject from its history; values that it cannot have are left out. Pure."""
    usable = [(due, value) for due, value in points if subject.judge(value) is not Level.UNKNOWN]
    count, least = len(usable), config.baselines.least_windows
    if count < least:
        why = f"{count} of {least} daily windows; {least - count} more needed"
        return BaselineCandidate(subject, usable, why=why)
    distances = [subject.distance(value) for _, value in usable]
    usual = _usual(subject, distances)
    seen = Baseline(subject.name, count, usual, _weekdays(subject, usable, usual, config))
    mad = float(f"{robust.ordinary(distances).mad:.4g}")
    moved = _moved(subject, standing, seen)
    worse = subject.change(standing.usual.value, usual.value) if standing else 0.0
    why = ""
    if said := outside(seen, subject, config):
        why = f"history asks for {said} (config/thresholds.yaml: {subject.setting})"
    elif moved < config.baselines.least_change_percent:
        why = f"history would move it by {moved:.0f} %, less than {config.baselines.least_change_percent:g} %"
    return BaselineCandidate(subject, usable, seen, None if why else seen, why, mad, worse)


def _usual(subject: Subject, distances: Sequence[float]) -> NormalRange:
    days = robust.ordinary(distances)
    middle = robust.rounded(days.median, _DIGITS, up=False)
    return NormalRange(subject.value(middle), subject.value(max(middle, robust.rounded(days.upper, _DIGITS, up=True))))


def _weekdays(subject: Subject, points: Points, usual: NormalRange, config: Thresholds) -> tuple[NormalRange, ...]:
    """A pair for each weekday from Monday on; none where they are too few, or do not differ."""
    days: list[list[float]] = [[] for _ in range(7)]
    for due, value in points:
        days[due.astimezone(UTC).weekday()].append(subject.distance(value))
    if min(len(day) for day in days) < config.baselines.weekday_windows or not robust.weekdays_differ(days):
        return ()
    furthest = max(abs(subject.change(usual.value, subject.value(statistics.median(day)))) for day in days)
    return tuple(_usual(subject, day) for day in days) if furthest >= config.baselines.least_change_percent else ()


def _moved(subject: Subject, old: Baseline | None, new: Baseline) -> float:
    """By how many percent the number of a baseline that moves furthest is to move; 100 to or from a profile."""
    if old is None or len(old.weekdays) != len(new.weekdays):
        return 100.0
    return max(
        abs(subject.change(was, becomes))
        for before, after in zip(old.pairs, new.pairs, strict=True)
        for was, becomes in zip(before, after, strict=True)
    )


def candidates(values: History, now: BaselinesInForce, config: Thresholds) -> list[BaselineCandidate]:
    """Of each subject, in config's order. Pure."""
    found = []
    for name, subject in subjects(config).items():
        version = now.of(name)
        found.append(candidate(subject, values.get(name, ()), version.baseline if version else None, config))
    return found


def propose(values: History, now: BaselinesInForce, config: Thresholds, roles: tuple[str, ...]) -> list[Proposal]:
    """An action for each subject whose history asks for another baseline than the one in force. Pure."""
    return [_proposal(one, now, roles) for one in candidates(values, now, config) if one.proposed]


def _proposal(one: BaselineCandidate, now: BaselinesInForce, roles: tuple[str, ...]) -> Proposal:
    subject, version = one.subject, now.of(one.subject.name)
    old = statement(version.baseline, subject) if version else ""
    new = statement(one.proposed, subject) if one.proposed else ""
    ends = f"its {subject.end} end is their {robust.QUANTILE:g} quantile or three robust deviations from the median"
    because, number = f"the median of its daily windows; {ends}, whichever is further", version.number if version else 0
    action = versioned.action(KIND, now.target, subject.name, new, old, number, roles, because)
    seen: dict[str, int | float] = {"windows": one.windows, "MAD": one.mad}
    if version:
        seen["percent worse than what is in force"] = round(one.moved, 1)
    return Proposal(action, seen)


def proposals_from_ledger(
    session: Session, target: str, settings: Settings, taken: Iterable[Action], now: datetime
) -> list[Proposal]:
    """What the plan of a window may propose; ``taken`` are actions that another plan in force still has to do."""
    config = settings.thresholds
    standing = in_force(session, config, target)
    values = history(session, target, config, now)
    proposed = propose(values, standing, config, settings.maintenance.approval.roles_of(KIND))
    return versioned.not_planned(proposed, KIND, taken)
