"""What was looked at before the plan was applied and again after it, table by table. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from upkeep.core.findings import Finding, Level
from upkeep.report.model import RAN, Report

#: What the second look says of the first one's finding.
STILL, NEW, NOT_LOOKED, GONE = "still there", "new", "not looked at again", "gone"
_ORDER = (STILL, NEW, NOT_LOOKED, GONE)


@dataclass(frozen=True)
class Pair:
    """One finding before and after; ``name`` is the end of its key, None where a look did not see it."""

    name: str
    before: Finding | None
    after: Finding | None
    state: str


def pairs(report: Report) -> tuple[Pair, ...]:
    """Every finding that is not ok of a look that is repeated, what is still there first; else as it was found."""
    steps = {step.step: step for step in report.steps}
    found: list[Pair] = []
    for first, second in report.repeated.items():
        was, now = (_bad(steps[name].findings) for name in (first, second))
        # A second look that is unknown itself has not seen whether anything is gone.
        blind = steps[second].state != RAN or any(finding.level is Level.UNKNOWN for finding in now.values())
        for key in dict.fromkeys((*was, *now)):
            before, after = was.get(key), now.get(key)
            state = STILL if before and after else NEW if after else NOT_LOOKED if blind else GONE
            found.append(Pair(key.partition(":")[2] or key, before, after, state))
    return tuple(sorted(found, key=lambda pair: _ORDER.index(pair.state)))


def _bad(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.key: finding for finding in findings if finding.level is not Level.OK}
