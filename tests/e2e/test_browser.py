"""What an operator sees and clicks, in a real browser on the running sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.attacks import Attacks
from tests.e2e.conftest import DAG, Running
from tests.e2e.pages import SLOW, keep, login
from tests.e2e.weekly import DAG as WEEKLY


@pytest.fixture(scope="module")
def desk(browser: Browser, running: Running) -> Iterator[BrowserContext]:
    """The browser of an operator who has logged in; it keeps Airflow's scripts from one page to the next."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(SLOW)
    opened = context.new_page()
    login(opened, running, "operator")
    opened.close()
    yield context
    context.close()


@pytest.fixture
def page(desk: BrowserContext) -> Iterator[Page]:
    """A page of the operator."""
    opened = desk.new_page()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def run(running: Running) -> str:
    """A finished run with an unknown finding in it."""
    running.fault({"error-tracking": "http_500"})
    started = running.trigger()
    running.finish(started)
    running.fault({})
    return started


def test_the_graph_reads_like_the_guide(page: Page, running: Running, run: str) -> None:
    """Groups, ends and steps of the daily window are in plain sight."""
    page.goto(f"{running.sandbox.url}/dags/{DAG}/runs/{quote(run)}")
    for name in ("open_window", "health", "errors", "database", "report", "verdict"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=SLOW)
    keep(page, "grid")
    page.get_by_label("Show Graph").or_(page.get_by_role("button", name="Graph")).first.click()
    expect(page.locator(".react-flow__node").first).to_be_visible(timeout=SLOW)
    keep(page, "graph")


def test_the_report_tab_shows_the_report(page: Page, running: Running, run: str) -> None:
    """The run's Report tab holds the page: the silent function as one story, first, with what depends on it beneath.

    A finding's link to its log leads out of the frame, to Airflow's own page of the task.
    """
    page.goto(f"{running.sandbox.url}/dags/{DAG}/runs/{quote(run)}")
    page.get_by_role("link", name="Report", exact=True).click()
    first = page.frame_locator("iframe").locator("article.finding").first
    expect(first.get_by_text("error-tracking does not answer").first).to_be_visible(timeout=SLOW)
    assert "unknown" in first.locator(".level").first.inner_text().lower().split()
    first.locator("summary").first.click()
    expect(first.get_by_text("errors.get_error_analytics").first).to_be_visible()
    keep(page, "report")
    asked = first.get_by_role("article").filter(has_text="Key step:errors.get_error_analytics")
    asked.get_by_role("link", name="Log").click()
    page.wait_for_url(f"**/dags/{DAG}/runs/*/tasks/errors.get_error_analytics*", timeout=SLOW)
    expect(page.get_by_role("link", name="Logs").first).to_be_visible(timeout=SLOW)


def test_the_verdict_task_links_the_report(page: Page, running: Running, run: str) -> None:
    """The link among the task's details leads to the same page."""
    page.goto(f"{running.sandbox.url}/dags/{DAG}/runs/{quote(run)}/tasks/verdict/details")
    link = page.get_by_role("link", name="Report", exact=True).first
    expect(link).to_be_visible(timeout=SLOW)
    assert running.page(run) in (link.get_attribute("href") or "")


def test_the_list_of_reports_leads_on(page: Page, running: Running, run: str) -> None:
    """The DAG's Reports tab lists reports, and a click opens one."""
    page.goto(f"{running.sandbox.url}/dags/{DAG}/plugin/upkeep_reports")
    frame = page.frame_locator("iframe")
    first = frame.locator("article a").first
    expect(first).to_be_visible(timeout=SLOW)
    first.click()
    expect(frame.get_by_text("Findings").first).to_be_visible(timeout=SLOW)


def test_the_report_fits_a_phone(browser: Browser, running: Running, run: str) -> None:
    """At 360 pixels nothing is wider than the screen, in the dark as by day."""
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 760}, color_scheme=scheme)  # type: ignore[arg-type]
        opened = context.new_page()
        login(opened, running, "viewer")
        opened.goto(f"{running.sandbox.url}{running.page(run)}")
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360
        keep(opened, f"phone-{scheme}")
        context.close()


def test_the_trigger_form_offers_groups_and_dry_run_only(page: Page, running: Running) -> None:
    """A person can choose groups and a dry run, trigger, and read that nothing was asked."""
    page.goto(f"{running.sandbox.url}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    expect(page.get_by_text("Dry run").first).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("Groups").first).to_be_visible(timeout=SLOW)
    keep(page, "trigger")
    for absent in ("target", "interval", "connection", "sql", "url"):
        assert page.get_by_label(absent, exact=True).count() == 0


def test_a_person_approves_in_airflows_own_form(browser: Browser, running: Running) -> None:
    """The Database Administrator clicks Approve at a desk, the DevOps Engineer on a phone; the ledger knows both."""
    weekly = Attacks(running)
    weekly.make_dirty("clicked")
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(SLOW)
    small = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    small.set_default_timeout(SLOW)
    try:
        started = weekly.trigger()
        weekly.asked(started)
        opened = context.new_page()
        login(opened, running, "dora")
        path = f"/dags/{WEEKLY}/runs/{quote(started)}/tasks/approve.dba/required_actions"
        opened.goto(f"{running.sandbox.url}{path}")
        expect(opened.get_by_text("OUTSIDE THE CALENDAR").first).to_be_visible(timeout=SLOW)
        expect(opened.get_by_text('VACUUM (ANALYZE, TRUNCATE false) "public"."clicked"').first).to_be_visible()
        keep(opened, "approval")
        opened.get_by_role("button", name="Approve", exact=True).click()
        weekly.until(started, "approve.dba", "success")
        assert weekly.decisions(started) == {"dba": ("dora", sorted(weekly.ids(started, "dba")))}
        on_a_phone(small, running, f"/dags/{WEEKLY}/runs/{quote(started)}/required_actions")
        weekly.until(started, "approve.devops", "success")
        assert weekly.decisions(started)["devops"] == ("omar", sorted(weekly.ids(started, "devops")))
    finally:
        context.close()
        small.close()
        weekly.end()
        weekly.drop("clicked")


def on_a_phone(context: BrowserContext, running: Running, path: str) -> None:
    """Open the run's questions: what is asked fits the screen and is answered there."""
    opened = context.new_page()
    login(opened, running, "omar")
    opened.goto(f"{running.sandbox.url}{path}")
    dialog = opened.get_by_role("dialog")
    asked = dialog.get_by_text('VACUUM (ANALYZE, TRUNCATE false) "public"."clicked"').first
    asked.scroll_into_view_if_needed(timeout=SLOW)
    keep(opened, "approval_phone")
    box = asked.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    approve = dialog.get_by_role("button", name="Approve", exact=True)
    approve.scroll_into_view_if_needed()
    keep(opened, "approval_phone_buttons")
    approve.click()


def test_text_out_of_log_tables_stays_text(browser: Browser, running: Running) -> None:
    """A message with a script in error_logs is shown, and runs nowhere (the page is a sandbox)."""
    context = browser.new_context()
    opened = context.new_page()
    dialogs: list[str] = []
    opened.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    login(opened, running, "viewer")
    finished = running.trigger({"groups": ["errors"]})
    running.finish(finished)
    opened.goto(f"{running.sandbox.url}{running.page(finished)}")
    opened.wait_for_load_state("networkidle")
    assert opened.locator("script").count() == 0
    assert dialogs == []
    context.close()
