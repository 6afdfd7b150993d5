"""Upkeep's pages in the running Airflow: its navigation, its login and permissions, in a browser, for everybody."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Running, anonymous
from tests.e2e.pages import SLOW, keep, login
from tests.stages.browser import serious

PAGES = (
    "",
    "windows",
    "findings",
    "trends",
    "trends?range=2y",
    "databases",
    "databases?of=indexes",
    "databases?of=statements",
    "checklists",
    "guide",
    "nothing",
)


def test_upkeep_is_one_entry_of_airflows_navigation(browser: Browser, running: Running) -> None:
    """A click opens Home in Airflow's frame, another one any page of ours, and one leaves the frame."""
    run = running.trigger({"groups": ["health", "database"]})
    running.finish(run)
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(SLOW)
    page = context.new_page()
    login(page, running, "dora")
    page.goto(running.sandbox.url)
    page.get_by_role("link", name="Upkeep").first.click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="Now", exact=True)).to_be_visible(timeout=SLOW)
    expect(frame.get_by_text("Agentic Ecosystem").first).to_be_visible()
    expect(frame.get_by_text("CPU usage")).to_be_visible()
    keep(page, "home-in-airflow")
    frame.get_by_role("link", name="Findings", exact=True).click()
    expect(frame.get_by_role("heading", name="Findings by cause")).to_be_visible(timeout=SLOW)
    frame.get_by_role("link", name="Open full page").click()
    page.wait_for_url("**/upkeep/findings")
    expect(page.get_by_role("heading", name="Findings by cause")).to_be_visible()
    page.get_by_role("link", name="Home").first.click()
    page.get_by_role("link", name="Newest daily report").click()
    page.wait_for_url(f"**{running.page(run)}")
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (360, "dark")])
def test_the_pages_are_for_everybody(browser: Browser, running: Running, width: int, scheme: Any) -> None:
    """No violation that axe calls serious, at a desk and on a phone in the dark; nothing wider than the screen."""
    context = browser.new_context(viewport={"width": width, "height": 760}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    login(page, running, "dora")
    for path in PAGES:
        page.goto(f"{running.sandbox.url}/upkeep/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not serious(page)
        keep(page, f"{path.replace('?', '-') or 'home'}-{scheme}")
    context.close()


def test_airflow_says_who_may_look_and_who_may_change(running: Running) -> None:
    """Nobody is let in without a login; a viewer reads, and their form changes nothing."""
    for path in ("/upkeep/", "/upkeep/windows", "/upkeep/findings", "/upkeep/trends", "/upkeep/databases"):
        assert anonymous(running, path).status_code == 401
        read = running.api("viewer").request("GET", path)
        assert read.status_code == 200 and "unsafe" not in read.headers["Content-Security-Policy"]
        assert 'method="post"' not in read.text
    browser = requests.get(
        f"{running.sandbox.url}/upkeep/findings", headers={"Accept": "text/html"}, timeout=30, allow_redirects=False
    )
    assert browser.headers["Location"] == f"../api/v2/auth/login?next={quote('/upkeep/findings', safe='')}"
    here = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    for path in ("/upkeep/findings/acknowledge", "/upkeep/windows/waive"):
        answer = running.api("viewer").request("POST", path, data="why=x&token=x", headers=here)
        assert answer.status_code == 403
