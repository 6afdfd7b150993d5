"""From decisions to a permit: each rule of the gate, and all of them against a brute-force statement of the rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from upkeep.gate.permits import (
    APPROVE,
    REJECT,
    Circumstances,
    Decision,
    InvalidAnswer,
    approved_ids,
    asked_until,
    comment_of,
    refusal,
    reviewed_of,
)
from upkeep.gate.plans.model import SCHEDULE, Action, Plan

N = datetime(2026, 7, 12, 3, tzinfo=UTC)
T = N + timedelta(hours=2)
NOW = N + timedelta(hours=1)
TICK, SECOND, DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=1)
BOTH = ("dba", "devops")
HOLDERS = {"dba": frozenset({"ann", "eve"}), "devops": frozenset({"bob", "eve"}), "lead": frozenset()}


def action(number: str, roles: tuple[str, ...] = BOTH, needs: tuple[str, ...] = (), seconds: int = 10) -> Action:
    """A VACUUM that is predicted to take ten seconds."""
    return Action(
        id=number, kind="optimise", verb="vacuum", statement=f'VACUUM "t{number}"', schema="public", table=f"t{number}",
        oid=1, shape="", roles=roles, because="dead rows", lock="SHARE UPDATE EXCLUSIVE", predicted_ms=1000 * seconds,
        predicted_bytes=0, needs=needs,
    )  # fmt: skip


ONE, TWO, THREE = action("1"), action("2"), action("3")
PLAN = Plan(
    target="primary", cadence="weekly", dag_id="maintenance_weekly", run_id="run", due=N, requested_by=SCHEDULE,
    database="app", not_before=N, not_after=T, outside=False, actions=(ONE, TWO, THREE),
)  # fmt: skip


def answer(role: str, person: str, *ids: str, at: datetime = N) -> Decision:
    """Without ids a rejection."""
    return Decision(role, person, frozenset(ids), at)


ANN, BOB = answer("dba", "ann", "1", "2", "3"), answer("devops", "bob", "1", "2", "3")


def at(now: datetime = NOW, **fields: Any) -> Circumstances:
    """The schedule asked, everybody holds their role, nothing is frozen."""
    about: dict[str, Any] = {"now": now, "holders": HOLDERS, "requester": frozenset()}
    return Circumstances(**(about | fields))


def running(plan: Plan, decisions: list[Decision], circumstances: Circumstances) -> set[str]:
    """The actions of a plan that may run."""
    return {one.id for one in plan.actions if not refusal(plan, one, decisions, circumstances)}


# Quorum (rules 3 to 5) ----------------------------------------------------------------------------------------


def test_what_every_role_approved_runs() -> None:
    """Both orders of the answers."""
    assert running(PLAN, [ANN, BOB], at()) == running(PLAN, [BOB, ANN], at()) == {"1", "2", "3"}


def test_only_what_all_approved_runs() -> None:
    """{1, 2} and {2, 3} let only 2 run, disjoint answers nothing; who left it out is said."""
    decisions = [answer("dba", "ann", "1", "2"), answer("devops", "bob", "2", "3")]
    assert running(PLAN, decisions, at()) == {"2"}
    assert refusal(PLAN, ONE, decisions, at()) == "bob as devops did not approve it"
    assert refusal(PLAN, THREE, decisions, at()) == "ann as dba did not approve it"
    assert running(PLAN, [answer("dba", "ann", "1"), answer("devops", "bob", "2")], at()) == set()


def test_one_role_alone_is_a_quorum_where_config_says_so() -> None:
    """The other role's answer, or its silence or rejection, is not asked."""
    lone = replace(PLAN, actions=(action("1", roles=("dba",)), TWO))
    assert running(lone, [ANN], at()) == {"1"}
    assert running(lone, [ANN, answer("devops", "bob")], at()) == {"1"}
    assert running(lone, [BOB], at()) == set()


def test_a_rejection_refuses_everything_that_needs_that_role() -> None:
    """Whatever the other role says."""
    assert running(PLAN, [ANN, answer("devops", "bob")], at()) == set()
    assert running(PLAN, [answer("dba", "ann"), BOB], at()) == set()


def test_the_first_answer_of_a_role_stays() -> None:
    """Rule 4: neither a later approval nor a later rejection by the same role changes anything."""
    rejection = answer("dba", "eve")
    assert running(PLAN, [rejection, ANN, BOB], at()) == set()
    assert running(PLAN, [ANN, BOB, rejection], at()) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("outside", "requested_by", "by"),
    [(False, SCHEDULE, "2026-07-12 04:59"), (True, "ann", "2026-07-12 04:59"), (False, "ann", "2026-07-12 02:59")],
)
def test_silence_is_no_answer(outside: bool, requested_by: str, by: str) -> None:
    """And says until when there was time: T, or for the next window N, less the shortest action."""
    plan = replace(PLAN, outside=outside, requested_by=requested_by)
    assert refusal(plan, ONE, [ANN], at()) == f"no answer from devops by {by} UTC"
    assert refusal(plan, ONE, [], at()) == f"no answer from dba by {by} UTC"


@pytest.mark.parametrize("due", [N - 3 * DAY, N, N + 7 * DAY])
def test_until_when_people_are_asked_does_not_follow_the_logical_date(due: datetime) -> None:
    """For the next window until it opens, also when somebody gave the run that window's date or a later one."""
    assert asked_until(replace(PLAN, requested_by="ann", due=due)) == N
    assert asked_until(replace(PLAN, requested_by="ann", due=due, outside=True)) == T
    assert asked_until(replace(PLAN, due=due)) == T


def test_a_late_run_of_the_schedule_needs_two_people() -> None:
    """Somebody may have made it late, and is not known: where one role is enough, its one holder might be that."""
    lone = replace(PLAN, actions=(action("1", roles=("dba",)), TWO))
    late = replace(lone, outside=True)
    assert running(lone, [ANN, BOB], at()) == {"1", "2"}
    assert running(late, [ANN, BOB], at()) == {"2"}
    assert "whoever delayed it is not known, and cannot be the only approver" in refusal(
        late, late.actions[0], [ANN], at()
    )
    by_hand = replace(late, requested_by="bob")
    assert running(by_hand, [ANN], at(requester=frozenset({"bob"}))) == {"1"}


def test_who_left_the_role_after_approving_does_not_count() -> None:
    """Config now, not config then."""
    holders = HOLDERS | {"devops": frozenset({"eve"})}
    why = refusal(PLAN, ONE, [ANN, BOB], at(holders=holders))
    assert why == "bob, who approved as devops, does not hold that role any more"


def test_one_person_cannot_be_two_roles() -> None:
    """Rule 3: distinct people, even for somebody who holds both roles."""
    decisions = [answer("dba", "eve", "1"), answer("devops", "eve", "1")]
    assert refusal(PLAN, ONE, decisions, at()) == "eve approved for two roles; each role needs a different person"
    assert running(PLAN, [answer("dba", "eve", "1"), BOB], at()) == {"1"}


@pytest.mark.parametrize("holders", [{}, HOLDERS | {"devops": frozenset()}])
def test_a_role_without_users_approves_nothing(holders: dict[str, frozenset[str]]) -> None:
    """Whatever the ledger holds: nobody can have answered for it."""
    assert "has no user" in refusal(PLAN, ONE, [ANN, BOB], at(holders=holders))


def test_the_requester_cannot_be_the_only_approver() -> None:
    """Rule 5: alone no, with another person yes, and whoever did not ask may be alone."""
    lone = replace(PLAN, actions=(action("1", roles=("dba",)),), requested_by="ann")
    asked = at(requester=frozenset({"ann"}))
    assert refusal(lone, lone.actions[0], [ANN], asked) == "ann requested it and cannot be the only approver"
    assert running(lone, [answer("dba", "eve", "1")], asked) == {"1"}
    assert running(PLAN, [ANN, BOB], asked) == {"1", "2", "3"}
    assert running(PLAN, [ANN, BOB], at(requester=frozenset({"ann", "bob"}))) == set()


def test_a_requester_whom_nobody_knows_is_everybody() -> None:
    """A run started from a shell: no quorum helps."""
    why = refusal(replace(PLAN, requested_by="root"), ONE, [ANN, BOB], at(requester=None))
    assert why.startswith("it was requested by 'root', whom config/maintenance.yaml: people does not know")


# Time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answered", "counts"), [(T - TICK, True), (T, False), (T + DAY, False), (N - DAY, True)])
def test_in_time_means_before_t(answered: datetime, counts: bool) -> None:
    """An answer at T itself is late, whichever role's it is."""
    for decisions in ([replace(ANN, responded_at=answered), BOB], [ANN, replace(BOB, responded_at=answered)]):
        why = refusal(PLAN, ONE, decisions, at())
        assert (not why) is counts
        assert counts or "came after 2026-07-12 05:00 UTC" in why


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (N - TICK, "its window opens at 2026-07-12 03:00 UTC"),
        (N, ""),
        (T - 10 * SECOND - TICK, ""),
        (T - 10 * SECOND, "it is predicted to take 10000 ms and would not end before 2026-07-12 05:00 UTC"),
        (T - TICK, "it is predicted to take 10000 ms and would not end before 2026-07-12 05:00 UTC"),
        (T, "its time was over at 2026-07-12 05:00 UTC"),
        (T + DAY, "its time was over at 2026-07-12 05:00 UTC"),
    ],
)
def test_from_n_to_t(now: datetime, said: str) -> None:
    """Not before N, nothing after T, and nothing that is not predicted to end before T."""
    assert refusal(PLAN, ONE, [ANN, BOB], at(now)) == said


def test_an_action_of_no_time_still_starts_before_t() -> None:
    """A prediction of nothing does not move T."""
    quick = replace(PLAN, actions=(action("1", seconds=0),))
    assert refusal(quick, quick.actions[0], [ANN, BOB], at(T - TICK)) == ""
    assert refusal(quick, quick.actions[0], [ANN, BOB], at(T)) != ""


def test_a_freeze_stops_what_everybody_approved() -> None:
    """With its reason."""
    assert refusal(PLAN, ONE, [ANN, BOB], at(frozen="Holidays")) == "frozen: Holidays"


def test_who_has_not_signed_on_stops_what_everybody_approved() -> None:
    """In the words of the sign-on."""
    assert refusal(PLAN, ONE, [ANN, BOB], at(missing_sign_on="not signed on: lead")) == "not signed on: lead"


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (NOW + 10 * SECOND + TICK, ""),
        (NOW + 10 * SECOND, "and would not end before the freeze of 2026-07-12 04:00 UTC"),
        (T + DAY, ""),
        (None, ""),
    ],
)
def test_nothing_starts_that_would_run_into_a_freeze(begins: datetime | None, said: str) -> None:
    """As for T: what is predicted to end before it begins may run."""
    why = refusal(PLAN, ONE, [ANN, BOB], at(freezes_at=begins))
    assert why == (said and f"it is predicted to take 10000 ms {said}")


def test_outside_the_calendar_runs_unless_config_forbids_it() -> None:
    """The same quorum is the override; forbidding it leaves the calendar's windows alone."""
    outside = replace(PLAN, outside=True)
    assert running(outside, [ANN, BOB], at()) == {"1", "2", "3"}
    assert "approval.override forbids" in refusal(outside, ONE, [ANN, BOB], at(override=False))
    assert running(outside, [ANN], at()) == set()
    assert running(PLAN, [ANN, BOB], at(override=False)) == {"1", "2", "3"}


def test_what_needs_another_waits_for_it_to_be_done() -> None:
    """Rule 3: one whose need is refused is refused; every need counts."""
    plan = replace(PLAN, actions=(ONE, TWO, action("3", needs=("1", "2"))))
    assert running(plan, [ANN, BOB], at()) == {"1", "2"}
    assert refusal(plan, plan.actions[2], [ANN, BOB], at(done=frozenset({"1"}))) == "it needs 2, which is not done"
    assert running(plan, [ANN, BOB], at(done=frozenset({"1", "2"}))) == {"1", "2", "3"}
    assert running(plan, [answer("dba", "ann", "3"), BOB], at(done=frozenset({"1"}))) == set()


# The rule as a whole ------------------------------------------------------------------------------------------

PEOPLE = ("ann", "bob", "eve")
IDS = ("a", "b", "c")
SMALL = replace(PLAN, actions=(action("a"), action("b", roles=("dba",)), action("c", roles=("devops", "dba"))))
GROUPS = tuple(map(frozenset[str], ((), ("ann",), ("ann", "bob"), PEOPLE)))
REQUESTERS = (None, *map(frozenset[str], ((), *((name,) for name in PEOPLE))))


def answers(role: str) -> Iterator[Decision | None]:
    """Everything a role can say: nothing, or any person approving any subset."""
    yield None
    for person, size in itertools.product(PEOPLE, range(4)):
        yield from (answer(role, person, *ids) for ids in itertools.combinations(IDS, size))


def allowed(one: Action, facts: set[tuple[str, str, str]], requester: frozenset[str] | None) -> bool:
    """Whether there are different people, one for each role, who each validly let it run and did not all ask for it."""
    return any(
        all((role, person, one.id) in facts for role, person in zip(one.roles, people, strict=True))
        and any(requester is not None and person not in requester for person in people)
        for people in itertools.permutations(PEOPLE, len(one.roles))
    )


def test_all_answers_of_two_roles_and_three_people_to_three_actions() -> None:
    """625 pairs of answers, each under 16 pairs of holders and 5 requesters, against the rule said in another way."""
    seen = {True: 0, False: 0}
    for first, second in itertools.product(answers("dba"), answers("devops")):
        given = [one for one in (first, second) if one]
        for dba, devops in itertools.product(GROUPS, GROUPS):
            holders = {"dba": dba, "devops": devops}
            facts = {
                (one.role, one.person, id_) for one in given if one.person in holders[one.role] for id_ in one.approved
            }
            for requester in REQUESTERS:
                now = at(holders=holders, requester=requester)
                for one in SMALL.actions:
                    runs = not refusal(SMALL, one, given, now)
                    assert runs == allowed(one, facts, requester), (one.id, given, now)
                    seen[runs] += 1
    assert seen[True] > 5_000
    assert sum(seen.values()) == 625 * 16 * 5 * 3


# Answers ------------------------------------------------------------------------------------------------------

DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([], "found Approve with no actions"),
        (None, "found actions of type NoneType"),
        ("all", "found actions of type str"),
        ("1", "found actions of type str"),
        ({"1": True}, "found actions of type dict"),
        (True, "found actions of type bool"),
        (1, "found actions of type int"),
        ([1], "found int among the actions"),
        ([0], "found int among the actions"),
        (["1", None], "found NoneType among the actions"),
        (["1", ["2"]], "found list among the actions"),
        (["1", {"2": 1}, 3.0], "found dict, float among the actions"),
        (DEEP, "found list among the actions"),
        (["4"], "found actions ['4'], expected ids from the form: ['1', '2', '3']"),
        (["1", "1 "], "found actions ['1 ']"),
        (["*"], "found actions ['*']"),
        ([""], "found actions ['']"),
        (["\ud800\u202e\n"], r"found actions ['\ud800\u202e\n']"),
    ],
)
def test_an_approval_names_what_it_approves(actions: Any, said: str) -> None:
    """No list, other types inside, nested, empty, unknown: nothing of it is an approval, and never of all."""
    with pytest.raises(InvalidAnswer) as error:
        approved_ids(APPROVE, {"actions": actions}, ["1", "2", "3"])
    assert str(error.value).startswith(said)
    assert "expected" in str(error.value)


def test_an_approval_without_actions_is_not_one_of_all() -> None:
    """Left out over REST."""
    with pytest.raises(InvalidAnswer, match="found no list of actions"):
        approved_ids(APPROVE, {}, ["1"])


@pytest.mark.parametrize("option", ["", "approve", "Approve ", "['Approve', 'Reject']", "x" * 1_000_000])
def test_an_answer_is_one_of_two(option: str) -> None:
    """To the letter; the message stays short."""
    with pytest.raises(InvalidAnswer, match="expected Approve or Reject") as error:
        approved_ids(option, {"actions": ["1"]}, ["1"])
    assert len(str(error.value)) < 200


def test_what_is_wrong_with_a_huge_answer_is_said_briefly() -> None:
    """A megabyte in one id, a million ids: refused at once, in a line."""
    for huge in (["x" * 1_000_000], [str(number) for number in range(1_000_000)]):
        with pytest.raises(InvalidAnswer) as error:
            approved_ids(APPROVE, {"actions": huge}, ["1"])
        assert len(str(error.value)) < 500
    assert approved_ids(APPROVE, {"actions": ["1"] * 1_000_000}, ["1"]) == {"1"}


def test_an_approval_is_its_ids() -> None:
    """Any subset, in any order, repeated or not; other parameters do not matter."""
    assert approved_ids(APPROVE, {"actions": ["3", "1", "3"], "comment": 5}, ["1", "2", "3"]) == {"1", "3"}


@pytest.mark.parametrize("params", [{}, {"actions": ["1"]}, {"actions": []}, {"actions": None}, {"actions": DEEP}])
def test_a_rejection_approves_nothing_whatever_else_it_says(params: dict[str, Any]) -> None:
    """Also with every action still in the list."""
    assert approved_ids(REJECT, params, ["1"]) == frozenset()


@pytest.mark.parametrize(
    ("params", "comment"),
    [
        ({}, ""),
        ({"comment": None}, ""),
        ({"comment": ""}, ""),
        ({"comment": "go"}, "go"),
        ({"comment": "x" * 5000}, "x" * 2000),
    ],
)
def test_a_comment_is_optional(params: dict[str, Any], comment: str) -> None:
    """And kept up to 2,000 characters."""
    assert comment_of(params) == comment


@pytest.mark.parametrize("found", [5, 0, False, [], ["x"], {}, DEEP])
def test_a_comment_is_text(found: Any) -> None:
    """Anything else is told, falsy or not."""
    with pytest.raises(InvalidAnswer, match=f"found a comment of type {type(found).__name__}, expected text"):
        comment_of({"comment": found})


# The checklist --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"reviewed": None}, {"reviewed": []}])
def test_an_answer_may_say_nothing_of_the_checklist(params: dict[str, Any]) -> None:
    """Marking rows is optional and decides nothing."""
    assert reviewed_of(params, ["G123"]) == frozenset()


def test_rows_of_the_checklist_must_have_been_shown() -> None:
    """Known rows are kept; another id, or no list at all, makes the answer invalid."""
    assert reviewed_of({"reviewed": ["G124", "G123"]}, ["G123", "G124"]) == {"G123", "G124"}
    for wrong in (["G1"], "G123", [1], {"G123": True}):
        with pytest.raises(InvalidAnswer, match="expected"):
            reviewed_of({"reviewed": wrong}, ["G123", "G124"])
