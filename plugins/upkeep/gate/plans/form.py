"""The form that shows a plan to the people who decide, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from upkeep.core.text import code, plain, prose, seconds, visible
from upkeep.core.units import size
from upkeep.gate.permits import asked_until
from upkeep.gate.plans.model import MOST_ACTIONS, Action, Plan, canonical, digest


def subject(plan: Plan, role: str, role_title: str) -> str:
    """The form's title, the role first; it holds nothing that the database named."""
    mine, count = len(plan.ids_for(role)), len(plan.actions)
    return f"{role_title}: {mine} of {count} action{'s' if count != 1 else ''}, {plan.target} {plan.cadence}"


def label(plan: Plan, action: Action, measured: Mapping[str, Any]) -> str:
    """An action in a few words beside its tick: "DROP performance_logs_created_at_idx, 576 kB"."""
    schema = "" if action.schema in ("public", plan.target) else f"{action.schema}."
    octets = measured.get("bytes")
    big = f", {'needs ' if action.predicted_bytes < 0 else ''}{size(octets)}" if isinstance(octets, int) else ""
    return f"{action.verb.upper()} {visible(f'{schema}{action.table}')}{big}"


def begins(plan: Plan) -> str:
    """When it runs, for those who let it run."""
    if asked_until(plan) == plan.not_after:
        return "What is approved runs right after the last role's answer."
    return f"What is approved runs in the window, from {plan.not_before.astimezone(UTC):%A %Y-%m-%d %H:%M} UTC on."


def evidence(report: str) -> list[str]:
    """Where everything that was seen so far is; ``report`` is its address, empty where there is none."""
    return [f"[The report so far]({report}) has all of the evidence.", ""] if report else []


def when(plan: Plan) -> str:
    """When the plan would run, as the form's first line says it."""
    begin, end = plan.not_before.astimezone(UTC), plan.not_after.astimezone(UTC)
    if plan.outside:
        return f"OUTSIDE THE CALENDAR — would run until {end:%A %Y-%m-%d %H:%M} UTC"
    until = f"–{end:%H:%M}" if begin.date() == end.date() else f" – {end:%A %Y-%m-%d %H:%M}"
    return f"{begin:%A %Y-%m-%d %H:%M}{until} UTC"


def body(
    plan: Plan,
    role: str,
    measured: Mapping[str, Mapping[str, Any]],
    people: Iterable[str],
    checklist: Iterable[Mapping[str, Any]] = (),
    report: str = "",
) -> str:
    """The form's Markdown for one role: when, who may answer, who asked, each action that it decides on, the checklist.

    ``measured`` holds what was seen when the plan was drawn up, by action id; a row of the checklist has ``guide``,
    ``title``, ``state`` and ``evidence``; ``report`` is the address of the report so far.
    """
    lines = [
        f"**{when(plan)}**",
        "",
        begins(plan),
        "",
        *may_answer(people),
        *evidence(report),
        f"Asked by {code(plan.requested_by)} · database {code(plan.database)} · plan {digest(canonical(plan))[:12]}",
        "",
    ]
    for action in plan.actions:
        if role in action.roles:
            lines += _shown(action, measured.get(action.id, {}))
    if plan.left_out:
        cap = f"a plan holds at most {MOST_ACTIONS} actions, and fewer of some kinds"
        lines += ["", f"{plan.left_out} more candidates wait for the next window: {cap}."]
    lines += _failed(plan)
    lines += checklist_rows(checklist)
    lines += ["", "*Approve* lets exactly the actions in the list below run; take out those that should not run."]
    if plan.outside:
        lines += ["Approving is the override that lets them run outside the calendar."]
    return "\n".join(lines)


def may_answer(people: Iterable[str]) -> list[str]:
    """Who may answer, said before anything that is asked: Airflow shows the form with its buttons to everybody."""
    names = ", ".join(code(name) for name in sorted(people))
    return [f"Only {names} may answer. Anybody else can read this form, but is refused with Access Denied.", ""]


#: What a verb's statement does not say of how it is carried out.
HOW = {
    "drop": "the index is first given a name that only it can have, so that no other index is dropped; "
    "if it cannot be dropped, its own name is restored",
    "delete": "by batches, each row only while it is what the archive has, and the archive and all holds are looked at "
    "before each batch commits; what was changed since stays",
}


def _shown(action: Action, measured: Mapping[str, Any]) -> list[str]:
    takes = f"takes about {seconds(action.predicted_ms)}, lock {prose(action.lock)}"
    said = [
        f"- **{prose(action.id)}** · {code(action.statement)}",
        f"  - {prose(action.because)}; {takes}, needs {_names(action.roles)}",
    ]
    if measured:
        seen = (f"{prose(name)} {plain(value)}" for name, value in sorted(measured.items()))
        said.append(f"  - seen: {', '.join(seen)}")
    if action.verb in HOW:
        said.append(f"  - {HOW[action.verb]}")
    if action.undo:
        said.append(f"  - undo: {code(action.undo)}")
    if action.needs:
        said.append(f"  - only after {_names(action.needs)}")
    return said


def _failed(plan: Plan) -> list[str]:
    if not plan.failed:
        return []
    return [
        "",
        "These kinds of action could not propose anything; what they would have proposed is missing here:",
        "",
        *_kinds(plan),
    ]


def _kinds(plan: Plan) -> Iterable[str]:
    for kind, _, why in (said.partition(": ") for said in plan.failed):
        yield f"- **{prose(kind)}**: {code(why)}"


def checklist_rows(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The checklist as lines of Markdown, none without rows."""
    said = [
        f"- **{prose(row['guide'])}** {prose(row['title'])}: {prose(row['state'])}"
        + (f" · {code(row['evidence'])}" if row["evidence"] else "")
        for row in rows
    ]
    if not said:
        return []
    return ["", "Checklist. Mark below what you have reviewed; it decides nothing:", "", *said]


def _names(names: Iterable[str]) -> str:
    return ", ".join(prose(name) for name in names)
