"""Where the links of messages lead, over a real ledger: one alert, all that are open, and who may see them."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psycopg
import pytest

from sandbox.postgres import Cluster
from tests.stages.alerts import CRITICAL, OK, WARNING
from tests.stages.judging import DAY, DUE, NOW, look, reported, window
from tests.stages.ledger import Ledger, finding, record, upgraded

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn, about Starlette's test client for one
    from upkeep.dashboard.alerts import may_read_alerts
    from upkeep.dashboard.app import create_app
    from upkeep.dashboard.now import story_anchor

HOSTILE = "<script>alert(1)</script>\u202e"


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def get(book: Ledger, path: str, *, known: bool = True) -> httpx.Response:
    """A page, as somebody who may see alerts; or as nobody whom Airflow knows."""
    app = create_app(lambda: psycopg.connect(book.dsn("dashboard")))
    if known:
        app.dependency_overrides[may_read_alerts] = lambda: None

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://dashboard") as client:
            return await client.get(path)

    return asyncio.run(asked())


@pytest.mark.guide("G137", "fires", "silent")
def test_an_alerts_page_says_what_one_needs_and_leads_to_the_report(book: Ledger) -> None:
    """While it is so and when it is over; text of the platform stays text, under a policy that lets nothing run."""
    bad = finding("k", CRITICAL, subject=HOSTILE, detail="4 % of requests", remedy="Look at the deployment")
    reported(book, window(), record(bad, finding("w", WARNING, subject="Slow"), step="database.sizes", at=DUE))
    look(book)
    ((number,),) = book.ask("SELECT id FROM upkeep.alerts WHERE key = 'k'")
    page = get(book, f"/alerts/{number}")
    for part in (
        "critical",
        "4 % of requests",
        "Look at the deployment",
        "Database Administrator",
        "2026-11-29 02:00 UTC",
    ):
        assert part in page.text
    assert 'href="../dags/maintenance_daily/runs/scheduled__1/report"' in page.text
    assert f'href="../findings?of={story_anchor("primary", "k")}"' in page.text
    assert "<script>" not in page.text and "\u202e" not in page.text
    assert page.headers["content-security-policy"].startswith("sandbox allow-same-origin; default-src 'none'")
    every = get(book, "/alerts").text
    assert 'href="findings"' in every and f'href="findings?of={story_anchor("primary", "k")}"' in every
    assert every.index(f'href="alerts/{number}"') < every.index("Slow")
    good = record(finding("k", OK), finding("w", OK), step="database.sizes", at=DUE + DAY)
    reported(book, window(1), good)
    look(book, now=NOW + DAY + timedelta(minutes=1))
    assert "Nothing is in trouble" in get(book, "/alerts").text
    over = get(book, f"/alerts/{number}").text
    assert "over" in over and "Look at the deployment" not in over and "findings?of=" not in over


@pytest.mark.parametrize("number", ["99", "x", "1;DROP", "9" * 40])
def test_an_alert_that_is_none_is_said(book: Ledger, number: str) -> None:
    """404, in words."""
    page = get(book, f"/alerts/{number}")
    assert page.status_code == 404 and "There is no alert" in page.text


@pytest.mark.parametrize("path", ["/alerts", "/alerts/1"])
def test_nobody_reads_alerts_without_a_login(book: Ledger, path: str) -> None:
    """Airflow mounts the app without any login: each page asks for one."""
    assert get(book, path, known=False).status_code == 401
