"""The guide's checklists: daily (G118-G122), weekly (G123-G127), monthly (G128-G132). A row each, with its evidence.

Pure. A row never blocks the run and is never ticked by it: reviewing is a person's. The weekly rows stand in the
approval form, and whoever answers may mark there what they have reviewed; a monthly row is reviewed by whoever attests
the task that it is about. A daily row is acknowledged on the page Checklists, after its report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from upkeep.core.findings import Finding, Level, tally
from upkeep.core.units import brief, count
from upkeep.gate.sheets import SIGNED
from upkeep.report.model import SUPERSEDED, Report, StepResult
from upkeep.report.signatures import WindowSignatures

#: What the evidence says of a row.
EVIDENCE_OK, LOOK, MISSING = "evidence ok", "look at it", "not collected"
#: A later window has looked in this one's place: there is nothing to review here.
GONE_BY = SUPERSEDED


@dataclass(frozen=True)
class ChecklistItem:
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

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of steps that it rests on, by which ``routing.owners`` says whose it is."""
        return tuple(part for step in self.steps for part in step.split("."))


_NOBODY = "nothing is collected for it before the monthly review; a person has to look"

ITEMS: dict[str, tuple[ChecklistItem, ...]] = {
    "daily": (
        ChecklistItem(
            "G118",
            "Review overnight alerts",
            guides=frozenset({"G118"}),
            steps=("performance.overnight_alerts",),
        ),
        ChecklistItem("G119", "Check system health dashboard", keys=("metric:",), steps=("health.",)),
        ChecklistItem("G120", "Review error logs summary", keys=("error_analytics",), steps=("errors.",)),
        ChecklistItem("G121", "Verify backup completion", keys=("backups:",), steps=("backups.",)),
        ChecklistItem(
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
    ),
    "weekly": (
        ChecklistItem(
            "G123",
            "Performance optimization review",
            steps=(
                "evidence.optimisation.",
                "after.optimisation.",
                "evidence.indexes.",
                "after.indexes.",
                "evidence.trends.",
            ),
        ),
        ChecklistItem("G124", "Security scan results", steps=("evidence.patches.", "evidence.access.")),
        ChecklistItem("G125", "Capacity planning update", steps=("evidence.capacity.", "evidence.thresholds.")),
        ChecklistItem("G126", "Documentation updates", absent=_NOBODY),
        ChecklistItem(
            "G127", "Team maintenance summary", absent="this report is the summary; send its address to the team"
        ),
    ),
    "monthly": (
        ChecklistItem("G128", "Full security audit", steps=("evidence.audit.",)),
        ChecklistItem(
            "G129", "Disaster recovery test", steps=("evidence.recovery.", "evidence.rollback.", "after.rollback.")
        ),
        ChecklistItem("G130", "Performance baseline update", steps=("evidence.baselines.",)),
        ChecklistItem("G131", "Cost optimization review", steps=("evidence.cost.",)),
        ChecklistItem("G132", "Procedure documentation review", steps=("evidence.documentation.",)),
    ),
}


@dataclass(frozen=True)
class ChecklistRow:
    """One row as this report sees it; ``worst`` is None without any finding."""

    guide: str
    title: str
    state: str
    evidence: str
    worst: Level | None
    findings: int
    reviewed: tuple[str, ...] = ()


def checklist(report: Report) -> tuple[ChecklistRow, ...]:
    """The rows of this report's cadence, in the guide's order, with who said in the form that they reviewed one."""
    rows = rows_of(report.cadence, report.placed, report.not_collected)
    if report.signing is not None:
        return tuple(replace(row, reviewed=_attested(row, report.signing)) for row in rows)
    if report.gate is None:
        return rows
    return tuple(
        replace(row, reviewed=tuple(one.person for one in report.gate.answers if row.guide in one.reviewed))
        for row in rows
    )


#: The task whose attestation says that a monthly row was reviewed.
TASKS = {"G128": "audit", "G129": "recovery", "G130": "baselines", "G131": "cost", "G132": "documentation"}


def _attested(row: ChecklistRow, signing: WindowSignatures) -> tuple[str, ...]:
    signed = (task.signature for task in signing.tasks if task.name == TASKS.get(row.guide) and task.signature)
    return tuple(one.person for one in signed if one.state == SIGNED)


def rows_of(
    cadence: str, placed: Iterable[tuple[Finding, StepResult]], not_collected: Iterable[StepResult]
) -> tuple[ChecklistRow, ...]:
    """The rows of a cadence from findings, worst first, and the steps that have none of their own."""
    found, gaps = list(placed), list(not_collected)
    return tuple(_row(item, found, gaps) for item in ITEMS.get(cadence, ()))


def for_form(rows: Iterable[ChecklistRow]) -> list[dict[str, Any]]:
    """The rows as JSON keeps them beside a plan."""
    return [{key: value for key, value in asdict(row).items() if key in _FORM} for row in rows]


_FORM = frozenset({"guide", "title", "state", "evidence"})


def _row(item: ChecklistItem, placed: list[tuple[Finding, StepResult]], missing: list[StepResult]) -> ChecklistRow:
    findings = [finding for finding, step in placed if item.owns(finding, step)]
    gaps = [step for step in missing if step.step.startswith(item.steps)] if item.steps else []
    known = [finding for finding in findings if finding.level is not Level.UNKNOWN]
    bad = [finding for finding in known if finding.level is not Level.OK]
    if bad:
        state = LOOK
    elif gaps and not findings and all(step.state == SUPERSEDED for step in gaps):
        state = GONE_BY
    elif gaps or len(known) < len(findings) or not findings:
        state = MISSING
    else:
        state = EVIDENCE_OK
    worst = min((finding.level for finding in findings), key=lambda level: level.rank, default=None)
    return ChecklistRow(item.guide, item.title, state, _evidence(item, findings, bad, gaps), worst, len(findings))


def _evidence(item: ChecklistItem, findings: list[Finding], bad: list[Finding], gaps: list[StepResult]) -> str:
    """How many findings of which level, then the one to look at first, or why there is none."""
    levels = [finding.level for finding in findings]
    told = f"{count(len(findings), 'finding')}: {tally(levels)}" if findings else ""
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
