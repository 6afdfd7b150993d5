"""What a report holds: steps with their findings, and what the ledger knows of earlier windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from upkeep.core.findings import Bands, Finding, Level, Sample, Sighting, worst
from upkeep.core.stories import Seen, Story, stories
from upkeep.ledger.acknowledgements import OpenException
from upkeep.report.gate import Gate
from upkeep.report.signatures import WindowSignatures
from upkeep.wires.functions.contract import FUNCTIONS

#: States of a step. Any state but the first three leaves evidence missing and so makes an UNKNOWN finding.
RAN, SUPERSEDED, FROZEN, FAILED, NOT_COLLECTED = "ran", "superseded", "frozen", "failed", "not collected"

#: Groups of the looks before and after a plan is applied, and the steps that draw it up and apply it.
BEFORE, AFTER, PLAN_STEP, APPLY_STEP = "evidence", "after", "plan", "apply"

#: The step under which the report's own findings (the window is late) stand in the ledger.
REPORT_STEP = "report"


@dataclass(frozen=True)
class StepResult:
    """What became of one step. ``source`` is the SQL file or the function called, ``digest`` that of its answer."""

    step: str
    group: str
    title: str
    state: str
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    findings: tuple[Finding, ...] = ()
    source: str = ""
    digest: str = ""
    log_url: str = ""


@dataclass(frozen=True)
class Point:
    """One metric in one window: its value, or None when the window has no sample of it.

    ``after`` is the due time of the occurrence before, where the window's period begins.
    """

    due: datetime
    after: datetime
    kind: str
    value: float | None


@dataclass(frozen=True)
class History:
    """One metric over the last windows, oldest first, this window last.

    ``bands`` is what it is judged by, None where nothing judges it; then ``own_unit`` and ``own_guide`` say what it is.
    """

    metric: str
    title: str
    bands: Bands | None
    points: tuple[Point, ...]
    own_unit: str = ""
    own_guide: str = ""

    @property
    def unit(self) -> str:
        """The unit of its values."""
        return self.bands.unit if self.bands else self.own_unit

    @property
    def guide(self) -> str:
        """The guide's item."""
        return self.bands.guide if self.bands else self.own_guide

    def judge(self, value: float | None) -> Level | None:
        """The level of a value, UNKNOWN when there is none; None where nothing judges it."""
        if self.bands is None:
            return None
        return Level.UNKNOWN if value is None else self.bands.judge(value)


@dataclass(frozen=True)
class EarlierFinding:
    """A finding that was not ok when its step last looked before this window; ``due`` says in which window."""

    step: str
    due: datetime
    key: str
    level: Level
    subject: str
    detail: str


@dataclass(frozen=True)
class Report:
    """Everything there is to say about one window; all times are aware.

    ``late`` is empty or a sentence part, ``since`` says for a finding's key when it was seen not to be ok, ``own``
    holds what the report itself found (that the window is late), ``gate`` is None where the run has no plan,
    ``signing`` where nobody was to sign, ``last_due`` is when the window before was due where no history says so,
    ``thresholds`` the version of the bands in force and who approved it, ``exceptions`` what people have acknowledged,
    ``interim`` are the roles that are asked where this is what is known before they answer.
    """

    target: str
    target_title: str
    cadence: str
    kind: str
    due: datetime
    deadline: datetime
    period_start: datetime
    period_end: datetime
    run_id: str
    dag_id: str
    made_at: datetime
    requested_by: str
    dry_run: bool
    late: str
    steps: tuple[StepResult, ...]
    since: Mapping[str, Sighting]
    samples: tuple[Sample, ...]
    incident_document: str
    history: tuple[History, ...] = ()
    earlier: tuple[EarlierFinding, ...] = ()
    own: tuple[Finding, ...] = ()
    gate: Gate | None = None
    last_due: datetime | None = None
    thresholds: str = ""
    signing: WindowSignatures | None = None
    exceptions: tuple[OpenException, ...] = ()
    interim: tuple[str, ...] = ()

    @cached_property
    def own_step(self) -> StepResult:
        """The report's look at its own window; it is none of ``steps``."""
        return StepResult(
            REPORT_STEP,
            "window",
            "report",
            RAN,
            started=self.made_at,
            findings=self.own,
            source="the window's calendar and plan",
        )

    @cached_property
    def placed(self) -> tuple[tuple[Finding, StepResult], ...]:
        """Every finding with the step it came from, worst first, then by key.

        Of a look that was repeated after the plan was applied only the second one says how things are.
        """
        again = {first for first, second in self.repeated.items() if second in self._ran}
        steps = [step for step in self.steps if step.step not in again]
        pairs = [(finding, step) for step in steps for finding in self.findings_of(step)]
        pairs += [(finding, self.own_step) for finding in self.own]
        return tuple(sorted(pairs, key=lambda pair: (pair[0].level.rank, pair[0].key, pair[0].subject)))

    def findings_of(self, step: StepResult) -> tuple[Finding, ...]:
        """A step's findings, with the one for its absence."""
        planned_gap = self.dry_run and step.state == NOT_COLLECTED
        told = any(finding.level is Level.UNKNOWN for finding in step.findings)
        if step.state in (RAN, SUPERSEDED, FROZEN) or planned_gap or told:
            return step.findings
        return (*step.findings, missing_step(step))

    @cached_property
    def _ran(self) -> frozenset[str]:
        return frozenset(step.step for step in self.steps if step.state == RAN)

    @cached_property
    def repeated(self) -> dict[str, str]:
        """Steps that look before the plan is applied → the step that looks again after it."""
        names = {step.step for step in self.steps}
        twins = {name: f"{AFTER}.{name.removeprefix(f'{BEFORE}.')}" for name in sorted(names)}
        return {name: twin for name, twin in twins.items() if name.startswith(f"{BEFORE}.") and twin in names}

    @property
    def planning(self) -> StepResult | None:
        """The step that draws up the plan, where this window has one."""
        return next((step for step in self.steps if step.step == PLAN_STEP), None)

    @property
    def superseded(self) -> bool:
        """Whether a later window has taken the place of this one with all its steps: nothing had to be done."""
        return self.gate is None and self.planning is not None and all(step.state == SUPERSEDED for step in self.steps)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first, then by key."""
        return tuple(finding for finding, _ in self.placed)

    @cached_property
    def stories(self) -> tuple[Story, ...]:
        """What is not ok, by cause."""
        return stories_of(self.placed)

    def sighting(self, finding: Finding) -> Sighting | None:
        """When it was seen; None when it is ok, or nobody recorded it."""
        return None if finding.level is Level.OK else self.since.get(finding.key)

    def since_of(self, finding: Finding) -> datetime | None:
        """Since when it has not been ok; None when it is ok, or nobody recorded it."""
        seen = self.sighting(finding)
        return seen.since if seen else None

    def is_new(self, finding: Finding, step: StepResult) -> bool:
        """Whether this window's own look was the first to see it."""
        since = self.since_of(finding)
        first = {second: first for first, second in self.repeated.items()}.get(step.step)
        looked = next((one.started for one in self.steps if one.step == first), None) or step.started
        return since is not None and looked is not None and since >= looked

    @property
    def level(self) -> Level:
        """The worst level; UNKNOWN when no step has a finding, for nothing was judged.

        In a superseded window nothing was to be judged: what the report itself found counts.
        """
        judged = len(self.placed) > len(self.own) or self.superseded
        return worst([finding.level for finding in self.findings] if judged else [])

    @property
    def counts(self) -> dict[Level, int]:
        """Findings by level, every level named, worst first."""
        levels = [finding.level for finding in self.findings]
        return {level: levels.count(level) for level in sorted(Level, key=lambda level: level.rank)}

    @property
    def not_collected(self) -> tuple[StepResult, ...]:
        """Steps without evidence of their own: failed, superseded, frozen or not collected."""
        return tuple(step for step in self.steps if step.state != RAN)

    @property
    def not_known(self) -> tuple[tuple[Finding, StepResult], ...]:
        """Findings of level unknown beside those that only say that their step did not run."""
        return tuple(
            (finding, step)
            for finding, step in self.placed
            if finding.level is Level.UNKNOWN and finding.key != missing_key(step)
        )

    @property
    def previous(self) -> datetime | None:
        """When the window before this one was due; None when there was none, or no history is at hand."""
        if self.cadence == "monthly":  # its history is of months
            return self.last_due
        dues = (point.due for history in self.history for point in history.points if point.due < self.due)
        return max(dues, default=self.last_due)


def stories_of(placed: Iterable[tuple[Finding, StepResult]]) -> tuple[Story, ...]:
    """The findings by cause."""
    return stories([Seen(finding, step.source, _not_made(step)) for finding, step in placed], FUNCTIONS)


def _not_made(step: StepResult) -> str:
    return step.reason if step.state == NOT_COLLECTED else ""


def missing_key(step: StepResult) -> str:
    """The key of the finding that stands for a step which did not run."""
    return f"step:{step.step}"


def missing_step(step: StepResult) -> Finding:
    """The UNKNOWN finding that stands for a step which did not run to its end."""
    remedy = f"Open the log of task {step.step}, fix the cause, then clear the task or trigger a manual run."
    if step.state == NOT_COLLECTED:
        remedy = "Fix what the reason names; `python -m upkeep check` says what can be collected here."
    return Finding(
        key=missing_key(step),
        level=Level.UNKNOWN,
        subject=step.title or step.step,
        detail=f"{step.state}: {step.reason or 'no reason was recorded'}",
        expected="the step runs to its end",
        remedy=remedy,
    )
