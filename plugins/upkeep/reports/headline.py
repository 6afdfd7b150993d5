"""What is said first: the sentence, the verdict, what to do first, and whether the window was late."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from upkeep.findings import Finding, Level
from upkeep.reports.model import RAN, SUPERSEDED, Report, StepResult
from upkeep.reports.text import brief, count, span, utc

#: A window's first step may begin so long after it is due: the scheduler's own pace and a busy worker.
START_TOLERANCE = timedelta(minutes=5)


def headline(report: Report) -> str:
    """One sentence for the person on call, free of invisible characters."""
    total, ran = len(report.findings), sum(step.state == RAN for step in report.steps)
    bad = ", ".join(f"{n:,} {level}" for level, n in report.counts.items() if n and level is not Level.OK)
    if not ran:
        sentence = f"nothing was collected: none of {count(len(report.steps), 'step')} ran"
    elif total == len(report.own):
        sentence = f"nothing was judged: {count(ran, 'step')} ran without a finding"
    elif not bad:
        sentence = f"{count(total, 'finding')}, all ok"
    else:
        sentence = f"{bad} of {count(total, 'finding')}"
    superseded = sum(step.state == SUPERSEDED for step in report.steps)
    if superseded:
        sentence += f", {count(superseded, 'step')} superseded"
    if bad:
        first = report.findings[0]
        sentence += f" — {brief(f'{first.subject}: {first.detail}', 90)}"
    return f"Dry run: {sentence}" if report.dry_run else sentence[0].upper() + sentence[1:]


def do_first(report: Report) -> str:
    """What to do before anything else, in a line or two: the worst finding's remedy. Empty when nothing is amiss."""
    first = report.findings[0] if report.findings else None
    if first is None:
        return "" if report.dry_run else "See under Steps why nothing was judged."
    if first.level is Level.OK:
        return ""
    return brief(first.remedy or f"Look at “{first.subject}” below.", 160)


def verdict(report: Report, red_on: Collection[Level]) -> tuple[bool, str]:
    """Whether the verdict is red, and the sentence. When no step ran it is always red, a dry run apart."""
    judged = {finding.level for finding in report.findings} | (set() if report.dry_run else {report.level})
    ran = report.dry_run or any(step.state == RAN for step in report.steps)
    return not ran or not judged.isdisjoint(red_on), headline(report)


def lateness_finding(
    due: datetime, deadline: datetime, steps: Iterable[StepResult], made_at: datetime
) -> Finding | None:
    """An advisory when a calendar window began or ended late (G1), None when it kept its budget.

    The start is that of the first step to begin; the end is the report's own time.
    """
    started = min((step.started for step in steps if step.started), default=None)
    said = []
    if started and started - due > START_TOLERANCE:
        said.append(f"it began {span(started - due)} after it was due")
    if made_at > deadline:
        said.append(f"it ended {span(made_at - deadline)} after its deadline ({utc(deadline)})")
    if not said:
        return None
    budget = span(deadline - due)
    return Finding(
        key="window:late",
        level=Level.ADVISORY,
        subject="The window is late",
        detail="; ".join(said),
        expected=f"a start within {span(START_TOLERANCE)} of {utc(due)} and an end within {budget}",
        remedy="Late start: see whether the scheduler ran and had free slots. Late end: see Steps for the slowest one.",
        guide="G1",
        metadata={"started": started, "made_at": made_at, "budget_minutes": (deadline - due) / timedelta(minutes=1)},
    )
