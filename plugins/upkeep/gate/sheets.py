"""What people put their names to in a window: that they are there, what was found, that it is finished. Pure.

A sheet is to a signature what a plan is to an approval: data with a digest (SHA-256 of its RFC 8785 canonical JSON),
shown to a role, answered by a person of it, never changed. An item names the evidence that it is about by digest: when
that evidence is collected anew, what was signed was about something else, and the signature is void.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from upkeep.core.text import code, prose
from upkeep.core.windows import Run
from upkeep.gate import canonical as canonical_text
from upkeep.gate.permits import Decision, FormLabels
from upkeep.gate.plans import model
from upkeep.gate.plans.form import evidence as where_evidence_is
from upkeep.gate.plans.form import may_answer

SIGN_ON, ATTEST, SIGN_OFF = "sign-on", "attestation", "sign-off"

#: The one item of a sign-off.
WINDOW = "window"

#: What a signature is worth.
SIGNED, DECLINED, NO_ANSWER, VOID, NOT_ASKED = "signed", "declined", "no answer", "void", "not asked"

LABELS: Mapping[str, FormLabels] = {
    SIGN_ON: FormLabels("Sign on", "Decline", "", "", "signed on for", "declined to sign on"),
    ATTEST: FormLabels(
        "Attest", "Decline", "tasks", "Take out what you do not attest.", "attested", "declined to attest"
    ),
    SIGN_OFF: FormLabels("Sign off", "Decline", "", "", "signed off", "declined to sign off"),
}

_TIMES = ("due", "not_after")


@dataclass(frozen=True)
class SheetItem:
    """One thing that a person of ``role`` signs. ``evidence`` is its digest, empty where nothing is collected."""

    id: str
    role: str
    title: str
    guide: str
    evidence: str
    says: str


@dataclass(frozen=True)
class Sheet:
    """What is signed in one run for one purpose; answers count before ``not_after``; ``instance`` as in a plan."""

    purpose: str
    target: str
    cadence: str
    dag_id: str
    run_id: str
    due: datetime
    not_after: datetime
    items: tuple[SheetItem, ...]
    instance: str = ""

    @property
    def run(self) -> Run:
        """The run that it is for, and no other of that id."""
        return Run(self.dag_id, self.run_id, self.instance)

    def __post_init__(self) -> None:
        ids = [item.id for item in self.items]
        if self.purpose not in LABELS or len(set(ids)) < len(ids):
            raise ValueError(
                f"found a sheet for {self.purpose!r} of {ids}, expected one of {list(LABELS)}, no id twice"
            )

    def ids_for(self, role: str) -> tuple[str, ...]:
        """What a role is asked to sign, in the sheet's order."""
        return tuple(item.id for item in self.items if item.role == role)


def canonical(sheet: Sheet) -> str:
    """The sheet as RFC 8785 canonical JSON."""
    return canonical_text.write(asdict(sheet), optional=("instance",))


def parse(text: str) -> Sheet:
    """The sheet of a canonical text. Raises ValueError when the text is not its own canonical form."""
    return canonical_text.read(text, "sheet", _TIMES, _sheet, canonical)


def _sheet(content: dict[str, Any]) -> Sheet:
    return Sheet(**{**content, "items": tuple(SheetItem(**item) for item in content["items"])})


# Who signs ----------------------------------------------------------------------------------------------------


def missing_quorum(roles: Iterable[str], holders: Mapping[str, frozenset[str]]) -> str:
    """Why these roles cannot each have a person of their own; empty when they can.

    Augmenting paths (Kuhn, "The Hungarian Method", 1955) find the largest matching of roles and people.
    """
    person_of: dict[str, str] = {}

    def seat(role: str, tried: set[str]) -> bool:
        for person in sorted(holders.get(role, frozenset()) - tried):
            tried.add(person)
            if person not in person_of or seat(person_of[person], tried):
                person_of[person] = role
                return True
        return False

    wanted = list(roles)
    if empty := [role for role in wanted if not holders.get(role)]:
        return f"{' and '.join(empty)} {'has' if len(empty) == 1 else 'have'} no user"
    left = [role for role in wanted if not seat(role, set())]
    if not left:
        return ""
    people = sorted({person for role in wanted for person in holders[role]})
    return f"{len(wanted)} roles need a person each, and {', '.join(people)} cannot fill {' and '.join(left)} too"


@dataclass(frozen=True)
class Signature:
    """One item and what became of it; ``person`` and ``at`` are empty where nobody answered."""

    item: SheetItem
    state: str
    person: str = ""
    at: datetime | None = None
    comment: str = ""


def signatures(
    sheet: Sheet, decisions: Iterable[Decision], evidence: Mapping[str, str] | None = None
) -> tuple[Signature, ...]:
    """What each item's signature is worth; ``evidence`` are the digests by id as they are now, None: not held against.

    Of several decisions for one role the first stays.
    """
    by_role: dict[str, Decision] = {}
    for decision in decisions:
        by_role.setdefault(decision.role, decision)
    found = []
    for item in sheet.items:
        answer = by_role.get(item.role)
        if answer is None or not answer.responded_at < sheet.not_after:
            found.append(Signature(item, NO_ANSWER))
            continue
        state = SIGNED if item.id in answer.approved else DECLINED
        if state == SIGNED and evidence is not None and evidence.get(item.id, "") != item.evidence:
            state = VOID
        found.append(Signature(item, state, answer.person, answer.responded_at, answer.comment))
    return tuple(found)


def missing_sign_on(
    roles: Iterable[str],
    sheet: Sheet | None,
    decisions: Iterable[Decision],
    holders: Mapping[str, frozenset[str]],
) -> str:
    """Who of these roles is missing; empty when each has signed on by a person of its own who holds it."""
    signed = {one.item.role: one for one in (signatures(sheet, decisions) if sheet else ())}
    people: set[str] = set()
    for role in roles:
        one = signed.get(role)
        if one is None or one.state == NO_ANSWER:
            return f"no sign-on from {role}"
        if one.state != SIGNED:
            return f"{one.person} as {role} declined to sign on"
        if one.person not in holders.get(role, frozenset()):
            return f"{one.person}, who signed on as {role}, does not hold that role any more"
        if one.person in people:
            return f"{one.person} signed on for two roles; each role needs a different person"
        people.add(one.person)
    return ""


# The form -----------------------------------------------------------------------------------------------------

#: What a name under a sheet means.
ABOUT = {
    SIGN_ON: "You confirm that you take part. Nothing is changed in this window unless every role has signed on, each "
    "by a different person; evidence is collected meanwhile.",
    ATTEST: "You attest the evidence that is named here by its digest, and nothing that is collected later.",
    SIGN_OFF: "You sign what was found, attested and done, by the digest of all of it.",
}


def subject(sheet: Sheet, role_title: str) -> str:
    """The form's title, the role first; it holds nothing that the database named."""
    return f"{role_title}: {sheet.purpose}, {sheet.target} {sheet.cadence}"


def body(sheet: Sheet, role: str, details: Mapping[str, Iterable[str]], people: Iterable[str], report: str = "") -> str:
    """The form's Markdown for one role; ``details`` are lines about an item, by id, ``people`` those who may answer,
    ``report`` the address of the report so far.
    """
    lines = [f"**{sheet.due.astimezone(UTC):%A %Y-%m-%d %H:%M} UTC**", ""]
    lines += [*may_answer(people), *where_evidence_is(report), ABOUT[sheet.purpose], ""]
    for item in sheet.items:
        if item.role != role:
            continue
        digest = f" · evidence {code(item.evidence[:12])}" if item.evidence else ""
        guide = f" ({prose(item.guide)})" if item.guide else ""
        lines.append(f"- **{prose(item.id)}** · {prose(item.title)}{guide}: {code(item.says)}{digest}")
        lines += [f"  - {code(detail)}" for detail in details.get(item.id, ())]
    return "\n".join([*lines, "", f"Sheet {code(model.digest(canonical(sheet))[:12])}"])
