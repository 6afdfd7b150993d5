"""What is said first: the sentence, the verdict, what to do first, and whether the window was late."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from upkeep.core.findings import Finding, Level, tally
from upkeep.core.stories import Story
from upkeep.core.units import brief, count, span, utc
from upkeep.report import gate
from upkeep.report.model import APPLY_STEP, FROZEN, RAN, SUPERSEDED, Report, StepResult, stories_of

#: A window's first step may begin so long after it is due: the scheduler's own pace and a busy worker.
START_TOLERANCE = timedelta(minutes=5)


def headline(report: Report) -> str:
    """One sentence for the person on call, free of invisible characters: the plan, then the findings."""
    if report.superseded and report.planning:
        return f"Superseded by {_later(report.planning.reason)}: nothing had to be done"
    signed = report.signing.sentence if report.signing else ""
    sentence = "; ".join(part for part in (signed, _plan(report), _findings(report)) if part)
    if report.interim:
        return f"Interim, waiting for {', '.join(report.interim)}: {sentence}"
    return f"Dry run: {sentence}" if report.dry_run else sentence[0].upper() + sentence[1:]


def _plan(report: Report) -> str:
    """What became of the plan; empty in a window that has none."""
    step = report.planning
    if report.gate:
        return gate.sentence(report.gate)
    if step is None or report.dry_run:
        return ""
    if step.state == SUPERSEDED:
        return f"superseded by {_later(step.reason)}: nothing had to be changed"
    if step.state == FROZEN:
        return f"frozen, nothing was changed: {brief(step.reason, 80)}"
    return "the plan cannot be shown" if step.state == RAN else "no plan was drawn up, nothing was changed"


def _later(reason: str) -> str:
    """The window that took the place of this one, out of a step's reason."""
    named = re.search(r"the (monthly )?window of [-\d]+ [:\d]+ UTC", reason)
    return named[0] if named else brief(reason, 80)


def _findings(report: Report) -> str:
    """The findings by level, the worst cause spelled out; what apply found has been said with the plan."""
    total, ran = len(report.findings), sum(step.state == RAN for step in report.steps)
    told = bool(report.gate and report.gate.actions)
    others = [(finding, step) for finding, step in report.placed if not (told and step.step == APPLY_STEP)]
    amiss = [finding.level for finding, _ in others if finding.level is not Level.OK]
    causes = stories_of(others)
    if not ran:
        sentence = f"nothing was collected: none of {count(len(report.steps), 'step')} ran"
    elif total == len(report.own):
        sentence = f"nothing was judged: {count(ran, 'step')} ran without a finding"
    elif not amiss:
        sentence = f"{count(len(others), 'other finding' if told else 'finding')}, all ok"
    else:
        sentence = f"{tally(amiss)} of {count(len(others), 'other finding' if told else 'finding')}"
        sentence += f", from {count(len(causes), 'cause')}" if len(causes) < len(amiss) else ""
    superseded = sum(step.state == SUPERSEDED for step in report.steps)
    if superseded:
        sentence += f", {count(superseded, 'step')} superseded"
    if amiss and not (told and causes[0].level is Level.ADVISORY):
        sentence += f" — {brief(_words(causes[0]), 90)}"
    return sentence


def _words(story: Story) -> str:
    first = story.findings[0]
    return story.cause if story.grouped else f"{first.subject}: {first.detail}"


def do_first(report: Report) -> str:
    """What to do before anything else, in a line or two: the remedy of the worst cause. Empty when nothing is amiss."""
    first = report.findings[0] if report.findings else None
    if report.superseded:
        return ""
    if first is None:
        return "" if report.dry_run else "See under Run and steps why nothing was judged."
    if first.level is Level.OK:
        return ""
    if report.gate and report.placed[0][1].step == APPLY_STEP and (todo := gate.next_step(report.gate)):
        return brief(todo, 160)
    story = report.stories[0]
    return brief(story.remedy or f"Look at “{story.cause}” below.", 160)


def verdict(report: Report, red_on: Collection[Level]) -> tuple[bool, str]:
    """Whether the verdict is red, and the sentence. When no step ran it is always red, but in a dry run.

    A superseded window is no alarm: a later one has taken its place.
    """
    judged = {finding.level for finding in report.findings} | (set() if report.dry_run else {report.level})
    ran = report.dry_run or report.superseded or any(step.state == RAN for step in report.steps)
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


def held_slot_finding(slot: datetime, now: datetime) -> Finding:
    """A warning that a manual run holds a slot of the calendar: Airflow skips its own run, the window stays missed."""
    before = "Delete this run before then: Airflow skips the scheduled run while this one is there."
    after = (
        "Airflow has skipped the scheduled run: delete this one, then backfill that date (changes need the override)."
    )
    return Finding(
        key="window:slot",
        level=Level.WARNING,
        subject=f"A run by hand holds the calendar's slot of {utc(slot)}",
        detail="it was given that logical date; it does not count as the window, which stays missed",
        expected="runs by hand have no logical date",
        remedy=f"{before if now < slot else after} By hand, leave the logical date empty.",
        metadata={"slot": slot},
    )
