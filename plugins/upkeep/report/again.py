"""What was looked at before the plan was applied and again after it, table by table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from upkeep.core.findings import Finding, Level
from upkeep.core.units import number, size
from upkeep.gate.attempts import DONE
from upkeep.report.gate import ActionResult
from upkeep.report.model import RAN, Report

#: What the second look says of the first one's finding.
STILL, NEW, NOT_LOOKED, GONE = "still there", "new", "not looked at again", "gone"
_ORDER = (STILL, NEW, NOT_LOOKED, GONE)


@dataclass(frozen=True)
class Pair:
    """One finding before and after, None where a look did not see it; ``name`` is the end of its key.

    ``measured`` is how what was done has changed the thing of that name; empty where nothing was done, or measured.
    """

    name: str
    before: Finding | None
    after: Finding | None
    state: str
    measured: str = ""


def pairs(report: Report) -> tuple[Pair, ...]:
    """Every finding that is not ok of a look that is repeated, what is still there first; else as it was found."""
    steps = {step.step: step for step in report.steps}
    measured = _measured(report.gate.actions if report.gate else ())
    found: list[Pair] = []
    for first, second in report.repeated.items():
        was, now = (_bad(steps[name].findings) for name in (first, second))
        # A second look that is unknown itself has not seen whether anything is gone.
        blind = steps[second].state != RAN or any(finding.level is Level.UNKNOWN for finding in now.values())
        for key in dict.fromkeys((*was, *now)):
            before, after = was.get(key), now.get(key)
            state = STILL if before and after else NEW if after else NOT_LOOKED if blind else GONE
            name = key.partition(":")[2] or key
            found.append(Pair(name, before, after, state, measured.get(name, "")))
    return tuple(sorted(found, key=lambda pair: _ORDER.index(pair.state)))


def _measured(actions: Iterable[ActionResult]) -> dict[str, str]:
    """What was changed → what was measured just before and just after."""
    found = {}
    for became in actions:
        if became.state == DONE and (said := change(became)):
            found[f"{became.action.schema}.{became.action.table}"] = said
    return found


def change(became: ActionResult) -> str:
    """``dead rows 67.7 % → 0 %``, or the size that was given back; empty where neither was measured."""
    if became.freed_bytes is not None:
        return f"size {size(became.freed_bytes)} → 0"
    before, after = (became.receipt.before, became.receipt.after) if became.receipt else ({}, {})
    shares = _share(before), _share(after)
    if shares[0] is None or shares[1] is None:
        return ""
    return f"dead rows {number(round(shares[0], 1))} % → {number(round(shares[1], 1))} %"


def _share(seen: Mapping[str, Any]) -> float | None:
    """How much of a table's rows is dead, in percent."""
    dead, live = seen.get("dead_rows"), seen.get("live_rows")
    return None if dead is None or live is None else 100 * dead / ((dead + live) or 1)


def _bad(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.key: finding for finding in findings if finding.level is not Level.OK}
