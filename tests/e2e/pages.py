"""What tests of pages do in a browser: log in, and keep a screenshot for people to look at."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.conftest import Running

SLOW = 30_000.0  # milliseconds that a page may take on a busy machine


def login(page: Page, running: Running, user: str) -> None:
    """Fill in Airflow's login form; whoever has done so once brings the cookie that they were given."""
    if user in running.cookies:
        page.context.add_cookies(running.cookies[user])
        return
    page.goto(f"{running.sandbox.url}/auth/login")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", running.sandbox.passwords[user])
    page.click("[type=submit]")  # a button; FAB has an input
    page.wait_for_url(lambda url: "/auth/login" not in url)
    running.cookies[user] = page.context.cookies()


def keep(page: Page, name: str) -> None:
    """Save a screenshot where UPKEEP_SCREENSHOTS says, for people to look at."""
    if folder := os.environ.get("UPKEEP_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
