"""Who signed what in a monthly window: sign-on, the tasks with their attestations, sign-off. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from upkeep.core.findings import Finding, Level
from upkeep.core.units import count, utc
from upkeep.gate.sheets import DECLINED, NO_ANSWER, NOT_ASKED, SIGNED, VOID, Signature

#: The level that a signature's state looks like.
LOOKS = {
    SIGNED: Level.OK,
    DECLINED: Level.WARNING,
    VOID: Level.WARNING,
    NO_ANSWER: Level.UNKNOWN,
    NOT_ASKED: Level.UNKNOWN,
}


@dataclass(frozen=True)
class Task:
    """One of the guide's monthly tasks: what was found, and whose name stands under it.

    ``worst`` is None without a finding; ``evidence`` is the digest as it is now, empty where nothing was collected;
    ``signature`` is None where nobody was asked.
    """

    name: str
    guide: str
    title: str
    owner: str
    worst: Level | None
    says: str
    evidence: str
    signature: Signature | None

    @property
    def state(self) -> str:
        """What its signature is worth."""
        return self.signature.state if self.signature else NOT_ASKED


@dataclass(frozen=True)
class WindowSignatures:
    """All signatures of a run. ``plan`` is its plan's digest, empty without one, ``outcomes`` (action id, state) of
    each of its actions, ``after`` the digest of what was looked at again when they were applied.
    """

    sign_on: tuple[Signature, ...]
    tasks: tuple[Task, ...]
    sign_off: Signature | None
    plan: str = ""
    outcomes: tuple[tuple[str, str], ...] = ()
    after: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what a sign-off is about: evidence, signatures, plan and what became of its actions."""
        content = {
            "tasks": [[task.name, task.evidence, *_told(task.signature)] for task in self.tasks],
            "sign_on": [[one.item.role, *_told(one)] for one in self.sign_on],
            "plan": [self.plan, *self.outcomes],
            "after": self.after,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def lines(self) -> list[str]:
        """What the sign-off form shows, a line for each role, task and the plan."""
        said = [f"sign-on {one.item.title}: {in_words(one)}" for one in self.sign_on]
        said += [
            f"{task.guide} {task.title}: {task.says}; {in_words(task.signature)} ({task.owner})" for task in self.tasks
        ]
        states = [state for _, state in self.outcomes]
        done = f"{states.count('done')} of {count(len(states), 'action')} done" if self.plan else "no plan"
        return [*said, f"plan: {done}"]

    @property
    def sentence(self) -> str:
        """For the headline: how many signed on and how many tasks are attested."""
        there = sum(one.state == SIGNED for one in self.sign_on)
        attested = sum(task.state == SIGNED for task in self.tasks)
        said = f"{there} of {count(len(self.sign_on), 'role')} signed on, "
        said += f"{attested} of {count(len(self.tasks), 'task')} attested"
        if self.sign_off and self.sign_off.state in (SIGNED, DECLINED, VOID):
            said += f", {'signed off' if self.sign_off.state == SIGNED else f'sign-off {self.sign_off.state}'}"
        return said


def signature_findings(signing: WindowSignatures) -> tuple[Finding, ...]:
    """A warning for each name that is missing where it should stand: what the report itself says of people."""
    found = [_missing("sign_on", one.item.role, f"Sign-on as {one.item.title}", one) for one in signing.sign_on]
    found += [
        _missing("attestation", task.name, f"Attestation of {task.title}", task.signature)
        for task in signing.tasks
        if task.signature
    ]
    if signing.sign_off:
        found.append(_missing("sign_off", "window", "Sign-off of the window", signing.sign_off))
    return tuple(finding for finding in found if finding)


_WHY = {
    NO_ANSWER: ("nobody answered in time", "Ask why; the next window asks again."),
    DECLINED: ("it was declined", "Talk to whoever declined before the next window."),
    VOID: ("what was signed has changed since", "Start a new run: a signature is for the evidence that it names."),
}


def _missing(key: str, name: str, subject: str, one: Signature | None) -> Finding | None:
    if one is None or one.state == SIGNED:
        return None
    why, remedy = _WHY[one.state]
    said = f" by {one.person}: {one.comment}" if one.comment else f" by {one.person}" if one.person else ""
    return Finding(
        key=f"{key}:{name}",
        level=Level.WARNING,
        subject=subject,
        detail=why + (said if one.state == DECLINED else f" (signed by {one.person})" if one.state == VOID else ""),
        expected="a signature of a person who holds that role",
        remedy=remedy,
        guide=one.item.guide,
    )


def _told(one: Signature | None) -> list[str]:
    if one is None:
        return [NOT_ASKED]
    return [one.state, one.person, one.at.isoformat() if one.at else ""]


def in_words(one: Signature | None) -> str:
    """A signature for people."""
    if one is None:
        return "nobody was asked: nothing was collected"
    if one.at is None:
        return one.state
    return f"{one.state} by {one.person}, {utc(one.at)}"
