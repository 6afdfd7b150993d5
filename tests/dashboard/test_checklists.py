"""The page of the checklists over real HTTP: rows with evidence and owner, who acknowledges them, and attacks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.stages.ledger import Ledger, write
from tests.stages.pages import (
    HOSTILE,
    Site,
    as_dashboard,
    became,
    config_with,
    planned,
    served,
    window_of,
)
from tests.stages.plans import show
from tests.stages.reports import Page
from upkeep.core.windows import Window, WindowKind
from upkeep.gate import sheets
from upkeep.gate.plan_store import add_plan, add_sheet
from upkeep.gate.plans import model
from upkeep.gate.sheets import Sheet, SheetItem
from upkeep.ledger.write import add_interim, add_report
from upkeep.report.checklist import ITEMS


def reported(book: Ledger, window: Window, *, headline: str = "All ok", **rows: tuple[str, str]) -> int:
    """A report, made when its window was due, whose checklist says (state, evidence) of some rows."""
    said = [
        {"guide": item.guide, "state": state, "evidence": evidence, "acknowledged": None}
        for item in ITEMS[window.cadence]
        for state, evidence in [rows.get(item.guide, ("evidence ok", "1 finding: 1 ok"))]
    ]
    write(book, window)
    with book.session() as session:
        number = add_report(
            session, window, level="ok", headline=headline, html="<p>the report</p>", body={"checklist": said}
        )
    book.change("UPDATE upkeep.reports SET made_at = %s WHERE id = %s", window.due, number)
    return number


def daily(site: Site, days: int = 0, **fields: Any) -> Window:
    """The window of so many days ago."""
    return window_of(site.config.targets[0], "daily", site.now.replace(hour=2) - timedelta(days=days), days, **fields)


def section(html: str, cadence: str) -> str:
    """One cadence of the page."""
    assert "</section>" in html, html
    return html.partition(f'<section aria-labelledby="{cadence}">')[2].partition("</section>")[0]


def row(html: str, title: str, number: int = 0) -> str:
    """What the page says of a row; of several with that title the newest."""
    found = [one for one in re.findall(r"<li>.*?</li>", html, re.DOTALL) if f"<b>{title}</b>" in one]
    return Page(found[number]).text


def choices(html: str) -> list[str]:
    """The names of the rows that the form offers to tick."""
    return re.findall(r'name="choice" value="([^"]+)"', html)


def token(html: str) -> str:
    """What the form carries of whom it was shown to."""
    found = re.search(r'name="token" value="([^"]+)"', html)
    return found[1] if found else ""


def post(site: Site, user: str | None, fields: Any, **headers: str) -> requests.Response:
    """The form as a browser sends it from a page of ours, unless the headers say otherwise."""
    said = {"Sec-Fetch-Site": "same-origin", "Origin": site.url, **headers}
    return site.send("POST", "/checklists/acknowledge", user, {name: v for name, v in said.items() if v}, fields)


def form(site: Site, user: str = "omar") -> dict[str, Any]:
    """The form as somebody sees it, every row ticked."""
    html = site.ask("/checklists", user).text
    return {"token": token(html), "choice": choices(html), "comment": "read with the coffee"}


def marks(book: Ledger, site: Site) -> list[tuple[Any, ...]]:
    """Who acknowledged which row of which window, and what they wrote."""
    return book.ask(
        """SELECT m.guide, m.person, m.role, m.comment FROM upkeep.checklist_marks m
           JOIN upkeep.reports r ON r.id = m.report_id JOIN upkeep.windows w ON w.id = r.window_id
           WHERE w.target = %s ORDER BY m.id""",
        site.config.targets[0],
    )


# The daily rows ------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G118-G122", "holds")
def test_a_row_has_its_evidence_and_owner_and_is_acknowledged_by_who_holds_the_role(book: Ledger, site: Site) -> None:
    """It waits, a person acknowledges it, it says who and when; Home's line for them goes with the last of theirs."""
    reported(book, daily(site), G119=("look at it", "2 findings: 1 warning, 1 ok — CPU usage: 71 %"))
    html = site.ask("/checklists", "omar").text
    health = row(html, "Check system health dashboard")
    assert "look at it: 2 findings: 1 warning, 1 ok — CPU usage: 71 %" in health
    assert "G119 · owner DevOps Engineer" in health and "not acknowledged for 3 hours" in health
    assert "owner Technical Lead, a role that nobody holds" in row(html, "Monitor performance trends")
    run = daily(site).run_id.replace(":", "%3A").replace("+", "%2B")
    assert f"dags/maintenance_daily/runs/{run}/report#checklist" in Page(html).links
    assert "Daily checklist: 5 rows to acknowledge" in Page(site.ask("/", "omar").text).text
    lefts = {"G118": "4 rows", "G119": "3 rows", "G120": "2 rows", "G121": "1 row", "G122": ""}
    for guide, left in lefts.items():
        fields = form(site)
        (choice,) = [one for one in fields["choice"] if one.endswith(f".{guide}")]
        answer = post(site, "omar", fields | {"choice": choice})
        assert (answer.status_code, answer.headers["Location"]) == (303, "../checklists#daily")
        home = Page(site.ask("/", "omar").text).text
        assert f"Daily checklist: {left} to acknowledge" in home if left else "Daily checklist" not in home
    said = row(site.ask("/checklists").text, "Check system health dashboard")
    assert "Acknowledged by omar, DevOps Engineer," in said and ": read with the coffee" in said
    assert "not acknowledged" not in said
    assert marks(book, site) == [(guide, "omar", "devops", "read with the coffee") for guide in lefts]


def test_rows_of_a_role_that_nobody_holds_wait_for_who_owns_what_nobody_else_does(book: Ledger, site: Site) -> None:
    """Two of the five until somebody holds it; whoever they do not wait for is told for whom they do."""
    reported(book, daily(site))
    assert "Daily checklist: 5 rows" in Page(site.ask("/", "omar").text).text
    said = Page(site.ask("/", "dora").text).text
    assert "5 daily rows wait for DevOps Engineer, Technical Lead" in said and "Nobody is asked" not in said
    roles = site.config.maintenance.roles
    led = roles | {"lead": roles["lead"].model_copy(update={"users": ("dora",)})}
    site.people = site.config.maintenance.model_copy(update={"roles": led})
    said = Page(site.ask("/", "omar").text).text
    assert "Daily checklist: 3 rows" in said and "2 daily rows wait for Technical Lead" in said
    assert "Daily checklist: 2 rows" in Page(site.ask("/", "dora").text).text
    assert "nobody holds" not in site.ask("/checklists").text


@pytest.mark.guide("G118-G122", "holds")
def test_rows_that_nobody_acknowledges_age_in_sight(book: Ledger, site: Site) -> None:
    """Those of earlier windows stand below the latest, each with its age; Home names the oldest; what is done goes."""
    for days in (3, 1, 0):
        reported(book, daily(site, days))
    html = section(site.ask("/checklists", "omar").text, "daily")
    summaries = [Page(one).text for one in re.findall(r"<summary>.*?</summary>", html, re.DOTALL)]
    assert [re.sub(r" of .* UTC", "", one) for one in summaries] == [
        "5 rows not acknowledged for 27 hours",
        "5 rows not acknowledged for 3 days",
    ]
    assert "15 rows to acknowledge, the oldest for 3 days" in Page(site.ask("/", "omar").text).text
    fields = form(site)
    oldest = [one for one in fields["choice"] if one.partition(".")[0] == fields["choice"][-1].partition(".")[0]]
    assert len(oldest) == 5  # whoever owns what nobody else does may acknowledge every row
    assert post(site, "omar", fields | {"choice": oldest}).status_code == 303
    assert "for 3 days" not in site.ask("/checklists", "omar").text
    assert "10 rows to acknowledge, the oldest for 27 hours" in Page(site.ask("/", "omar").text).text


def test_many_earlier_windows_do_not_push_the_button_away(book: Ledger, site: Site) -> None:
    """Five stand one by one, the rest folded together; what is ticked can be sent from above and from below them."""
    for days in range(9):
        reported(book, daily(site, days))
    html = section(site.ask("/checklists", "omar").text, "daily")
    assert html.count("Acknowledge what is ticked, as omar") == 2 and len(choices(html)) == 45
    assert html.index("Acknowledge what is ticked") < html.index("<details>") < html.index("and 3 earlier windows with")


def test_of_several_targets_the_latest_rows_stand_and_a_link_has_the_earlier_ones(
    book: Ledger, window: Window, tmp_path: Path, today: datetime
) -> None:
    """How many, how old the oldest is; the target's own page has them all, and its form comes back there."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        for days in range(4):
            reported(book, daily(site, days))
        html = section(site.ask("/checklists", "omar").text, "daily")
        assert len(choices(html)) == 5 and "15 rows of 3 earlier windows" in Page(html).text
        assert "the oldest not acknowledged for 3 days" in Page(html).text
        (link,) = [link for link in Page(html).links if link.startswith("checklists?")]
        assert link == f"checklists?target={window.target}#daily"
        alone = site.ask(f"/{link.partition('#')[0]}", "omar").text
        assert len(choices(alone)) == 20 and f"<h3>{other}" not in alone
        fields = {"token": token(alone), "choice": choices(alone)[5:], "comment": "", "target": window.target}
        answer = post(site, "omar", fields)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"../{link}")
        assert "earlier window" not in site.ask("/checklists", "omar").text
        assert post(site, "omar", fields | {"target": HOSTILE}).headers["Location"] == "../checklists#daily"
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        assert site.ask(f"/checklists?target={other}", "omar").status_code == 404


def test_rows_that_are_too_old_to_be_listed_are_counted(book: Ledger, site: Site) -> None:
    """Two windows of more than a month ago, of which some rows were acknowledged; with the last one the line goes."""
    book.change("DELETE FROM upkeep.checklist_marks")  # of other tests: the first of all counts
    numbers = [reported(book, daily(site, days)) for days in (40, 31, 0)]
    reported(book, daily(site, 95))  # too old to be counted
    first = daily(site, 95).due
    mark = """INSERT INTO upkeep.checklist_marks (report_id, guide, person, role, comment, marked_at)
              VALUES (%s, %s, 'omar', 'devops', '', %s)"""
    book.change(mark, numbers[0], "G118", first)
    assert "9 rows of 30 to 90 days ago were not acknowledged" in Page(site.ask("/checklists", "omar").text).text
    guides = ("G118", "G119", "G120", "G121", "G122")
    for number, guide in [(number, guide) for number in numbers[:2] for guide in guides][1:9]:
        book.change(mark, number, guide, first)
    assert "1 row of 30 to 90 days ago was not acknowledged" in Page(site.ask("/checklists", "omar").text).text
    book.change(mark, numbers[1], "G122", first)
    assert "90 days ago" not in site.ask("/checklists", "omar").text


def test_old_rows_that_nobody_was_to_acknowledge_are_not_counted(book: Ledger, site: Site) -> None:
    """Of before the first acknowledgement, those that a later window had taken over, of a dry run.

    The body of a report in time is not read for it: it is large.
    """
    book.change("DELETE FROM upkeep.checklist_marks")
    reported(book, daily(site, 60))
    assert "90 days ago" not in site.ask("/checklists", "omar").text  # nobody has acknowledged a row yet
    number = reported(book, daily(site, 50))
    late = reported(book, daily(site, 40), G119=("superseded", "by the next window"))
    reported(book, daily(site, 35), headline="Dry run: nothing was asked")
    book.change("UPDATE upkeep.reports SET made_at = made_at + interval '9 hours' WHERE id = %s", late)
    book.change("UPDATE upkeep.reports SET body = 'no JSON' WHERE id = %s", number)
    book.change(
        """INSERT INTO upkeep.checklist_marks (report_id, guide, person, role, comment, marked_at)
           VALUES (%s, 'G118', 'omar', 'devops', '', %s)""",
        number,
        daily(site, 50).due,
    )
    assert "8 rows of 30 to 90 days ago were not acknowledged" in Page(site.ask("/checklists", "omar").text).text


def test_a_window_with_time_left_or_with_a_report_of_no_rows_is_not_called_silent(book: Ledger, site: Site) -> None:
    """One that still runs, one that a later one has superseded and a dry run; once the deadline is over it is said."""
    running = daily(site, deadline=site.now + timedelta(minutes=1))
    write(book, running)
    became(book, running, "open")
    for days, headline in ((1, "Superseded by the window of 2026-05-10 03:00 UTC: nothing"), (2, "Dry run: nothing")):
        became(book, daily(site, days), "done")
        reported(book, daily(site, days), headline=headline)
    assert "has no report" not in site.ask("/checklists", "omar").text
    site.now += timedelta(minutes=2)
    said = Page(section(site.ask("/checklists", "omar").text, "daily")).text
    assert f"The window of {running.due:%Y-%m-%d %H:%M} UTC has no report yet. Its deadline has passed" in said
    assert "earlier window" not in said and "were not looked at" not in said


def test_a_window_that_was_due_and_has_no_report_says_so(book: Ledger, site: Site) -> None:
    """Missed, with the way to its remedy; not once it has its report, nor where it was waived."""
    for days, state in ((3, "done"), (1, "waived")):
        became(book, daily(site, days), state)
    reported(book, daily(site, 3))
    assert "has no report" not in site.ask("/checklists", "omar").text
    became(book, daily(site, 2), "missed", "no run began before its deadline")
    became(book, daily(site, 0), "missed", "no run began before its deadline")
    html = section(site.ask("/checklists", "omar").text, "daily")
    due = daily(site).due
    said = f"The window of {due:%Y-%m-%d %H:%M} UTC has no report: it was missed (and 1 earlier window within 30 days)"
    assert said in Page(html).text and "windows#missed" in Page(html).links
    reported(book, daily(site, 2))
    assert "earlier window" not in site.ask("/checklists", "omar").text
    reported(book, daily(site, 0))
    assert "has no report" not in site.ask("/checklists", "omar").text


def test_the_latest_window_is_the_calendars_and_a_run_by_hand_says_so(book: Ledger, site: Site) -> None:
    """Its open rows stand below, under its own name; alone it stands first, and says that it was run by hand."""
    (target,) = site.config.targets
    by_hand = window_of(target, "weekly", site.now - timedelta(hours=1), 2, kind=WindowKind.MANUAL, run_id="manual__1")
    reported(book, by_hand)
    html = section(site.ask("/checklists", "omar").text, "weekly")
    assert "run by hand" in html and "<details>" not in html
    scheduled = window_of(target, "weekly", site.now - timedelta(days=2))
    reported(book, scheduled)
    html = section(site.ask("/checklists", "omar").text, "weekly")
    first, _, below = html.partition("<details>")
    assert f"Report of {scheduled.due:%Y-%m-%d %H:%M} UTC" in Page(first).text and "run by hand" not in first
    assert "UTC, run by hand, not acknowledged" in Page(below).text


def test_only_what_is_shown_is_read_of_a_report(book: Ledger, site: Site) -> None:
    """A body that is no JSON fails a page that reads it: of a window that is gone through the body is left alone."""
    older, newest = reported(book, daily(site, 1)), reported(book, daily(site))
    fields = form(site)
    done = [one for one in fields["choice"] if one.startswith(f"{older}.")]
    assert len(done) == 5 and post(site, "omar", fields | {"choice": done}).status_code == 303
    book.change("UPDATE upkeep.reports SET body = 'no JSON' WHERE id = %s", older)
    assert len(choices(site.ask("/checklists", "omar").text)) == 5
    assert site.ask("/", "omar").status_code == 200
    book.change("UPDATE upkeep.reports SET body = 'no JSON' WHERE id = %s", newest)
    assert site.ask("/checklists", "omar").status_code == 503


def test_rows_that_a_later_window_has_taken_over_ask_nobody(book: Ledger, site: Site) -> None:
    """A window carried out late: what it could not see any more says so, and what it could still see waits."""
    late = daily(site, 1)
    number = reported(book, late, G119=("superseded", "System status: superseded: by the next window"))
    assert "15 rows" not in site.ask("/", "omar").text
    book.change("UPDATE upkeep.reports SET made_at = %s WHERE id = %s", late.due + timedelta(hours=9), number)
    html = site.ask("/checklists", "omar").text
    health = row(html, "Check system health dashboard")
    assert "superseded: System status: superseded: by the next window" in health and "not acknowledged" not in health
    assert len(choices(html)) == 4 and f"{number}.G119" not in choices(html)
    assert "Daily checklist: 4 rows to acknowledge" in Page(site.ask("/", "omar").text).text
    assert post(site, "omar", form(site) | {"choice": f"{number}.G119"}).status_code == 404


def test_an_interim_report_after_the_final_one_changes_no_row(book: Ledger, site: Site) -> None:
    """The final report's rows stay, and with them what was acknowledged."""
    window = window_of(site.config.targets[0], "weekly", site.now - timedelta(days=1))
    reported(book, window, G123=("look at it", "FINAL"))
    interim(book, window)
    review = row(section(site.ask("/checklists").text, "weekly"), "Performance optimization review")
    assert "FINAL" in review and "3 advisory" not in review


def test_what_has_looked_at_nothing_asks_nobody(book: Ledger, site: Site) -> None:
    """A dry run, a superseded plan, a run by hand, one of more than a month ago: no row of them waits."""
    reported(book, daily(site), headline="Dry run: nothing was asked")
    weekly = window_of(site.config.targets[0], "weekly", site.now - timedelta(days=1))
    reported(book, weekly, headline="Superseded by the window of 2026-05-10 03:00 UTC: nothing had to be done")
    reported(book, daily(site, 2, kind=WindowKind.MANUAL, run_id="manual__1"))
    reported(book, daily(site, 40))
    html = site.ask("/checklists", "omar").text
    assert choices(html) == [] and "No daily window has written a report within 30 days" in html
    assert "No weekly window has written a report within 65 days" in html
    assert "Daily checklist" not in site.ask("/", "omar").text


def test_a_windows_reports_are_found_by_an_index(book: Ledger) -> None:
    """Each load of Home asks for the newest report of every window."""
    led = {name for (name,) in book.ask("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%%(window_id%%'")}
    assert {"reports_window_idx", "interim_reports_window_idx", "shown_window_idx"} <= led


def test_a_window_that_is_reported_anew_asks_anew(book: Ledger, site: Site) -> None:
    """What was acknowledged is a row of one report; the newest counts, and the older one takes no mark any more."""
    reported(book, daily(site))
    before = form(site)
    assert post(site, "omar", before | {"choice": before["choice"][0]}).status_code == 303
    reported(book, daily(site), G118=("look at it", "1 finding: 1 critical"))
    assert len(choices(site.ask("/checklists", "omar").text)) == 5
    first = before["choice"][0].partition(".")[0]
    book.change("UPDATE upkeep.reports SET made_at = made_at - interval '1 hour' WHERE id = %s", first)
    assert "not acknowledged for 4 hours" in row(site.ask("/checklists").text, "Review error logs summary")
    late = post(site, "omar", before | {"choice": before["choice"][1]})
    assert late.status_code == 404 and "as they were reported last" in late.text


# What the forms of plans and months say ------------------------------------------------------------------------------


def decided(book: Ledger, digest: str, role: str, person: str, ids: list[str], reviewed: list[str]) -> None:
    """A role's answer, an hour before now as the ledger's clock has it, without a signature."""
    book.change(
        """INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)
           SELECT id, digest, role, %s, %s, %s, 'fine', now() - interval '1 hour' FROM upkeep.shown
           WHERE (digest, role) = (%s, %s)""",
        *(person, ids, reviewed, digest, role),
    )


def interim(book: Ledger, window: Window, acknowledged: list[str] | None = None) -> None:
    """What was known when people were asked."""
    said = [
        {"guide": item.guide, "state": "look at it", "evidence": "3 findings: 3 advisory", "acknowledged": acknowledged}
        for item in ITEMS[window.cadence]
    ]
    with book.session() as session:
        add_interim(session, window, "<p>so far</p>", {"checklist": said})


@pytest.mark.guide("G123-G127", "holds")
def test_a_weekly_row_shows_the_question_that_waits_and_then_who_reviewed_it(
    book: Ledger, site: Site, today: datetime
) -> None:
    """It is marked in the plan's form and nowhere else: this page has no tick for it."""
    (target,) = site.config.targets
    plan = planned(book, target, today)
    interim(book, window_of(target, "weekly", plan.due, run_id=plan.run_id))
    site.waiting = {("maintenance_weekly", f"scheduled__{target}", f"approve.{role}", -1) for role in ("dba", "devops")}
    html = section(site.ask("/checklists", "dora").text, "weekly")
    review = row(html, "Performance optimization review")
    assert "look at it: 3 findings: 3 advisory" in review and "owner Database Administrator" in review
    assert "Asked of Database Administrator (dora, vito): answer" in review
    assert "Asked of DevOps Engineer (omar): look at the question" in review
    assert f"questions/maintenance_weekly/scheduled__{target}/approve.dba" in Page(html).links
    assert choices(html) == [] and "not acknowledged yet" in review
    decided(book, model.digest(model.canonical(plan)), "dba", "dora", ["1"], ["G123"])
    html = section(site.ask("/checklists").text, "weekly")
    assert "Reviewed by dora, Database Administrator," in row(html, "Performance optimization review")
    assert "not acknowledged" not in row(html, "Performance optimization review")
    assert "Asked of DevOps Engineer" in row(html, "Security scan results")
    site.waiting = set()
    html = section(site.ask("/checklists").text, "weekly")
    assert "Nobody marked it as reviewed with their answer" in row(html, "Security scan results")


def test_an_answer_to_a_deleted_run_is_none_to_its_successor(book: Ledger, site: Site, today: datetime) -> None:
    """The run's id is given again: what was said of the one is not said of the other, whose question waits."""
    (target,) = site.config.targets
    plan = planned(book, target, today)
    window = window_of(target, "weekly", plan.due, run_id=plan.run_id)
    interim(book, window)
    decided(book, model.digest(model.canonical(plan)), "dba", "dora", ["1"], ["G123"])
    review = row(section(site.ask("/checklists").text, "weekly"), "Performance optimization review")
    assert "Reviewed by dora" in review and "not acknowledged" not in review
    anew = replace(plan, instance="2")
    interim(book, replace(window, instance="2"))
    with book.session() as session:
        digest = add_plan(session, replace(window, instance="2"), anew, {}, ()).digest
    show(book, digest, "dba", list(anew.ids_for("dba")), ["dora", "vito"])
    site.waiting = {("maintenance_weekly", plan.run_id, "approve.dba", -1)}
    review = row(section(site.ask("/checklists", "dora").text, "weekly"), "Performance optimization review")
    assert "dora," not in review.partition("Asked of")[0] and "not acknowledged" in review
    assert "Asked of Database Administrator (dora, vito): answer" in review


@pytest.mark.guide("G128-G132", "holds")
def test_a_monthly_row_shows_what_its_owner_said_of_the_task(book: Ledger, site: Site, today: datetime) -> None:
    """Attested with who and when, declined, not asked; what the report does not count is no acknowledgement."""
    (target,) = site.config.targets
    window = window_of(target, "monthly", today - timedelta(hours=1), run_id=f"scheduled__{target}")
    write(book, window)
    items = tuple(SheetItem(task, "devops", task, "G25", "ab" * 32, "1 finding") for task in ("recovery", "cost"))
    soon = today + timedelta(hours=1)
    sheet = Sheet(
        sheets.ATTEST, target, "monthly", window.dag_id, window.run_id, window.due, soon, items, window.instance
    )
    with book.session() as session:
        digest = add_sheet(session, window, sheet, {}).digest
    show(book, digest, "devops", ["recovery", "cost"], ["omar"], "attest")
    interim(book, window)
    site.waiting = {("maintenance_monthly", window.run_id, "attest.devops", -1)}
    html = section(site.ask("/checklists", "omar").text, "monthly")
    assert "Asked of DevOps Engineer (omar): answer" in row(html, "Disaster recovery test")
    assert f"questions/maintenance_monthly/scheduled__{target}/attest.devops" in Page(html).links
    site.waiting = set()
    html = section(site.ask("/checklists").text, "monthly")
    assert "Nobody answered" in row(html, "Disaster recovery test")
    assert "owner Security Engineer" in row(html, "Full security audit")
    assert "Nobody was asked of it" in row(html, "Full security audit")
    decided(book, digest, "devops", "omar", ["recovery"], [])
    html = section(site.ask("/checklists").text, "monthly")
    attested, declined = row(html, "Disaster recovery test"), row(html, "Cost optimization review")
    assert "Attested by omar, DevOps Engineer," in attested and "not acknowledged" not in attested
    assert "not yet checked by a report" in attested and "not yet checked" not in declined
    for acknowledged, open_ in (
        (["omar"], False),
        (None, True),
    ):  # the evidence has changed since, and it is asked anew
        interim(book, window, acknowledged=acknowledged)
        html = section(site.ask("/checklists").text, "monthly")
        assert ("not acknowledged" in row(html, "Disaster recovery test")) is open_
        assert "not yet checked" not in html
    assert "Declined to attest by omar, DevOps Engineer," in declined and "not acknowledged" in declined
    said = [{"guide": "G129", "state": "evidence ok", "evidence": "", "acknowledged": ["omar"]}]
    for acknowledged, open_ in ((["omar"], False), (None, True)):
        said[0]["acknowledged"] = acknowledged
        with book.session() as session:
            add_report(session, window, level="ok", headline="h", html="", body={"checklist": said})
        html = section(site.ask("/checklists").text, "monthly")
        assert ("not acknowledged" in row(html, "Disaster recovery test")) is open_
    assert "which the report does not count" in row(html, "Disaster recovery test")


def test_a_weekly_window_that_asked_nobody_says_so(book: Ledger, site: Site) -> None:
    """The latest stands whole, an earlier one with its open rows; without any report it says that too."""
    assert "No weekly window has written a report within 65 days" in section(site.ask("/checklists").text, "weekly")
    for days in (7, 0):
        reported(book, window_of(site.config.targets[0], "weekly", site.now - timedelta(days=days, hours=1), days))
    html = section(site.ask("/checklists").text, "weekly")
    assert html.count("Nobody was asked of it") == 10 and "5 rows of" in html and "for 7 days" in html


@pytest.mark.parametrize("cadence", ["weekly", "monthly"])
def test_what_nobody_is_asked_about_is_acknowledged_here(book: Ledger, site: Site, cadence: str) -> None:
    """A plan without actions, a freeze: its owner goes through it, and it ages no more; the wrong role may not."""
    window = window_of(site.config.targets[0], cadence, site.now - timedelta(days=3))
    write(book, window)
    interim(book, window)
    assert choices(site.ask("/checklists", "omar").text) == []  # somebody may be asked yet
    book.change("UPDATE upkeep.interim_reports SET made_at = %s", window.due - timedelta(minutes=1))
    reported(book, window)
    fields = form(site)
    assert len(fields["choice"]) == 5 and "for 3 days" in section(site.ask("/checklists").text, cadence)
    assert post(site, "uma", fields).status_code == 403 and marks(book, site) == []
    answer = post(site, "omar", fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"../checklists#{cadence}")
    html = section(site.ask("/checklists", "omar").text, cadence)
    assert post(site, "omar", fields).status_code == 303  # a second click
    assert html.count("Acknowledged by") == 5 and "not acknowledged" not in html and choices(html) == []


def test_a_row_that_somebody_is_asked_about_takes_no_mark(book: Ledger, site: Site, today: datetime) -> None:
    """Whatever is sent; when the answer left its tick out, its owner may say so here."""
    (target,) = site.config.targets
    plan = planned(book, target, today)
    number = reported(book, window_of(target, "weekly", plan.due, run_id=plan.run_id))
    fields = form(site)
    assert fields["choice"][0] == f"{number}.G123"
    site.waiting = {("maintenance_weekly", plan.run_id, "approve.dba", -1)}
    assert post(site, "omar", fields).status_code == 404 and marks(book, site) == []
    decided(book, model.digest(model.canonical(plan)), "dba", "dora", ["1"], [])
    site.waiting = set()
    assert "Nobody marked it as reviewed" in row(site.ask("/checklists").text, "Performance optimization review")
    assert post(site, "dora", form(site, "dora") | {"choice": f"{number}.G123"}).status_code == 303
    assert [(guide, role) for guide, _, role, _ in marks(book, site)] == [("G123", "dba")]


# Bad input and attacks -----------------------------------------------------------------------------------------------


def test_who_may_not_acknowledge_a_row_is_refused_whatever_they_send(book: Ledger, site: Site) -> None:
    """Nobody, a viewer, one without a role, a viewer with one, the wrong role, another's form: and nothing is kept."""
    reported(book, daily(site))
    fields = form(site)
    for user in ("vera", "uma", "vito", "dora"):
        html = site.ask("/checklists", user).text
        assert not choices(html) and "to be acknowledged by a DevOps Engineer" in html
    for user, status in ((None, 401), ("vera", 403), ("uma", 403), ("vito", 403), ("dora", 403)):
        assert post(site, user, fields).status_code == status
    site.hidden = frozenset({"maintenance_daily"})
    assert post(site, "omar", fields).status_code == 403
    site.hidden = frozenset()
    site.people = site.config.maintenance.model_copy(update={"people": {}})
    roles = site.config.maintenance.roles
    nobody = {name: role.model_copy(update={"users": ()}) for name, role in roles.items()}
    site.people = site.config.maintenance.model_copy(update={"roles": nobody})
    refused = post(site, "omar", fields)  # no longer in the role since the page was shown
    assert refused.status_code == 403 and "expected a DevOps Engineer" in refused.text
    assert marks(book, site) == []


def test_the_wrong_role_with_a_form_of_its_own_is_refused(book: Ledger, site: Site) -> None:
    """The Technical Lead sees the rows of that role, and may tick no other."""
    roles = site.config.maintenance.roles
    led = roles | {"lead": roles["lead"].model_copy(update={"users": ("dora",)})}
    site.people = site.config.maintenance.model_copy(update={"roles": led})
    reported(book, daily(site))
    hers, his = form(site, "dora"), form(site)
    assert [one.partition(".")[2] for one in hers["choice"]] == ["G118", "G122"]
    assert post(site, "dora", hers | {"choice": his["choice"]}).status_code == 403
    assert marks(book, site) == []
    assert post(site, "dora", hers).status_code == 303
    assert [(guide, role) for guide, _, role, _ in marks(book, site)] == [("G118", "lead"), ("G122", "lead")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "", "Origin": ""},
    ],
)
def test_a_form_of_another_site_acknowledges_nothing(book: Ledger, site: Site, headers: dict[str, str]) -> None:
    """Though it has the login and even the token."""
    reported(book, daily(site))
    answer = post(site, "omar", form(site), **headers)
    assert answer.status_code == 403 and "does not come from this site" in answer.text
    assert marks(book, site) == []


@pytest.mark.parametrize(
    ("choice", "status"),
    [
        ([], 400),
        (["0.G118"], 404),
        (["G118"], 404),
        (["{report}.G123"], 404),
        (["{report}.G1 OR 1=1"], 404),
        ([HOSTILE], 404),
        (["{report}.G118", "{report}.G999"], 404),
        (["{report}.G118", "{report}.G118"], 303),
    ],
)
def test_what_is_no_row_is_refused_and_with_it_all_that_was_ticked(
    book: Ledger, site: Site, choice: list[str], status: int
) -> None:
    """In words; the same row twice is one."""
    report = reported(book, daily(site))
    answer = post(site, "omar", form(site) | {"choice": [one.replace("{report}", str(report)) for one in choice]})
    assert answer.status_code == status and (status == 303 or "Nothing was changed" in answer.text)
    assert len(marks(book, site)) == (status == 303)
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("forged", ["", "a.b.c"])
def test_a_form_without_its_token_is_refused(book: Ledger, site: Site, forged: str) -> None:
    """It was not shown to whoever sends it."""
    reported(book, daily(site))
    assert post(site, "omar", form(site) | {"token": forged}).status_code == 403
    assert marks(book, site) == []


def test_acknowledging_twice_keeps_the_first(book: Ledger, site: Site) -> None:
    """Somebody else is told so, also where it came with a row that is open; a second click of one's own is none."""
    reported(book, daily(site))
    fields = form(site)
    assert post(site, "omar", fields | {"choice": fields["choice"][0]}).status_code == 303
    roles = site.config.maintenance.roles
    both = roles | {"devops": roles["devops"].model_copy(update={"users": ("omar", "dora")})}
    site.people = site.config.maintenance.model_copy(update={"roles": both})
    again = post(site, "dora", fields | {"token": form(site, "dora")["token"], "comment": "another"})
    assert again.status_code == 409 and "is acknowledged already" in again.text
    assert post(site, "omar", fields | {"choice": fields["choice"][0], "comment": "another"}).status_code == 303
    assert [(guide, comment) for guide, _, _, comment in marks(book, site)] == [("G118", "read with the coffee")]


def test_another_targets_row_is_not_found(book: Ledger, window: Window, tmp_path: Path, today: datetime) -> None:
    """By number, though the person holds the role: the target is one that they may not read."""
    other = f"{window.target}_b"
    with served(config_with(tmp_path, window.target, other), as_dashboard(book), today) as site:
        reported(book, daily(site))
        theirs = reported(book, window_of(other, "daily", today.replace(hour=2)))
        site.hidden = frozenset({f"maintenance_daily__{other}"})
        assert post(site, "omar", form(site) | {"choice": f"{theirs}.G119"}).status_code == 404
        assert other not in site.ask("/checklists", "omar").text
        assert book.ask("SELECT count(*) FROM upkeep.checklist_marks WHERE report_id = %s", theirs) == [(0,)]


def test_hostile_text_stays_text(book: Ledger, site: Site) -> None:
    """In the evidence and in a comment, which is kept in one line."""
    reported(book, daily(site, run_id=f"scheduled__{HOSTILE}"), G119=(HOSTILE, HOSTILE))
    fields = form(site)
    (choice,) = [one for one in fields["choice"] if one.endswith(".G120")]
    assert post(site, "omar", fields | {"choice": choice, "comment": f"{HOSTILE}\n\n{'x' * 500}"}).status_code == 303
    html = site.ask("/checklists").text
    assert "<script>alert" not in html and "\u202e" not in html and "&lt;script&gt;" in html
    ((_, _, _, comment),) = marks(book, site)
    assert len(comment) == 200 and "\n" not in comment


def test_the_ledger_away_is_said(empty_database: str, tmp_path: Path) -> None:
    """503 that tries again, for whoever may see the page; the others are refused or led to the login before."""
    with served(config_with(tmp_path, "primary"), lambda: psycopg.connect(f"{empty_database} port=1")) as site:
        assert site.ask("/checklists").status_code == 503 and site.ask("/checklists", None).status_code == 401
        assert site.ask("/checklists", None, Accept="text/html").status_code == 303
