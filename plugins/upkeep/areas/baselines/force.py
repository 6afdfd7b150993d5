"""Which baselines a target is judged by: the newest version of each subject that verifies, or none.

A row of ``upkeep.baselines`` is worth what its decisions are worth. Each time it is read, what is behind it must verify
(``proofs``), and it must lie inside config's bounds as they are now. One that fails is ignored and told, and the newest
one before it that verifies counts; without any, the guide's number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from upkeep.areas.baselines.subjects import Subject, subjects
from upkeep.gate import proofs
from upkeep.ledger.versions import of_this_version
from upkeep.settings.load import settings
from upkeep.settings.thresholds import Thresholds
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

KIND = "baselines"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,4})?"
_STATEMENT = re.compile(
    rf"baseline of ([^:]+): ({_NUMBER}) \S+ "
    rf"\(median of ([1-9][0-9]{{0,3}}) windows, (?:upper|lower) ({_NUMBER}) \S+\)(?:; (.+))?"
)
_DAY = re.compile(rf"[A-Z][a-z]+ ({_NUMBER}) \((?:upper|lower) ({_NUMBER})\)")


class UnknownSubject(ValueError):
    """A baseline of something that config does not know any more."""


class NormalRange(NamedTuple):
    """What is ordinary: the median, and as far as an ordinary day reaches."""

    value: float
    upper: float


@dataclass(frozen=True)
class Baseline:
    """What people approve. ``weekdays`` has a pair for each day from Monday on, or none."""

    subject: str
    windows: int
    usual: NormalRange
    weekdays: tuple[NormalRange, ...] = ()

    def at(self, moment: datetime) -> NormalRange:
        """What is ordinary on the weekday of a moment, UTC."""
        return self.weekdays[moment.astimezone(UTC).weekday()] if self.weekdays else self.usual

    @property
    def pairs(self) -> tuple[NormalRange, ...]:
        """All that it says is ordinary."""
        return (self.usual, *self.weekdays)


@dataclass(frozen=True)
class Version:
    """A version that verifies; ``since`` is when it was put in force."""

    number: int
    baseline: Baseline
    since: datetime
    people: tuple[str, ...]
    approved_at: datetime

    @property
    def words(self) -> str:
        """The version and who approved it, for people."""
        return f"version {self.number}, approved by {' and '.join(self.people)} on {self.approved_at:%Y-%m-%d}"


class IgnoredBaseline(NamedTuple):
    """A row that does not count, and why; ``gone``: people did approve it, and config knows its subject no more."""

    version: int
    subject: str
    why: str
    gone: bool


@dataclass(frozen=True)
class BaselinesInForce:
    """Of each subject with a baseline its versions that verify, newest first; the first one is in force."""

    target: str
    versions: Mapping[str, tuple[Version, ...]]
    ignored: tuple[IgnoredBaseline, ...] = ()

    def of(self, subject: str) -> Version | None:
        """What is in force for a subject, None when nothing is."""
        found = self.versions.get(subject, ())
        return found[0] if found else None


# The statement: what people approve is what is stored and what is applied ----------------------------------------


def statement(baseline: Baseline, subject: Subject) -> str:
    """The one way to write it: ``baseline of trust-scorer latency: 112 ms (median of 42 windows, upper 165 ms)``.

    With a profile each weekday follows: ``; Monday 110 (upper 160), Tuesday …``.
    """
    usual, unit = baseline.usual, subject.unit
    days = ", ".join(
        f"{name} {_text(day.value)} ({subject.end} {_text(day.upper)})"
        for name, day in zip(WEEKDAYS, baseline.weekdays, strict=False)
    )
    return (
        f"baseline of {baseline.subject}: {_text(usual.value)} {unit} (median of {baseline.windows} windows, "
        f"{subject.end} {_text(usual.upper)} {unit})" + (f"; {days}" if days else "")
    )


def _text(value: float) -> str:
    return f"{value:.15g}"


def parse(text: str, config: Thresholds) -> Baseline:
    """The baseline of a statement. Raises ValueError unless it is written as above and config allows it.

    Raises UnknownSubject when it is about something that config does not know.
    """
    match = _STATEMENT.fullmatch(text)
    if not match:
        raise ValueError(
            f"found {text[:200]!r}, expected a baseline as 'baseline of x: 1 ms (median of 30 windows, …)'"
        )
    name, value, windows, upper, days = match.groups()
    subject = subjects(config).get(name)
    if subject is None:
        raise UnknownSubject(f"found a baseline of {name!r}, expected one of what config/thresholds.yaml knows")
    pairs = [_DAY.fullmatch(day) for day in days.split(", ")] if days else []
    weekdays = tuple(NormalRange(float(pair[1]), float(pair[2])) for pair in pairs if pair)
    baseline = Baseline(name, int(windows), NormalRange(float(value), float(upper)), weekdays)
    if len(weekdays) not in (0, len(WEEKDAYS)) or statement(baseline, subject) != text:
        raise ValueError(f"found {text[:200]!r}, expected it written as {statement(baseline, subject)!r}")
    if why := outside(baseline, subject, config):
        raise ValueError(f"found {why} (config/thresholds.yaml: {subject.setting})")
    return baseline


def outside(baseline: Baseline, subject: Subject, config: Thresholds) -> str:
    """What config does not allow about a baseline, as a sentence part; empty when it does."""
    for value, upper in baseline.pairs:
        if subject.distance(upper) < subject.distance(value) or subject.judge(upper).value == "unknown":
            return f"{value:g} {subject.unit} with the {subject.end} end {upper:g}, which cannot be"
    if subject.function:
        upper, percent = max(pair.upper for pair in baseline.pairs), config.baselines.tolerance_percent
        reached = upper * percent / 100
        if reached > subject.most:
            return (
                f"an upper end of {upper:g} ms, which with {percent:g} % lets it reach {reached:g} ms, "
                f"expected at most {subject.most:g} ms"
            )
        return ""
    for value, _ in baseline.pairs:
        if subject.distance(value) > subject.distance(subject.most):
            return f"{value:g} {subject.unit}, expected an ordinary value no worse than {subject.most:g} {subject.unit}"
    return ""


# What is in force ------------------------------------------------------------------------------------------------


def in_force(
    session: Session, config: Thresholds, target: str, back_to: datetime | None = None, only: str = ""
) -> BaselinesInForce:
    """The baselines of a target, or of ``only`` one subject of it; ``config`` is what the files say.

    With ``back_to`` also the versions before, back to the one that was in force at that moment.
    """
    found: dict[str, list[Version]] = {}
    ignored: list[IgnoredBaseline] = []
    for row in session.rows(queries.load("baselines/baselines"), {"target": target, "only": only}):
        known = found.setdefault(row["subject"], [])
        if known and (back_to is None or known[-1].since <= back_to):
            continue
        try:
            known.append(_verified(session, row, config, target))
        except ValueError as why:
            if not known:  # what was replaced since judges nothing
                ignored.append(
                    IgnoredBaseline(row["version"], row["subject"], str(why), isinstance(why, UnknownSubject))
                )
    versions = {subject: tuple(mine) for subject, mine in found.items() if mine}
    return BaselinesInForce(target, versions, tuple(ignored))


def baselines_in_force(session: Session, target: str, back_to: datetime | None = None) -> BaselinesInForce:
    """The baselines that a target is judged by now; ``session`` is on the ledger, which must be of this version."""
    with of_this_version("upkeep.baselines"):
        return in_force(session, settings().thresholds, target, back_to)


def _verified(session: Session, row: Row, config: Thresholds, target: str) -> Version:
    """A row's baseline with the people behind it. Raises ValueError saying why it does not verify."""
    claim = proofs.Claim(KIND, target, row["subject"], row["statement"])
    decisions = proofs.decisions_behind(session, row, claim)
    baseline = parse(row["statement"], config)
    if baseline.subject != row["subject"]:
        raise ValueError(f"found a baseline of {baseline.subject}, expected one of {row['subject']}")
    return Version(
        number=row["version"],
        baseline=baseline,
        since=row["in_force_from"],
        people=tuple(decision.person for decision in decisions),
        approved_at=max(decision.responded_at for decision in decisions).astimezone(UTC),
    )
