"""The report of a window with a plan: who decided what, what was done, and what the person who was not there reads."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.stages.reports import Page, finding
from tests.stages.reports import earlier as earlier_finding
from tests.stages.reports import report as daily_report
from tests.stages.weekly_reports import (
    BOTH,
    DAY,
    DUE,
    END,
    NOW,
    TITLES,
    action,
    attempt,
    decision,
    gate,
    plan,
    step,
    weekly,
)
from upkeep.core.findings import Finding, Level, Sample, Sighting
from upkeep.gate.plans.model import Action
from upkeep.report.again import pairs
from upkeep.report.changes import compare
from upkeep.report.document import to_json
from upkeep.report.gate import Attempt, Gate, PlanRecord, ReportedOutcome, RoleAnswer
from upkeep.report.headline import headline, held_slot_finding, lateness_finding, verdict
from upkeep.report.model import FROZEN, RAN, SUPERSEDED, Report, StepResult
from upkeep.report.page import to_html

RED = {Level.CRITICAL}


def whole(one: Gate, **fields: Any) -> Report:
    """The report of a run with this plan whose apply step said of each action what became of it."""
    levels = {"done": "ok", "refused": "advisory", "not done": "warning", "unknown": "unknown"}
    levels |= {"partly done": "warning", "ran on another object": "critical"}
    said = [
        finding(
            levels.get(became.state, "unknown"),
            f"apply:{became.action.id}",
            detail=became.state,
            metadata={"action": became.action.id},
        )
        for became in one.actions
    ]
    quiet = finding("ok", "dead_rows")
    steps = (step("evidence.dead_rows", quiet), step("plan"), step("apply", *said), step("after.dead_rows", quiet))
    return weekly(*steps, gate=one, **fields)


def text(one: Report) -> str:
    return Page(to_html(one)).text


def section(one: Report) -> str:
    """What the page says of the plan."""
    return text(one).partition("Plan and what became of it")[2].partition("Since the window")[0]


def states(one: Gate) -> dict[str, tuple[str, str]]:
    return {became.action.id: (became.state, became.reason) for became in one.actions}


# What became of an action ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "outcome", "state", "reason"),
    [
        ((attempt(),), ("done", ""), "done", ""),
        ((attempt(1, "not done", reason="lock"), attempt(2)), None, "done", ""),
        ((attempt(2), attempt(1, None)), ("refused", "x"), "done", ""),
        ((attempt(1, "not done", reason="replica lag"),), None, "not done", "replica lag"),
        ((attempt(1, "not done"),), ("unknown", "x"), "not done", ""),
        ((attempt(1, "partly done", reason="vacuumed"),), ("refused", "x"), "partly done", "vacuumed; x"),
        ((attempt(1, "partly done", reason="half"), attempt(2, "not done", reason="lag")), None, "partly done", "half"),
        ((attempt(1, "partly done", reason="half"), attempt(2)), None, "done", ""),
        ((attempt(1, "ran on another object", reason="x"),), ("refused", "y"), "ran on another object", "x; y"),
        ((attempt(1, None),), ("unknown", "x"), "unknown", "its permit has no receipt"),
        ((attempt(1, "not done"), attempt(2, None)), ("not done", "x"), "unknown", "its permit has no receipt"),
        ((), ("refused", "no answer from dba by noon"), "refused", "no answer from Database Administrator by noon"),
        ((), ("not done", "left undone: the target is away"), "not done", "left undone: the target is away"),
        ((), ("done", ""), "unknown", "the apply step said done, but the ledger has no permit for it"),
        ((), None, "not applied yet", "the apply step failed: no Connection"),
    ],
)
def test_the_receipts_decide(
    attempts: tuple[Attempt, ...], outcome: tuple[str, str] | None, state: str, reason: str
) -> None:
    """Done only with a receipt, unknown without one; the apply step's word counts where there is no permit."""
    told = PlanRecord(
        attempts={"1": attempts},
        outcomes={"1": ReportedOutcome(*outcome)} if outcome else {},
        titles=TITLES,
        undecided="the apply step failed: no Connection",
    )
    found, why = states(gate(plan(action(1)), told))["1"]
    assert found == state and why.startswith(reason) and bool(why) == bool(reason)


def test_nothing_is_not_yet_applied_when_its_time_is_over() -> None:
    """From T on it is left undone, and why."""
    late = gate(plan(action(1)), undecided="the apply step failed: x", now=END)
    assert states(late)["1"] == ("not done", "left undone, and its time is over: the apply step failed: x")


def test_what_was_measured_stands_beside_what_was_predicted() -> None:
    """Duration and ratio, lock wait, WAL of the whole server, dead rows and size before and after, attempts."""
    told = PlanRecord(BOTH, {"1": (attempt(1, "not done", reason="lock"), attempt(2))}, titles=TITLES)
    one = whole(gate(plan(action(1)), told))
    for words in (
        'Action 1 VACUUM (ANALYZE, TRUNCATE false) "public"."t1"',
        "Took 3.1 s at attempt 2 predicted 2.0 s, 1.6 × that",
        "Dead rows 3,000 → 0",
        "Size with indexes 700 MB → 700 MB",
        "Waited for its lock 12 ms",
        "WAL of the whole server meanwhile 12 MB",
    ):
        assert words in section(one)
    (found,) = to_json(one)["gate"]["actions"]
    assert (found["duration_ms"], found["predicted_ms"], found["ratio"]) == (3140, 2000, 1.57)
    assert (found["lock_wait_ms"], found["wal_bytes_of_server"], found["attempts"]) == (12, 12_345_678, 2)
    assert found["before"] == {
        **{"dead_rows": 3000, "live_rows": None, "changed_rows": None},
        "total_bytes": 734_003_200,
    }
    assert found["after"]["dead_rows"] == 0


@pytest.mark.parametrize("fields", [{"before": {}, "after": {}}, {"after": {}}, dict.fromkeys(("duration_ms",))])
def test_what_was_not_measured_is_not_made_up(fields: Mapping[str, Any]) -> None:
    """A receipt written from the catalogue has no duration, a dropped table no state, a locked one no size."""
    nothing = {"lock_wait_ms": None, "wal_bytes": None, "before": {"dead_rows": 5, "total_bytes": None}}
    told = PlanRecord(BOTH, {"1": (attempt(**{**nothing, "duration_ms": None, **fields}),)}, titles=TITLES)
    one = whole(gate(plan(action(1)), told))
    assert "Took not measured" in section(one) and "WAL of the whole server meanwhile not measured" in section(one)
    assert to_json(one)["gate"]["actions"][0]["ratio"] is None
    assert "None" not in section(one) and "Undefined" not in section(one)


HOSTILE_INDEX = "<script>alert(1)</script>"


def drop(**fields: Any) -> Action:
    """The drop of an index with a hostile name."""
    values = {
        "kind": "indexes",
        "verb": "drop",
        "statement": f'DROP INDEX CONCURRENTLY "public"."{HOSTILE_INDEX}"',
        "undo": f'CREATE INDEX CONCURRENTLY "{HOSTILE_INDEX}" ON public.t USING btree (a)',
    }
    return action(1, **{**values, **fields})


@pytest.mark.guide("G53", "holds")
def test_a_drop_shows_what_it_freed_and_the_way_back() -> None:
    """No rows or size of a table, for there is none; the statement that makes it again stands escaped beside it."""
    told = PlanRecord(BOTH, {"1": (attempt(before={"bytes": 734_003_200}, after={}, wal_bytes=None),)}, titles=TITLES)
    one = whole(gate(plan(drop()), told))
    said = section(one)
    assert "Freed 700 MB" in said
    assert "Takes it back: CREATE INDEX CONCURRENTLY" in said and "USING btree (a)" in said
    assert "Dead rows" not in said and "Size with indexes" not in said
    assert HOSTILE_INDEX not in to_html(one)
    (found,) = to_json(one)["gate"]["actions"]
    assert (found["freed_bytes"], found["undo"]) == (734_003_200, drop().undo)


@pytest.mark.parametrize(
    "tried",
    [
        (attempt(outcome="not done", before={"bytes": 8192}, after={"bytes": 8192}),),
        (attempt(before={"bytes": None}, after={}),),
        (attempt(before={}, after={}),),
        (),
    ],
    ids=["not done", "locked when it was measured", "from the catalogue alone", "not tried"],
)
def test_a_drop_that_freed_nothing_known_says_no_number(tried: tuple[Attempt, ...]) -> None:
    """Nothing is made up; the way back is shown all the same."""
    one = whole(gate(plan(drop()), PlanRecord(BOTH, {"1": tried} if tried else {}, titles=TITLES)))
    said = section(one)
    assert "Freed" not in said and "None" not in said and "Takes it back" in said
    assert to_json(one)["gate"]["actions"][0]["freed_bytes"] is None


# Who decided ----------------------------------------------------------------------------------------------------


def test_each_role_is_told_with_person_time_and_comment() -> None:
    """Approved all, approved a part; then each action says who left it out."""
    decisions = (decision("dba", "dora", "1 2", "Fine,\nboth."), decision("devops", "omar", "2"))
    outcomes = {"1": ReportedOutcome("refused", "omar as devops did not approve it")}
    one = whole(gate(plan(action(1), action(2)), PlanRecord(decisions, {"2": (attempt(),)}, outcomes, titles=TITLES)))
    said = section(one)
    assert "approved all 2 · Database Administrator · dora, 2026-11-22 03:05 UTC Fine, both." in said
    assert "approved 1 of 2 · DevOps Engineer · omar" in said
    assert "refused 1 action omar as DevOps Engineer did not approve it Action 1" in said
    assert "approved by dora (Database Administrator) left out by omar (DevOps Engineer)" in said
    assert headline(one).startswith("1 action done, 1 refused (not approved by DevOps Engineer); ")
    found = to_json(one)["gate"]
    assert [answer["approved"] for answer in found["answers"]] == [2, 1]
    assert found["actions"][0]["answers"] == [
        {"role": "dba", "person": "dora", "state": "approved"},
        {"role": "devops", "person": "omar", "state": "left out"},
    ]


def test_a_rejection_is_told_with_its_reason() -> None:
    """Everything refused by one person, whose comment says why."""
    decisions = (decision("dba", "dora", "", "Not this week"), decision("devops", "omar", "1 2"))
    outcomes = dict.fromkeys("12", ReportedOutcome("refused", "dora as dba did not approve it"))
    one = whole(gate(plan(action(1), action(2)), PlanRecord(decisions, {}, outcomes, titles=TITLES)))
    assert "rejected all 2 · Database Administrator · dora, 2026-11-22 03:05 UTC Not this week" in section(one)
    assert headline(one) == ("2 actions refused (not approved by Database Administrator); 1 other finding, all ok")
    assert "next window" in to_json(one)["do_first"]
    assert verdict(one, RED)[0] is False


def test_no_answer_is_no_decision() -> None:
    """Until when was asked, what hindered the question and where its log is; whom to ask is said first."""
    outcomes = {"1": ReportedOutcome("refused", "no answer from dba by 2026-11-22 05:00 UTC")}
    told = PlanRecord(
        (decision("devops", "omar", "1"),),
        outcomes=outcomes,
        titles=TITLES,
        notes={"dba": "Airflow's state of task approve.dba is failed"},
        log_urls={"dba": "http://localhost/log"},
    )
    one = whole(gate(plan(action(1)), told))
    said = section(one)
    assert "no answer · Database Administrator asked until 2026-11-22 05:00 UTC; Airflow's state of task" in said
    assert "no answer from Database Administrator by 2026-11-22 05:00 UTC" in said
    assert "http://localhost/log" in Page(to_html(one)).links
    assert headline(one).startswith("1 action refused (no answer from Database Administrator)")
    assert to_json(one)["do_first"].startswith("Ask why no answer came from Database Administrator")
    (answer, _) = gate(plan(action(1), requested_by="olga", not_before=DUE + DAY, not_after=END + DAY)).answers
    assert answer.note == "asked until 2026-11-23 03:00 UTC"


def test_a_role_that_config_no_longer_names_keeps_its_name() -> None:
    """The plan is older than config."""
    one = gate(plan(action(1, roles=("gone",))), outcomes={"1": ReportedOutcome("refused", "no answer from gone by x")})
    assert [(answer.title, answer.state) for answer in one.answers] == [("gone", "no answer")]
    assert isinstance(one.answers[0], RoleAnswer) and "no answer · gone" in section(whole(one))


# The headline and what to do ------------------------------------------------------------------------------------


def mixed() -> Gate:
    """One action of each kind."""
    attempts = {"1": (attempt(),), "2": (attempt(1, "not done", reason="lag"),), "3": (attempt(1, None),)}
    outcomes = {"4": ReportedOutcome("refused", "no answer from dba by x")}
    decisions = (decision("devops", "omar", "1 2 3 4 5"),)
    return gate(plan(*(action(n) for n in range(1, 6))), PlanRecord(decisions, attempts, outcomes, titles=TITLES))


def test_the_headline_counts_what_became_of_the_actions_and_then_the_other_findings() -> None:
    """Plain words, each action once, the worst other finding only when it is worse than an advisory."""
    one = whole(mixed())
    assert headline(one) == (
        "1 action done, 1 refused (no answer from Database Administrator), 1 left undone, 1 not applied yet, "
        "1 unknown (nobody knows yet whether it ran); 1 other finding, all ok"
    )
    assert {state: n for state, n in mixed().counts.items() if n} == dict.fromkeys(
        ("unknown", "not done", "refused", "not applied yet", "done"), 1
    )
    bad = replace(one, steps=(*one.steps, step("x", finding("critical", detail="71 %"))))
    assert headline(bad).endswith("; 1 critical of 2 other findings — Overall health: 71 %")
    assert to_json(bad)["do_first"] == "Look at “Overall health” below."


def test_an_action_is_not_told_twice() -> None:
    """It has no card among the findings; a finding of apply about itself keeps its own."""
    one = whole(mixed())
    cards = to_html(one).partition('id="findings"')[2]
    assert "Key apply:" not in cards and "Key dead_rows" in cards
    broken = step("apply", finding("unknown", "step:apply", detail="no Connection"), state="failed")
    assert "Key step:apply" in to_html(weekly(step("plan"), broken, gate=mixed()))


def test_what_needs_a_reader_most_comes_first() -> None:
    """Unknown before not done before refused before done."""
    said = section(whole(mixed())).partition("What became of it")[2]
    places = [said.index(f"Action {number} ") for number in "32451"]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("told", "first"),
    [
        (PlanRecord(attempts={"1": (attempt(1, None),)}), "Trigger a run of this DAG: it looks up in the catalogue"),
        (PlanRecord(attempts={"1": (attempt(1, "not done"),)}), "See below why it was left undone."),
        (PlanRecord(attempts={"1": (attempt(1, "partly done"),)}), "See below what of it was done."),
        (
            PlanRecord(attempts={"1": (attempt(1, "ran on another object"),)}),
            "Inspect the object that is named below at once",
        ),
        (PlanRecord(undecided="the apply step failed: x"), "Open the log of task apply, fix the cause, then clear"),
        (PlanRecord(BOTH, {"1": (attempt(),)}), ""),
    ],
)
def test_what_to_do_first_follows_what_became_of_the_plan(told: PlanRecord, first: str) -> None:
    """One sentence for the worst of the states; nothing when all is done."""
    found = to_json(whole(gate(plan(action(1)), told)))["do_first"]
    assert found.startswith(first) and bool(found) == bool(first)


def test_refusals_for_several_reasons_are_not_given_one() -> None:
    """The headline does not name one of them as the reason of all."""
    outcomes = {
        "1": ReportedOutcome("refused", "omar as devops did not approve it"),
        "2": ReportedOutcome("refused", "x"),
    }
    decisions = (decision("dba", "dora", "1 2"), decision("devops", "omar", "2"))
    one = whole(gate(plan(action(1), action(2)), PlanRecord(decisions, {}, outcomes, titles=TITLES)))
    assert headline(one).startswith("2 actions refused (for several reasons); ")
    frozen = dict.fromkeys("12", ReportedOutcome("refused", "frozen: Holidays"))
    approved = (decision("dba", "dora", "1 2"), decision("devops", "omar", "1 2"))
    one = whole(gate(plan(action(1), action(2)), PlanRecord(approved, {}, frozen, titles=TITLES)))
    assert headline(one).startswith("2 actions refused; ")
    assert "refused 2 actions frozen: Holidays" in section(one)


def test_outside_the_calendar_is_told_as_the_form_told_it() -> None:
    """With who asked for it, and what had no room in the plan."""
    one = plan(action(1), outside=True, requested_by="olga", left_out=9_800)
    said = section(whole(gate(one, PlanRecord(BOTH, {"1": (attempt(),)}, titles=TITLES))))
    assert "When OUTSIDE THE CALENDAR — would run until Sunday 2026-11-22 05:00 UTC" in said
    assert "Asked for by olga" in said and "9,800 more candidates wait for the next window" in said
    found = to_json(whole(gate(one)))["gate"]["plan"]
    assert found["outside"] is True and found["when"].startswith("OUTSIDE") and found["left_out"] == 9_800
    assert (found["not_before"], found["not_after"]) == ("2026-11-22T03:00:00+00:00", "2026-11-22T05:00:00+00:00")


# Hostile and large ----------------------------------------------------------------------------------------------

HOSTILE = '🗑️\u202e"\n`</code><script>alert(1)</script>{{7*7}}\u200b\u3164'


def test_hostile_names_people_and_comments_are_shown_and_do_nothing() -> None:
    """Bidi, newline and invisible characters of a table's name are spelled out; no tag comes from outside."""
    hostile = action(1, HOSTILE, roles=("dba",), because=HOSTILE)
    told = PlanRecord(
        (decision("dba", HOSTILE, "1", HOSTILE),),
        {"1": (attempt(1, "not done", reason=HOSTILE),)},
        measured={"1": {HOSTILE: HOSTILE}},
        titles={"dba": HOSTILE},
        notes={"dba": HOSTILE},
        log_urls={"dba": "javascript:alert(1)"},
    )
    one = gate(plan(hostile, action(2, HOSTILE), database=HOSTILE, requested_by=HOSTILE), told)
    bad = finding("advisory", f"dead_rows:{HOSTILE}", detail=HOSTILE)
    both = step("evidence.dead_rows", bad), step("after.dead_rows", replace(bad, detail=HOSTILE + "2"))
    found = weekly(*both, step("plan"), step("apply"), gate=one)
    html = to_html(found)
    seen = Page(html)
    assert not {"script", "img", "iframe"} & {tag for tag, _ in seen.tags}
    assert "javascript:alert(1)" not in seen.links
    assert "{{7*7}}" in seen.text and "<script>alert(1)</script>" in seen.text
    for code in ("202E", "200B", "3164", "000A"):
        assert f"⟨U+{code}⟩" in seen.text
    assert not {"\u202e", "\u200b", "\u3164"} & set(html)
    document = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert document["gate"]["actions"][0]["statement"] == hostile.statement


@pytest.mark.parametrize("done", [True, False])
def test_two_hundred_actions_stay_a_page(done: bool) -> None:
    """Every action is on it, all but ten of one fate folded away; the JSON has them all."""
    actions = [action(n, "t" * 60 + f"{n:03}") for n in range(1, 201)]
    ids = " ".join(one.id for one in actions)
    decisions = (decision("devops", "omar", ids), *((decision("dba", "dora", ids),) if done else ()))
    told = PlanRecord(
        decisions,
        {one.id: (attempt(),) for one in actions} if done else {},
        {} if done else {one.id: ReportedOutcome("refused", "no answer from dba by x") for one in actions},
        titles=TITLES,
    )
    one = whole(gate(plan(*actions), told))
    html = to_html(one)
    assert len(html) < 600_000 and html.count('<code class="statement">') == 200
    assert "190 more" in section(one)
    assert headline(one).startswith("200 actions done" if done else "200 actions refused (no answer")
    assert len(to_json(one)["gate"]["actions"]) == 200


# No plan, an empty one, superseded, frozen ----------------------------------------------------------------------


def test_a_window_without_a_plan_has_no_section_of_it() -> None:
    """The daily window says nothing of plans; a weekly one says that none was drawn up."""
    daily = daily_report(step("health.x", finding("ok")))
    assert "Plan and what became of it" not in text(daily) and "plan" not in headline(daily)
    assert to_json(daily)["gate"] is None and to_json(daily)["looks"] == []
    broken = weekly(step("evidence.dead_rows", finding("ok")), step("plan", state="failed", reason="no target"))
    assert headline(broken).startswith("No plan was drawn up, nothing was changed; 1 unknown of 2 findings")
    dry = weekly(step("plan", state="not collected", reason="dry run"), dry_run=True)
    assert headline(dry) == "Dry run: nothing was collected: none of 1 step ran"


def test_an_empty_plan_says_that_nothing_had_to_be_changed() -> None:
    """Calm, and nobody was asked."""
    one = whole(gate(plan()))
    assert headline(one) == "The plan is empty: nothing had to be changed; 1 finding, all ok"
    assert "The plan is empty: nothing had to be changed, so nobody was asked." in section(one)
    assert "Who was asked" not in section(one) and one.level is Level.OK
    assert to_json(one)["do_first"] == ""


def test_a_superseded_window_says_so_calmly() -> None:
    """No alarm, no unknown: only that it is late; what took its place stands in the headline."""
    why = "looks at the present, and the window of 2026-11-29 03:00 UTC is due by now"
    made = DUE + 8 * DAY
    late = lateness_finding(DUE, END, [], made)
    assert late
    names = ("after.dead_rows", "apply", "evidence.dead_rows", "plan")
    one = weekly(*(step(name, state=SUPERSEDED, reason=why) for name in names), own=(late,), made_at=made)
    assert headline(one) == "Superseded by the window of 2026-11-29 03:00 UTC: nothing had to be done"
    assert verdict(one, {Level.CRITICAL, Level.UNKNOWN}) == (False, headline(one))
    assert (one.level, one.counts[Level.UNKNOWN]) == (Level.ADVISORY, 0)
    said = text(one)
    assert "Nothing needs to be done." in said and "Nothing was looked at in this window." in said
    assert f"superseded plan — {why}" in said


def test_a_window_that_could_not_look_is_not_called_superseded() -> None:
    """One step that failed, or a daily window without a plan, is told as before: red."""
    gone = step("apply", state=SUPERSEDED)
    for one in (weekly(gone), weekly(gone, step("plan", state="failed", reason="x"))):
        assert "Superseded by" not in headline(one) and verdict(one, set())[0] is True


def test_the_monthly_window_that_covers_it_is_named() -> None:
    """Evidence was collected, nothing had to be changed."""
    why = "the monthly window of 2026-11-01 02:00 UTC covers it"
    steps = [step(name, state=SUPERSEDED, reason=why) for name in ("plan", "apply")]
    one = weekly(step("evidence.dead_rows", finding("ok")), *steps)
    assert headline(one) == (
        "Superseded by the monthly window of 2026-11-01 02:00 UTC: nothing had to be changed; "
        "1 finding, all ok, 2 steps superseded"
    )


def test_a_freeze_is_intended() -> None:
    """No unknown finding; said in the headline and among what was not collected."""
    why = "Holidays (until 2027-01-02 00:00 UTC)"
    steps = [step(name, state=FROZEN, reason=why) for name in ("plan", "apply")]
    one = weekly(step("evidence.dead_rows", finding("ok")), *steps, step("after.dead_rows", finding("ok")))
    assert headline(one) == f"Frozen, nothing was changed: {why}; 1 finding, all ok"
    assert one.level is Level.OK and "unknown" not in [found.level.value for found in one.findings]
    assert f"frozen plan — {why}" in text(one) and "not collected plan" not in text(one)


# Before and after -----------------------------------------------------------------------------------------------


def dirty(*tables: str) -> list[Finding]:
    return [finding("advisory", f"dead_rows:{table}", subject=table, detail=f"{table} is dirty") for table in tables]


def test_what_was_found_before_is_still_there_or_gone_after() -> None:
    """What is still there first, then what is new, then what is gone."""
    one = weekly(step("evidence.dead_rows", *dirty("a", "b", "c")), step("after.dead_rows", *dirty("d", "b")))
    assert [(pair.name, pair.state) for pair in pairs(one)] == [
        ("b", "still there"),
        ("d", "new"),
        ("a", "gone"),
        ("c", "gone"),
    ]
    said = text(one)
    assert "still there · b before and after: b is dirty" in said and "gone · a before: a is dirty" in said
    assert to_json(one)["looks"][2] == {
        "name": "a",
        "state": "gone",
        "before": "a is dirty",
        "after": None,
        "measured": "",
    }


@pytest.mark.parametrize(
    "after", [step("after.dead_rows", state="failed"), step("after.dead_rows", finding("unknown", "dead_rows"))]
)
def test_a_second_look_that_could_not_see_makes_nothing_gone(after: StepResult) -> None:
    """Nobody knows; and then the first look's findings stand."""
    one = weekly(step("evidence.dead_rows", *dirty("a")), after)
    states = {pair.name: pair.state for pair in pairs(one)}
    assert states["a"] == "not looked at again"
    if after.state != RAN:
        assert "dead_rows:a" in [found.key for found in one.findings]


def test_the_second_look_says_how_things_are() -> None:
    """What was there before and is gone is no finding any more, and none of last week's either."""
    first, second = step("evidence.dead_rows", *dirty("a", "b")), step("after.dead_rows", *dirty("b"))
    last_week = (
        earlier_finding("dead_rows:a", "advisory", "evidence.dead_rows"),
        earlier_finding("dead_rows:c", "advisory", "after.dead_rows"),
    )
    one = weekly(first, replace(second, started=NOW), earlier=last_week, since={"dead_rows:b": Sighting(DUE)})
    assert [found.key for found in one.findings] == ["dead_rows:b"]
    changes = compare(one)
    assert [was.key for was, _ in changes.gone] == ["dead_rows:c"]
    assert [found.key for found in changes.new] == ["dead_rows:b"]
    assert compare(replace(one, since={"dead_rows:b": Sighting(DUE - DAY)})).new == ()


def test_a_weekly_report_without_metrics_shows_none() -> None:
    """No plots, no word of what is missing; the window before is known all the same."""
    said = text(
        weekly(step("evidence.dead_rows", finding("ok")), samples=(Sample("tables_to_optimise", 0.0, "tables"),))
    )
    for word in ("Six metrics", "Daily checklist", "no sample", "Not collected, and why"):
        assert word not in said
    assert "Since the window of 2026-11-15 03:00 UTC Nothing is new" in said


# A slot of the calendar -----------------------------------------------------------------------------------------


def test_a_run_by_hand_that_holds_a_slot_is_a_warning_with_what_to_do() -> None:
    """Before the slot: delete it; after it: delete it and backfill."""
    before, after = held_slot_finding(DUE, DUE - DAY), held_slot_finding(DUE, NOW)
    assert {before.level, after.level} == {Level.WARNING} and before.key == after.key == "window:slot"
    assert "2026-11-22 03:00 UTC" in before.subject and "stays missed" in before.detail
    assert before.remedy.startswith("Delete this run before then: Airflow skips the scheduled run")
    assert "then backfill that date" in after.remedy
    one = daily_report(step("health.x", finding("ok")), kind="manual", own=(after,))
    assert one.level is Level.WARNING and "A run by hand holds the calendar's slot" in headline(one)


def test_the_checklist_claims_no_review_that_nobody_could_give() -> None:
    """Weekly rows are in the approval form: the page says who reviewed one, or that nobody did; daily ones are not."""
    marked = replace(decision("dba", "dora", "1"), reviewed=frozenset({"G123"}))
    page = text(whole(gate(plan(action(1)), decisions=(marked,))))
    assert page.count("reviewed by dora") == 1
    assert page.count("nobody said that they reviewed it") == 4
    daily = text(daily_report(step("health.system_status")))
    assert "reviewed" not in daily
    there = "People acknowledge these rows on Upkeep’s page Checklists"
    assert there in daily and there not in page
    assert there not in text(daily_report(step("health.system_status"), kind="manual"))
    assert "acknowledged" not in daily + page


def test_a_row_that_nobody_reviewed_though_people_were_asked_is_not_folded() -> None:
    """Good evidence alone folds a row where nobody is asked; where people are, it is to be reviewed as well."""
    evidence = [step(f"evidence.{name}.x", finding("ok", f"{name}:x")) for name in ("patches", "capacity")]

    def parts(planned: Gate) -> tuple[str, str]:
        html = to_html(weekly(*evidence, gate=planned))
        section = html.partition('<section id="checklist">')[2].partition("</section>")[0]
        seen, _, folded = section.partition('<details class="okay">')
        return seen, folded

    marked = replace(decision("dba", "dora", "1"), reviewed=frozenset({"G124"}))
    seen, folded = parts(gate(plan(action(1)), decisions=(marked,)))
    assert "Capacity planning update" in seen and seen.count("nobody said that they reviewed it") == 4
    assert (
        "1 of 5 rows: evidence ok, reviewed" in folded
        and "Security scan results" in folded
        and "reviewed by dora" in folded
    )
    seen, folded = parts(gate(plan(action(1)), decisions=(replace(marked, reviewed=frozenset()),)))
    assert "Security scan results" in seen and folded == ""
    seen, folded = parts(gate(plan()))
    assert "2 of 5 rows: evidence ok<" in folded and "Security scan results" in folded
    assert "nobody was asked" in seen + folded and "nobody said" not in seen + folded
