"""What is new, worse, better or gone since each step last looked. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from upkeep.core.findings import Finding, Level
from upkeep.report.model import RAN, EarlierFinding, Report, StepResult

#: Levels that compare with each other; "unknown" is neither better nor worse than what is known.
_KNOWN = (Level.CRITICAL, Level.WARNING, Level.ADVISORY, Level.OK)


@dataclass(frozen=True)
class Changes:
    """The findings of now and of before, held against each other by key.

    ``gone`` pairs what was with what is now (None: no longer there), worst first; ``not_looked_at`` is what was seen
    before by a step, or a part of one, that could not look this time: nobody knows whether it is gone.
    """

    new: tuple[Finding, ...]
    worse: tuple[tuple[Finding, Level], ...]
    gone: tuple[tuple[EarlierFinding, Finding | None], ...]
    not_looked_at: tuple[EarlierFinding, ...]

    @property
    def gone_by_due(self) -> list[tuple[datetime, list[tuple[EarlierFinding, Finding | None]]]]:
        """What is gone by the window in which it was last seen, newest first."""
        dues = sorted({was.due for was, _ in self.gone}, reverse=True)
        return [(due, [pair for pair in self.gone if pair[0].due == due]) for due in dues]


def before(report: Report) -> dict[str, EarlierFinding]:
    """The earlier finding of each key; of several the worst.

    What a look before a plan saw is left out where there is a look after it: that one told how things were.
    """
    known = [earlier for earlier in report.earlier if earlier.step not in report.repeated]
    return {earlier.key: earlier for earlier in sorted(known, key=lambda one: -one.level.rank)}


def compare(report: Report) -> Changes:
    """Hold this window's findings against the earlier ones."""
    was = before(report)
    # The worst of a key comes last and stays.
    now = {finding.key: finding for finding in reversed(report.findings)}
    looked_at = _looked_at(report)
    gone, not_looked_at = [], []
    for key, earlier in sorted(was.items(), key=lambda item: (item[1].level.rank, item[0])):
        finding = now.get(key)
        if finding is None and not looked_at(earlier):
            not_looked_at.append(earlier)
        elif finding is None or finding.level is Level.OK or _better(finding.level, earlier.level):
            gone.append((earlier, finding))
    worse = [(f, was[f.key].level) for f in now.values() if f.key in was and _better(was[f.key].level, f.level)]
    return Changes(
        new=tuple(finding for finding, step in report.placed if report.is_new(finding, step)),
        worse=tuple(sorted(worse, key=lambda pair: (pair[0].level.rank, pair[0].key))),
        gone=tuple(gone),
        not_looked_at=tuple(not_looked_at),
    )


def _better(one: Level, other: Level) -> bool:
    return one in _KNOWN and other in _KNOWN and one.rank > other.rank


def _kind(key: str) -> str:
    return key.partition(":")[0]


def _looked_at(report: Report) -> Callable[[EarlierFinding], bool]:
    """Whether an earlier finding's step ran and did not say that it could not see findings of this kind."""
    steps: tuple[StepResult, ...] = report.steps
    if report.kind == "calendar":  # a manual window is never late: nobody looks
        steps = (*steps, report.own_step)
    ran = {step.step for step in steps if step.state == RAN}
    blind = {(step.step, _kind(finding.key)) for finding, step in report.placed if finding.level is Level.UNKNOWN}
    return lambda earlier: earlier.step in ran and (earlier.step, _kind(earlier.key)) not in blind
