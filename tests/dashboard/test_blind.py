"""Ten things that an operator does, by the keyboard and the accessibility tree alone: no mouse, no place on the screen.

The pages lie under /upkeep, as Airflow mounts them; what Airflow itself would show is its address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Browser, Locator, Page, expect

from tests.stages.browser import browser  # noqa: F401  # a fixture
from tests.stages.days import healthy_day
from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.pages import PEOPLE, Site, as_dashboard, config_with, judged, lively, planned, served, window_of
from upkeep.core.findings import Level
from upkeep.core.windows import Window
from upkeep.ledger.write import add_report
from upkeep.report.page import to_html

STEP = "health.system_status"


@dataclass
class Blind:
    """Somebody who knows a page by what a screen reader says of it."""

    page: Page
    site: Site

    def find(self, role: Any, name: str) -> Locator:
        """What has this role and a name that begins like this."""
        begins = re.escape(name).replace(":", r"\s?:")  # what is hidden to the eye is said with a pause before it
        return self.page.get_by_role(role, name=re.compile(f"^{begins}")).first

    def press(self, place: Locator, key: str = "Enter", backwards: bool = False) -> None:
        """Go on by Tab until the focus is there, then press a key."""
        for _ in range(400):
            self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
            if place.evaluate("one => one === document.activeElement"):
                self.page.keyboard.press(key)
                return
        raise AssertionError(f"{place} was not reached by the keyboard")

    def follow(self, name: str) -> None:
        """A link, to its page."""
        with self.page.expect_navigation():
            self.press(self.find("link", name))

    def unfold(self, name: str) -> None:
        """Something that is folded; Chromium calls it by what it says, and gives it no role."""
        self.press(self.page.get_by_text(re.compile(f"^{re.escape(name)}")).first)

    def submit(self, name: str) -> None:
        """A button that sends its form."""
        with self.page.expect_navigation():
            self.press(self.find("button", name))

    def write(self, name: str, text: str) -> None:
        """Into a field."""
        self.press(self.page.get_by_role("textbox", name=name).first, text[0])
        self.page.keyboard.type(text[1:])

    def at(self, address: str) -> Blind:
        """At one of the pages, the focus at its beginning."""
        self.page.goto(f"{self.site.url}/upkeep/{address}")
        return self

    @property
    def place(self) -> str:
        """Where one is."""
        return unquote(self.page.url.removeprefix(self.site.url))


def airflow_around(app: FastAPI) -> FastAPI:
    """The pages where Airflow mounts them, and in place of each of its own pages its address."""
    airflow = FastAPI()
    airflow.mount("/upkeep", app)

    @airflow.get("/dags/{rest:path}")
    def its_own(rest: str) -> HTMLResponse:
        return HTMLResponse(f"<title>Airflow</title><h1>Airflow: {rest}</h1>")

    @airflow.get("/frame")
    def frame(of: str) -> HTMLResponse:
        flags = "allow-scripts allow-same-origin allow-forms allow-downloads"
        return HTMLResponse(f'<title>f</title><iframe title="Report" sandbox="{flags}" src="{of}"></iframe>')

    return airflow


def report_of(book: Ledger, window: Window, used: str) -> None:
    """The window's report, critical by one metric."""
    subject, seen = "Database connections", f"{used} % of 100 are taken"
    full = finding("metric:database_connections", Level.CRITICAL, subject=subject, detail=seen)
    day = healthy_day(target=window.target, due=window.due, run_id=window.run_id, dag_id=window.dag_id)
    log = f"http://airflow.example/dags/{window.dag_id}/runs/{quote(window.run_id, safe='')}/tasks/{STEP}?try_number=1"
    steps = [replace(one, findings=(full,), log_url=log) if one.step == STEP else one for one in day.steps]
    with book.session() as session:
        add_report(
            session,
            window,
            level="critical",
            headline=f"1 critical — Database connections: {used} %",
            html=to_html(replace(day, steps=tuple(steps))),
            body={"counts": {}, "checklist": []},
        )


@pytest.fixture(scope="module")
def desk(
    browser: Browser,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
    book: Ledger,
    today: datetime,
) -> Iterator[Blind]:
    """A month with missed windows, a plan that waits, two reports a week apart, and omar, who is DevOps Engineer."""
    target = "primary"
    newest = lively(book, target, today)
    sizes = finding("table_sizes", Level.OK, subject="Largest tables", guide="G49")
    write(book, newest, record(sizes, step="database.table_sizes", at=newest.due))
    report_of(book, window_of(target, "daily", newest.due - timedelta(days=7), 23), "71")
    report_of(book, newest, "93")
    planned(book, target, today)
    config = config_with(tmp_path_factory.mktemp("blind"), target)
    judged(book, config, today)
    with served(config, as_dashboard(book), today, airflow_around) as site:
        site.waiting = {("maintenance_weekly", f"scheduled__{target}", f"approve.{role}", -1) for role in PEOPLE}
        context = browser.new_context(extra_http_headers={"X-User": "omar"})
        context.set_default_timeout(10_000)
        yield Blind(context.new_page(), site)
        context.close()


def test_what_is_wrong_is_the_first_thing_that_is_said(desk: Blind) -> None:
    """Home's first heading beneath "Now" names the worst level; its article the cause, since when, whose it is."""
    desk.at("")
    first = desk.page.get_by_role("article").first
    assert first.get_by_role("heading").first.inner_text().lower().startswith("critical")
    assert first.get_by_role("link").first.inner_text() == "Database connections"
    assert "since" in first.inner_text() and "DevOps Engineer" in first.inner_text()
    assert desk.page.get_by_role("region", name="Now").count() == 1


def test_from_what_is_wrong_to_the_failing_tasks_log_in_three_steps(desk: Blind) -> None:
    """Home, the finding, its place in the report, the task's page in Airflow, which has the log."""
    desk.at("").follow("Database connections")
    assert desk.place.startswith("/upkeep/findings?of=f-")
    desk.follow("In the report: Database connections")
    assert "/report#f-" in desk.place
    found = desk.find("heading", "critical Database connections")
    assert found.is_visible() and "93 % of 100 are taken" in desk.page.get_by_role("article").first.inner_text()
    desk.press(desk.page.get_by_role("article").first.get_by_role("link", name="Log"))
    desk.page.wait_for_url("**/dags/maintenance_daily/runs/*/tasks/health.system_status")
    assert desk.place.startswith("/dags/") and desk.find("heading", "Airflow").is_visible()


def test_the_log_is_reached_from_within_airflows_frame(desk: Blind) -> None:
    """The report's link leads the whole tab there, out of the frame that lets no link do so."""
    desk.at("").follow("Newest daily report")
    desk.page.goto(f"{desk.site.url}/frame?of={quote(desk.page.url.removeprefix(desk.site.url))}")
    inside = desk.page.frame_locator("iframe")
    inside.get_by_role("article").first.get_by_role("link", name="Log").press("Enter")
    desk.page.wait_for_url("**/dags/maintenance_daily/runs/*/tasks/health.system_status")
    assert desk.find("heading", "Airflow").is_visible() and not desk.page.get_by_title("Report").count()


def test_a_reports_text_sends_no_form_and_runs_no_script(desk: Blind, book: Ledger, today: datetime) -> None:
    """Though its page has the site's origin: were something to escape the escaping, the page's policy stops it."""
    window = window_of("primary", "weekly", today - timedelta(days=1), run_id="hostile")
    html = """<title>calm</title><script>document.title = "run"</script><body onload="document.title = 'run'">
        <form method="post" action="../../../../windows/waive"><button>Go</button></form></body>"""
    write(book, window)
    with book.session() as session:
        add_report(session, window, level="ok", headline="", html=html, body={"counts": {}})
    desk.at("dags/maintenance_weekly/runs/hostile/report")
    said: list[str] = []
    desk.page.on("console", lambda message: said.append(message.text))
    with desk.page.expect_console_message(lambda message: "form" in message.text):
        desk.press(desk.find("button", "Go"))
    assert desk.place.endswith("/runs/hostile/report") and desk.page.title() == "calm"


@pytest.mark.guide("G31", "holds")
@pytest.mark.guide("G117", "holds")
def test_home_stays_current_by_itself(desk: Blind, book: Ledger, today: datetime) -> None:
    """After thirty seconds it says what the ledger knows by then, and when; nobody has loaded it anew."""
    page = desk.page.context.new_page()
    page.clock.install()
    page.goto(f"{desk.site.url}/upkeep/")
    page.evaluate("window.same = true")
    before = page.title()
    due = today.replace(hour=2)
    found = finding("metric:swap", Level.CRITICAL, subject="Swap space", detail="all of it is taken")
    write(book, window_of("primary", "daily", due, 30), record(found, step="health.server", at=due))
    page.clock.run_for(29_000)
    assert page.title() == before
    page.clock.run_for(2_000)
    expect(page).to_have_title(f"{int(before.partition(' ')[0]) + 1} open · Upkeep")
    assert page.evaluate("window.same")
    page.close()


def test_a_subset_of_a_plan_is_approved(desk: Blind) -> None:
    """From Home: its question, a tick taken away, Approve."""
    desk.site.answers.clear()
    desk.at("").follow("Answer of the DevOps Engineer")
    desk.press(desk.find("checkbox", "DROP error_logs"), "Space")
    assert not desk.find("checkbox", "DROP error_logs").is_checked()
    desk.submit("Approve what is ticked")
    ((_, task, answer),) = desk.site.answers
    assert task[2] == "approve.devops" and answer["chosen_options"] == ["Approve"]
    assert answer["params_input"]["actions"] == ["1", "3"]
    assert desk.place.endswith("?given=yes")


def test_a_plan_is_rejected_with_a_comment(desk: Blind) -> None:
    """The comment's field has a name, and Reject is a button of its own."""
    desk.site.answers.clear()
    desk.at("").follow("Answer of the DevOps Engineer")
    desk.write("Comment, kept with the answer", "not this week")
    desk.submit("Reject all")
    ((_, _, answer),) = desk.site.answers
    assert (answer["chosen_options"], answer["params_input"]["comment"]) == (["Reject"], "not this week")


def test_a_missed_window_is_waived(desk: Blind) -> None:
    """From Home: the missed ones, the newest unfolded, the reason, the button; then it is one fewer."""
    desk.at("").follow("Carry out late, or waive")
    missed = desk.page.get_by_text(re.compile("^Waive the daily window")).count()
    desk.unfold("Waive the daily window")
    desk.write("Why it is given up", "the platform moved that night")
    desk.submit("Waive as omar")
    assert desk.page.get_by_text(re.compile("^Waive the daily window")).count() == missed - 1


def test_a_backfill_begins_in_airflows_own_dialog(desk: Blind) -> None:
    """The command stands there as text, the link leads to where Airflow begins one."""
    desk.at("windows")
    assert desk.page.get_by_text("python -m upkeep backfill daily --target primary").first.is_visible()
    desk.follow("Airflow's backfills of maintenance_daily")
    assert desk.place == "/dags/maintenance_daily/backfills"


def test_a_finding_is_acknowledged(desk: Blind) -> None:
    """Unfolded, why, Enter; it then stands under what is acknowledged, with who and why."""
    desk.at("").follow("Findings")
    desk.unfold("Acknowledge: Response time")
    desk.write("Why it may be silent", "known since Monday")
    with desk.page.expect_navigation():
        desk.page.keyboard.press("Enter")
    known = desk.page.get_by_role("region", name="Acknowledged (1)")
    assert "Response time" in known.inner_text() and "known since Monday" in known.inner_text()


def test_a_row_of_the_daily_checklist_is_acknowledged(desk: Blind) -> None:
    """Each row is a tick that names itself and its window."""
    desk.at("").follow("Go through them")
    row = desk.find("checkbox", "Check system health dashboard in the daily window of")
    desk.press(row, "Space")
    assert row.is_checked()
    desk.submit("Acknowledge what is ticked, as omar")
    assert desk.page.get_by_text("Acknowledged by omar").count() == 1


def test_two_weeks_are_compared(desk: Blind, today: datetime) -> None:
    """A finding's history says each window's level in words; the two reports are found by their dates, each a link."""
    now, then = (f"{today - timedelta(days=days):%Y-%m-%d}" for days in (0, 14))
    desk.at("findings")
    looks = desk.page.get_by_role("article").filter(has_text="Database connections").first.get_by_role("listitem")
    said = looks.all_inner_texts()
    assert any(f"{now} critical" in one for one in said) and any(f"{then} ok" in one for one in said)
    used = []
    for days in (7, 0):
        due = today - timedelta(days=days)
        desk.at(f"windows?month={due:%Y-%m}").follow(f"daily done, critical of {due:%Y-%m-%d}")
        used.append(desk.page.get_by_role("heading", level=1).inner_text())
    assert [re.findall(r"(\d+) % of 100", one) for one in used] == [["71"], ["93"]]


def test_the_guide_says_what_was_found_of_an_item(desk: Blind) -> None:
    """A table with headers of rows and columns; the last result is a link to its place in the report."""
    desk.at("").follow("Guide")
    row = desk.page.get_by_role("row").filter(has=desk.page.get_by_role("rowheader", name="G49", exact=True))
    assert row.count() == 1 and desk.page.get_by_role("columnheader", name="Last result").count()
    assert "ok" in row.inner_text().lower().split() and "database/table_sizes.sql" in row.inner_text()
    with desk.page.expect_navigation():
        desk.press(row.get_by_role("link", name=re.compile("G49 in the report$")))
    assert "/report#f-" in desk.place
