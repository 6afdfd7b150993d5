"""The guide's daily checklist (G118-G122): a row each, with the evidence that this report has. Pure.

A row never blocks the run and is never ticked by it: acknowledging is a person's, and not built yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from upkeep.findings import Finding, Level
from upkeep.reports.model import Report, StepResult
from upkeep.reports.text import brief, count

#: What the evidence says of a row.
EVIDENCE_OK, LOOK, MISSING = "evidence ok", "look at it", "not collected"


@dataclass(frozen=True)
class Item:
    """A row of the guide and where its evidence is: guide ids, beginnings of keys, beginnings of step names."""

    guide: str
    title: str
    guides: frozenset[str] = frozenset()
    keys: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    absent: str = "no step of this window looks at it"

    def owns(self, finding: Finding, step: StepResult) -> bool:
        """Whether a finding is evidence for this row."""
        return finding.guide in self.guides or finding.key.startswith(self.keys) or step.step.startswith(self.steps)


ITEMS: dict[str, tuple[Item, ...]] = {
    "daily": (
        Item(
            "G118",
            "Review overnight alerts",
            guides=frozenset({"G118"}),
            steps=("performance.overnight_alerts",),
        ),
        Item("G119", "Check system health dashboard", keys=("metric:",), steps=("health.",)),
        Item("G120", "Review error logs summary", keys=("error_analytics",), steps=("errors.",)),
        Item("G121", "Verify backup completion", keys=("backups:",), steps=("backups.",)),
        Item(
            "G122",
            "Monitor performance trends",
            keys=("latency:", "expectation:"),
            steps=(
                "performance.function_latencies",
                "database.performance_analysis",
                "database.scalability_report",
                "database.database_expectations",
            ),
        ),
    )
}


@dataclass(frozen=True)
class Row:
    """One row as this report sees it; ``worst`` is None without any finding."""

    guide: str
    title: str
    state: str
    evidence: str
    worst: Level | None
    findings: int


def checklist(report: Report) -> tuple[Row, ...]:
    """The rows of this report's cadence, in the guide's order."""
    return tuple(_row(item, report) for item in ITEMS.get(report.cadence, ()))


def _row(item: Item, report: Report) -> Row:
    findings = [finding for finding, step in report.placed if item.owns(finding, step)]
    gaps = [step for step in report.not_collected if step.step.startswith(item.steps)] if item.steps else []
    known = [finding for finding in findings if finding.level is not Level.UNKNOWN]
    bad = [finding for finding in known if finding.level is not Level.OK]
    if bad:
        state = LOOK
    elif gaps or len(known) < len(findings) or not findings:
        state = MISSING
    else:
        state = EVIDENCE_OK
    worst = min((finding.level for finding in findings), key=lambda level: level.rank, default=None)
    return Row(item.guide, item.title, state, _evidence(item, findings, bad, gaps), worst, len(findings))


def _evidence(item: Item, findings: list[Finding], bad: list[Finding], gaps: list[StepResult]) -> str:
    """How many findings of which level, then the one to look at first, or why there is none."""
    levels = [finding.level for finding in findings]
    counts = ", ".join(
        f"{levels.count(level):,} {level}" for level in sorted(set(levels), key=lambda level: level.rank)
    )
    told = f"{count(len(findings), 'finding')}: {counts}" if findings else ""
    unknown = [finding for finding in findings if finding.level is Level.UNKNOWN]
    if bad:
        first = f"{bad[0].subject}: {bad[0].detail}"
    elif unknown:
        first = f"{unknown[0].subject}: {unknown[0].detail}"
    elif gaps:
        first = f"{gaps[0].title}: {gaps[0].state}: {gaps[0].reason or 'no reason was recorded'}"
    else:
        first = "" if findings else item.absent
    return " — ".join(part for part in (told, brief(first, 200)) if part)
