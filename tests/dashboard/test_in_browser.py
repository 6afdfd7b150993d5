"""The pages in a real browser: for everybody, at a desk and on a phone, with much, with nothing, without a ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Locator

from tests.stages.browser import browser, serious  # noqa: F401  # a fixture
from tests.stages.databases import index, seen, slow, table
from tests.stages.ledger import Ledger
from tests.stages.pages import PEOPLE, Site, config_with, judged, lively, planned, served


def test_the_pages_are_for_everybody(
    browser: Browser,  # noqa: F811
    book: Ledger,
    site: Site,
    today: datetime,
    tmp_path: Path,
) -> None:
    """No violation that axe calls serious, nothing wider than the screen, nothing that the policy blocks.

    At a desk and on a phone in the dark. Of the questions one is his to answer, the other one is not.
    """
    (target,) = site.config.targets
    questions = [f"/questions/maintenance_weekly/scheduled__{target}/approve.{role}" for role in ("dba", "devops")]
    him: dict[str, Any] = {"extra_http_headers": {"X-User": "omar"}}
    sizes: tuple[tuple[int, Any], ...] = ((1300, "light"), (360, "dark"))
    views = [
        browser.new_context(
            viewport={"width": width, "height": 760}, color_scheme=scheme, bypass_csp=True, **him
        ).new_page()
        for width, scheme in sizes
    ]
    real = browser.new_context(**him).new_page()
    said: list[str] = []
    real.on("console", lambda message: said.append(message.text))

    def look(url: str, state: str) -> None:
        for path in (
            "/",
            "/windows",
            "/findings",
            "/trends",
            "/trends?range=2y&with=before",
            "/databases",
            "/databases?of=indexes",
            "/databases?of=statements",
            "/checklists",
            "/guide",
            "/nothing",
            *questions,
        ):
            for (width, _), page in zip(sizes, views, strict=True):
                page.goto(url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{state} {path} {width}"
                assert not serious(page), f"{state} {path} {width}"
            real.goto(url + path)

    with served(config_with(tmp_path / "away", "primary"), lambda: psycopg.connect("host=127.0.0.1 port=1")) as away:
        look(away.url, "without a ledger")
    look(site.url, "empty")
    lively(book, target, today)
    indexes = index("public.error_logs_a_rather_long_name_of_an_index_created_at_idx", 4, 0)
    seen(book, target, today, *table("public.error_logs", 9, 50, 50), *indexes)
    slow(book, target, today, one=2000.0)
    planned(book, target, today)
    site.waiting = {("maintenance_weekly", f"scheduled__{target}", f"approve.{role}", -1) for role in PEOPLE}
    judged(book, site.config, today)
    look(site.url, "a month")
    assert not [text for text in said if "Security Policy" in text]
    for page in (*views, real):
        page.context.close()


@pytest.mark.guide("G31", "G117", "holds")
def test_a_page_follows_the_watch_without_being_loaded_again(
    browser: Browser,  # noqa: F811
    book: Ledger,
    site: Site,
    today: datetime,
) -> None:
    """Home and a trend show the next sample when half a minute has gone by, in the page that is open already."""
    (target,) = site.config.targets

    def sampled(seconds: int, value: float) -> None:
        at = today - timedelta(minutes=5) + timedelta(seconds=seconds)
        book.change(
            """INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
               VALUES (%s, %s, %s, 'ok', 99, jsonb_build_object('response_time', %s), '{}', '')""",
            *(target, at, at, value),
        )

    for number, (path, before, after) in enumerate((("/", 111, 122), ("/trends?of=response_time", 133, 144))):
        sampled(120 * number, before)
        context = browser.new_context(extra_http_headers={"X-User": "omar"})
        page = context.new_page()
        page.clock.install()
        page.goto(site.url + path)
        assert page.get_by_text(f"{before} ms").first.is_visible() and not page.get_by_text(f"{after} ms").count()
        page.evaluate("window.loadedOnce = true")
        sampled(120 * number + 30, after)
        page.clock.run_for(31_000)
        page.get_by_text(f"{after} ms").first.wait_for()
        assert page.evaluate("window.loadedOnce")
        context.close()


def test_the_forms_are_taken_from_a_real_browser(
    browser: Browser,  # noqa: F811
    book: Ledger,
    site: Site,
    today: datetime,
) -> None:
    """What Chromium itself says of where a form comes from is what the pages want to hear, under their own policy."""
    (target,) = site.config.targets
    lively(book, target, today)
    planned(book, target, today)
    judged(book, site.config, today)
    site.waiting = {("maintenance_weekly", f"scheduled__{target}", "approve.devops", -1)}
    context = browser.new_context(extra_http_headers={"X-User": "omar"})
    page = context.new_page()
    page.goto(site.url)
    page.get_by_role("link", name="Answer of the DevOps Engineer").click()
    page.get_by_label("DROP error_logs").uncheck()
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url("**?given=yes")
    ((_, _, answer),) = site.answers
    assert answer["params_input"]["actions"] == ["1", "3"]
    page.goto(f"{site.url}/findings")
    page.get_by_text("Acknowledge: Response time").click()
    page.get_by_label("Why it may be silent").locator("visible=true").fill("known since Monday")
    page.get_by_role("button", name="Acknowledge as omar").locator("visible=true").click()
    page.wait_for_url("**/findings?of=f-*")
    assert page.get_by_role("heading", name="Acknowledged (1)").is_visible()
    context.close()


def test_a_checklist_is_gone_through_by_the_keyboard_alone(
    browser: Browser,  # noqa: F811
    book: Ledger,
    site: Site,
    today: datetime,
) -> None:
    """From Home: its line, the rows of the latest window, one of an earlier one, a comment, Enter."""
    lively(book, site.config.targets[0], today, 2)
    context = browser.new_context(extra_http_headers={"X-User": "omar"})
    page = context.new_page()

    def press(place: Locator, key: str) -> None:
        """Tab on until the focus is there, then press a key."""
        for _ in range(60):
            page.keyboard.press("Tab")
            if place.evaluate("one => one === document.activeElement"):
                return page.keyboard.press(key)
        raise AssertionError(f"{place} was not reached")

    def row(title: str) -> Locator:
        return page.get_by_role("checkbox", name=title)

    page.goto(site.url)
    assert page.get_by_text("15 rows to acknowledge").is_visible()
    press(page.get_by_role("link", name="Go through them"), "Enter")
    page.wait_for_url("**/checklists#daily")
    press(row("Check system health dashboard").first, "Space")
    press(row("Verify backup completion").first, "Space")
    press(page.locator("summary").first, "Enter")
    press(row("Review error logs summary").nth(1), "Space")
    press(page.get_by_role("textbox", name="Comment"), "y")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.get_by_text("Acknowledged by omar").count() == 2
    page.goto(site.url)
    assert page.get_by_text("12 rows to acknowledge").is_visible()
    kept = book.ask(
        """SELECT m.guide, m.comment FROM upkeep.checklist_marks m JOIN upkeep.reports r ON r.id = m.report_id
           JOIN upkeep.windows w ON w.id = r.window_id WHERE w.target = %s ORDER BY m.id""",
        site.config.targets[0],
    )
    assert kept == [("G119", "y"), ("G121", "y"), ("G120", "y")]
    context.close()
