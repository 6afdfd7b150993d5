"""A real browser, and axe-core's judgement of a page in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
#: axe-core 4.14.1 as npm has it (SHA-256 29348999450cdf28…), its licence (MPL 2.0) beside it.
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture(scope="module")  # while one is there, nothing else of the process can run an event loop
def browser() -> Iterator[Browser]:
    """The distribution's Chromium. CI requires it; elsewhere its absence is said and the tests count as not run."""
    found = next((path for path in CHROMIUM if Path(path).exists()), None)
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("not run: no Chromium here. Run: sudo apt-get install chromium")
    assert found, "CI requires Chromium: apt-get install chromium"
    quiet = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *quiet])
        yield opened
        opened.close()


def serious(page: Page) -> list[str]:
    """What axe holds to be serious or worse, with everything that folds unfolded; the page must let scripts in."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")  # of what passes it need not say where it stands
    assert found["passes"]
    bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in bad]
