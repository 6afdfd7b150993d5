"""Sheets and signatures: who can be there, whose name counts, and what makes it void."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.core.findings import Finding, Level
from upkeep.gate import sheets
from upkeep.gate.permits import Decision, InvalidAnswer, approved_ids
from upkeep.gate.plans.model import digest
from upkeep.gate.sheets import ATTEST, DECLINED, LABELS, NO_ANSWER, SIGN_ON, SIGNED, VOID, Sheet, SheetItem
from upkeep.report import evidence
from upkeep.settings.approval import Role
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.monthly import MONTHLY_TASKS

DUE = datetime(2026, 12, 6, 2, tzinfo=UTC)
ROLES = ("devops", "dba", "security", "lead")
HOLDERS = {role: frozenset({person}) for role, person in zip(ROLES, ("omar", "dora", "sana", "lena"), strict=True)}


def sheet(purpose: str = SIGN_ON, items: tuple[SheetItem, ...] | None = None) -> Sheet:
    """A sheet of the December window; by default the four roles' sign-on."""
    four = tuple(SheetItem(role, role, role.title(), "G23", "", "takes part") for role in ROLES)
    asked = four if items is None else items
    return Sheet(purpose, "primary", "monthly", "maintenance_monthly", "run", DUE, DUE + timedelta(hours=1), asked)


def answer(role: str, person: str, *ids: str, comment: str = "") -> Decision:
    """An answer ten minutes after the window opened; without ids a refusal."""
    return Decision(role, person, frozenset(ids), DUE + timedelta(minutes=10), comment)


ALL = tuple(answer(role, *HOLDERS[role], role) for role in ROLES)


@pytest.mark.guide("G23", "fires", "silent")
def test_a_quorum_that_cannot_be_met_is_said_at_once() -> None:
    """G23: a role without people, one person in all, two people for three roles; four people can be four roles."""
    assert sheets.missing_quorum(ROLES, HOLDERS) == ""
    assert (
        sheets.missing_quorum(ROLES, HOLDERS | {"lead": frozenset(), "dba": frozenset()}) == "dba and lead have no user"
    )
    assert sheets.missing_quorum(ROLES, dict.fromkeys(ROLES, frozenset({"eve"}))) == (
        "4 roles need a person each, and eve cannot fill dba and security and lead too"
    )
    shared = HOLDERS | {"devops": frozenset({"ann", "bob"}), "dba": frozenset({"ann", "bob"})}
    assert sheets.missing_quorum(ROLES, shared) == ""
    assert "cannot fill lead too" in sheets.missing_quorum(ROLES, shared | {"lead": frozenset({"ann", "bob"})})


def test_people_are_moved_so_that_each_role_gets_one() -> None:
    """Whoever comes first must make room: ann can be both, bob only one of them."""
    assert sheets.missing_quorum(("a", "b"), {"a": frozenset({"ann", "bob"}), "b": frozenset({"ann"})}) == ""


@pytest.mark.guide("G23", "holds")
def test_everybody_is_there_only_when_each_role_signed_on_by_a_person_of_its_own() -> None:
    """No answer, a refusal, a person who left the role and one person twice: each is said."""
    assert sheets.missing_sign_on(ROLES, sheet(), ALL, HOLDERS) == ""
    assert sheets.missing_sign_on(ROLES, None, (), HOLDERS) == "no sign-on from devops"
    assert sheets.missing_sign_on(ROLES, sheet(), ALL[:3], HOLDERS) == "no sign-on from lead"
    refused = (*ALL[:3], answer("lead", "lena"))
    assert sheets.missing_sign_on(ROLES, sheet(), refused, HOLDERS) == "lena as lead declined to sign on"
    assert sheets.missing_sign_on(ROLES, sheet(), ALL, HOLDERS | {"dba": frozenset({"dave"})}) == (
        "dora, who signed on as dba, does not hold that role any more"
    )
    twice = (*ALL[:3], answer("lead", "omar", "lead"))
    assert sheets.missing_sign_on(ROLES, sheet(), twice, HOLDERS | {"lead": frozenset({"omar"})}) == (
        "omar signed on for two roles; each role needs a different person"
    )
    assert sheets.missing_sign_on((), None, (), {}) == ""  # a config that asks nobody


def test_the_first_answer_of_a_role_stays() -> None:
    """A second one, whatever it says, changes nothing."""
    (lead,) = (one for one in sheets.signatures(sheet(), [*ALL, answer("lead", "lena")]) if one.item.id == "lead")
    assert (lead.state, lead.person) == (SIGNED, "lena")


TASKS = (
    SheetItem("audit", "security", "Security audit", "G24", "aa11", "2 findings: 2 ok"),
    SheetItem("capacity", "devops", "Capacity", "G27", "bb22", "no finding"),
    SheetItem("cost", "devops", "Cost", "G30", "cc33", "no finding"),
)


@pytest.mark.guide("G24", "G26-G30", "fires", "silent")
def test_an_attestation_is_for_the_evidence_that_it_names() -> None:
    """G24-G30: signed while the digest is the same, void once it is another, declined and unanswered by task."""
    attested = sheet(ATTEST, TASKS)
    now = {"audit": "aa11", "capacity": "bb22", "cost": "cc33"}
    answers = [answer("security", "sana", "audit"), answer("devops", "omar", "capacity")]
    assert [one.state for one in sheets.signatures(attested, answers, now)] == [SIGNED, SIGNED, DECLINED]
    again = sheets.signatures(attested, answers, now | {"audit": "ff99"})
    assert [(one.state, one.person) for one in again] == [(VOID, "sana"), (SIGNED, "omar"), (DECLINED, "omar")]
    assert [one.state for one in sheets.signatures(attested, (), now)] == [NO_ANSWER] * 3
    gone = sheets.signatures(attested, answers, {})
    assert [one.state for one in gone] == [VOID, VOID, DECLINED]


def test_a_role_attests_its_own_tasks_only() -> None:
    """Another role's task in an answer is no task of the form."""
    attested = sheet(ATTEST, TASKS)
    assert attested.ids_for("devops") == ("capacity", "cost")
    words = LABELS[ATTEST]
    with pytest.raises(InvalidAnswer, match=r"found tasks \['audit'\], expected ids from the form"):
        approved_ids("Attest", {"tasks": ["cost", "audit"]}, attested.ids_for("devops"), words)
    with pytest.raises(InvalidAnswer, match="found no list of tasks"):
        approved_ids("Attest", {}, attested.ids_for("devops"), words)
    with pytest.raises(InvalidAnswer, match="found the answer 'Approve', expected Attest or Decline"):
        approved_ids("Approve", {"tasks": ["cost"]}, attested.ids_for("devops"), words)
    assert approved_ids("Attest", {"tasks": ["cost"]}, attested.ids_for("devops"), words) == {"cost"}


def test_where_there_is_one_thing_to_sign_the_button_says_it() -> None:
    """Signing on needs no list; declining is none of it."""
    assert approved_ids("Sign on", {}, ["lead"], LABELS[SIGN_ON]) == {"lead"}
    assert approved_ids("Decline", {"tasks": ["lead"]}, ["lead"], LABELS[SIGN_ON]) == frozenset()


def test_a_sheet_is_its_canonical_text() -> None:
    """It comes back as it was; another text, another field or a changed order is refused."""
    text = sheets.canonical(sheet(ATTEST, TASKS))
    assert sheets.parse(text) == sheet(ATTEST, TASKS)
    assert digest(text) != digest(sheets.canonical(sheet(ATTEST, TASKS[::-1])))
    with pytest.raises(ValueError, match="not in its canonical form"):
        sheets.parse(text.replace(":", ": ", 1))
    with pytest.raises(ValueError, match="found no sheet"):
        sheets.parse(text.replace('"items"', '"things"'))


def test_a_sheet_has_a_known_purpose_and_no_item_twice() -> None:
    """Two items of one id could not be told apart in an answer."""
    with pytest.raises(ValueError, match="no id twice"):
        sheet(ATTEST, (TASKS[0], TASKS[0]))
    with pytest.raises(ValueError, match="found a sheet for 'plan'"):
        sheet("plan")


def test_the_form_shows_what_is_signed_and_nothing_hides_in_it() -> None:
    """Title, guide, digest and findings of this role's tasks; text from elsewhere stays code."""
    hostile = replace(TASKS[0], says="1 critical `x` [click](javascript:alert(1))")
    body = sheets.body(sheet(ATTEST, (hostile, *TASKS[1:])), "security", {"audit": ["CRITICAL a\n# b"]}, ["sana"])
    assert body.splitlines()[2].startswith("Only `sana` may answer")
    assert "**audit** · Security audit (G24): `1 critical ⟨U+0060⟩x⟨U+0060⟩ [click](javascript:alert(1))`" in body
    assert "· evidence `aa11`" in body
    assert "  - `CRITICAL a⟨U+000A⟩# b`" in body
    assert "capacity" not in body.lower().replace("capacity scaling", "")
    linked = sheets.body(sheet(ATTEST, TASKS), "security", {}, ["sana"], "http://here/report")
    assert "[The report so far](http://here/report)" in linked


def test_the_title_begins_with_who_is_asked() -> None:
    """Then what for, of which target and cadence."""
    assert sheets.subject(sheet(ATTEST, TASKS), "Security Engineer").startswith("Security Engineer: attestation, ")


# Evidence ---------------------------------------------------------------------------------------------------------


def step(name: str, state: str = "ran", **fields: Any) -> dict[str, Any]:
    """A row as ``ledger.latest_steps`` brings it."""
    return {"step": f"evidence.{name}", "state": state, "reason": "", "digest": "", "findings": []} | fields


def finding(key: str, level: Level = Level.OK, **fields: Any) -> Finding:
    """A finding of the audit."""
    return Finding(key, level, "Roles", "two of them", "none", "", "G78", **fields)


def test_evidence_is_what_was_seen_and_nothing_else() -> None:
    """The digest changes with a finding, a state, an answer's digest or metadata; not with when or in which order."""
    rows = [step("audit.audit", findings=[finding("a")]), step("audit.report", digest="d1"), step("cost.costs")]
    was = evidence.by_task(rows)["audit"].digest
    assert evidence.by_task([row | {"started_at": DUE} for row in rows[::-1]])["audit"].digest == was
    others = (
        step("audit.audit", findings=[finding("a", Level.WARNING)]),
        step("audit.audit", "failed", findings=[finding("a")]),
        step("audit.audit", findings=[finding("a", metadata={"n": 1})]),
        step("audit.audit", findings=[finding("a")], digest="d9"),
    )
    digests = {evidence.by_task([other, *rows[1:]])["audit"].digest for other in others}
    assert len(digests) == 4
    assert was not in digests


def test_a_task_without_evidence_is_not_put_before_anybody() -> None:
    """What was not collected cannot be attested: nothing turns green by itself."""
    rows = [step("audit.audit"), step("recovery.drill", "not collected", reason="not built yet")]
    found = evidence.by_task(rows)
    owners = dict.fromkeys(MONTHLY_TASKS, "lead")
    assert [item.id for item in evidence.items(found, owners)] == ["audit"]
    assert (found["recovery"].digest, found["recovery"].collected) == ("", False)
    assert list(found) == list(MONTHLY_TASKS)


def test_the_form_shows_the_worst_first_and_says_what_is_missing() -> None:
    """A step that did not look comes first; ok findings are counted only; beyond twelve the rest is counted."""
    many = [finding(f"k{number:02}", Level.WARNING) for number in range(15)]
    rows = [step("audit.audit", findings=[finding("ok"), *many]), step("audit.report", "failed", reason="HTTP 500")]
    one = evidence.by_task(rows)["audit"]
    assert one.says == "16 findings: 15 warning, 1 ok; 1 of 2 steps not collected"
    assert one.lines[0] == "NOT COLLECTED report: HTTP 500"
    assert one.lines[1] == "WARNING Roles: two of them"
    assert (len(one.lines), one.lines[-1]) == (14, "and 3 more in the report so far")


def test_the_form_says_what_to_do_before_a_rollback_is_attested() -> None:
    """Of this task alone: the owner's deed comes before their name."""
    found = evidence.by_task([step("rollback.function_health"), step("audit.audit")])
    assert found["rollback"].lines == [evidence.DEEDS["rollback"]]
    assert "Upkeep deploys nothing" in found["rollback"].lines[0]
    assert found["audit"].lines == []


def test_a_deputy_holds_the_role_too() -> None:
    """Whoever may stand in is asked, may sign, and counts as one person like everybody."""
    config = settings(ROOT / "config").maintenance
    roles = {name: Role(title=name, users=(name,)) for name in ROLES} | {
        "security": Role(title="Security", users=(), deputies=("sam",))
    }
    held = config.model_copy(update={"roles": roles})
    holders = {role: held.holders(role) for role in ROLES}
    assert holders["security"] == {"sam"}
    assert sheets.missing_quorum(ROLES, holders) == ""
    answers = [answer(role, role, role) for role in ROLES if role != "security"]
    assert sheets.missing_sign_on(ROLES, sheet(), answers, holders) == "no sign-on from security"
    assert sheets.missing_sign_on(ROLES, sheet(), [*answers, answer("security", "sam", "security")], holders) == ""
