"""The pages in a real browser: for everybody, at a desk and on a phone, with much, with nothing, without a ledger."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.stages.browser import browser, serious  # noqa: F401  # a fixture
from tests.stages.ledger import Ledger
from tests.stages.pages import Site, config_with, judged, lively, served


@pytest.mark.parametrize(("width", "scheme"), [(1300, "light"), (360, "dark")])
def test_the_pages_are_for_everybody(
    browser: Browser,  # noqa: F811
    book: Ledger,
    site: Site,
    today: datetime,
    tmp_path: Path,
    width: int,
    scheme: Any,
) -> None:
    """No violation that axe calls serious, nothing wider than the screen, nothing that the policy blocks."""
    context = browser.new_context(
        viewport={"width": width, "height": 760},
        color_scheme=scheme,
        extra_http_headers={"X-User": "omar"},
        bypass_csp=True,
    )
    strict = browser.new_context(extra_http_headers={"X-User": "omar"})
    page, real = context.new_page(), strict.new_page()
    said: list[str] = []
    real.on("console", lambda message: said.append(message.text))
    with served(config_with(tmp_path / "away", "primary"), lambda: psycopg.connect("host=127.0.0.1 port=1")) as away:
        for state in ("empty", "a month"):
            for path in ("/", "/windows", "/findings", "/nothing"):
                for address in (site.url + path, away.url + path):
                    page.goto(address)
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{state} {address}"
                    assert not serious(page), f"{state} {address}"
                    real.goto(address)
            if state == "empty":
                lively(book, site.config.targets[0], today)
                judged(book, site.config, today)
    assert not [text for text in said if "Security Policy" in text]
    context.close()
    strict.close()
