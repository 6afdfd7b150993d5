"""What a window has collected for each of the guide's monthly tasks, and its digest: what an owner attests. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from upkeep.core.findings import Finding, Level, tally
from upkeep.core.units import brief, count
from upkeep.gate.sheets import SheetItem
from upkeep.ledger.write import plain
from upkeep.report.model import AFTER, BEFORE, RAN
from upkeep.settings.monthly import MONTHLY_TASKS
from upkeep.wires.database import Row

#: What the owner of a task does before they attest it: Upkeep does not do it for them.
DEEDS: Mapping[str, str] = {
    "rollback": "First roll a function back, or deploy an earlier version of it again, and see that it answers (G104). "
    "Upkeep deploys nothing; it looks at health and versions once you have answered. Not done: do not attest it."
}
#: Findings of one task that a form shows, the worst; the report has all.
SHOWN = 12


@dataclass(frozen=True)
class Evidence:
    """One task's steps as the ledger has them: rows of ``ledger.latest_steps``, in their names' order."""

    task: str
    steps: tuple[Row, ...]

    @property
    def collected(self) -> bool:
        """Whether any step of it has looked: without that there is nothing to attest."""
        return any(step["state"] == RAN for step in self.steps)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Worst first."""
        found = [finding for step in self.steps for finding in step["findings"]]
        return tuple(sorted(found, key=lambda finding: (finding.level.rank, finding.key)))

    @property
    def digest(self) -> str:
        """SHA-256 of everything that was seen; empty where nothing was collected.

        When a step ran is not part of it: the same answer a minute later is the same evidence.
        """
        return digest_of(self.steps) if self.collected else ""

    @property
    def says(self) -> str:
        """How many findings of which level, and what was not collected."""
        levels = [finding.level for finding in self.findings]
        gaps = [step for step in self.steps if step["state"] != RAN]
        said = f"{count(len(levels), 'finding')}: {tally(levels)}" if levels else "no finding"
        return f"{said}; {len(gaps)} of {count(len(self.steps), 'step')} not collected" if gaps else said

    @property
    def lines(self) -> list[str]:
        """What a form shows of it: what to do first, steps that did not look, the worst findings that are not ok."""
        said = [DEEDS[self.task]] if self.task in DEEDS else []
        said += [
            f"NOT COLLECTED {_name(step['step'])}: {brief(step['reason'] or step['state'], 200)}"
            for step in self.steps
            if step["state"] != RAN
        ]
        bad = [finding for finding in self.findings if finding.level is not Level.OK]
        said += [f"{one.level.upper()} {brief(f'{one.subject}: {one.detail}', 240)}" for one in bad[:SHOWN]]
        return [*said, f"and {len(bad) - SHOWN:,} more in the report so far"] if len(bad) > SHOWN else said


def digest_of(steps: Iterable[Row]) -> str:
    """SHA-256 of what some steps have seen."""
    content = [
        [step["step"], step["state"], step["reason"], step["digest"], [_said(one) for one in step["findings"]]]
        for step in steps
    ]
    return hashlib.sha256(json.dumps(plain(content), sort_keys=True).encode()).hexdigest()


def again(steps: Iterable[Row]) -> str:
    """The digest of what was looked at after the plan was applied; empty when nothing was."""
    rows = sorted((row for row in steps if row["step"].startswith(f"{AFTER}.")), key=lambda row: row["step"])
    return digest_of(rows) if rows else ""


def _said(finding: Finding) -> list[object]:
    metadata = dict(finding.metadata)
    return [finding.key, finding.level.value, finding.subject, finding.detail, finding.expected, metadata]


def _name(step: str) -> str:
    return step.rpartition(".")[2].replace("_", " ")


def by_task(steps: Iterable[Row]) -> dict[str, Evidence]:
    """The evidence of each monthly task, in the guide's order, also of one without any step."""
    rows = sorted(steps, key=lambda row: row["step"])
    return {
        task: Evidence(task, tuple(row for row in rows if row["step"].startswith(f"{BEFORE}.{task}.")))
        for task in MONTHLY_TASKS
    }


def items(evidence: Mapping[str, Evidence], owners: Mapping[str, str]) -> tuple[SheetItem, ...]:
    """What the owners are asked to attest: a task for which nothing was collected is not among it."""
    return tuple(
        SheetItem(task, owners[task], MONTHLY_TASKS[task][1], MONTHLY_TASKS[task][0], one.digest, one.says)
        for task, one in evidence.items()
        if one.collected
    )
