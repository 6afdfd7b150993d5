"""The judge of alerts at work in a real ledger: windows with their reports, looks at them, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.stages.ledger import Ledger, daily, later, write
from upkeep.areas.alerts.body import Pages
from upkeep.areas.alerts.judge import Judged, judge
from upkeep.areas.alerts.troubles import calendar
from upkeep.core.windows import Run, Window
from upkeep.ledger.write import StepRecord, add_report
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings

DUE = datetime(2026, 11, 29, 2, tzinfo=UTC)
NOW = DUE + timedelta(minutes=20)
DAY = timedelta(days=1)
CHANNELS = ("email", "slack", "sms")
PAGES = Pages(lambda dag, run: f"https://airflow.test/{dag}/{run}", "https://airflow.test/upkeep/alerts")


def config(**routing: Any) -> Settings:
    """The shipped config; a calendar that has only begun, so that no window of it is due."""
    shipped = settings(ROOT / "config")
    target = shipped.maintenance.targets["primary"].model_copy(update={"since": datetime(2027, 1, 1, tzinfo=UTC)})
    maintenance = shipped.maintenance.model_copy(update={"targets": {"primary": target}})
    changed = shipped.routing.model_copy(update=routing)
    return shipped.model_copy(update={"maintenance": maintenance, "routing": changed})


def window(days: int = 0, **fields: Any) -> Window:
    """A daily window of the target."""
    first = daily("primary", DUE)
    return replace(later(first, days) if days else first, **fields)


def reported(book: Ledger, about: Window, *steps: StepRecord, died: tuple[str, ...] = ()) -> None:
    """A window with these steps and its report, in which others have died."""
    write(book, about, *steps)
    failed = [{"step": name, "title": name, "state": "failed", "reason": "ended", "source": ""} for name in died]
    with book.session() as session:
        add_report(session, about, level="warning", headline="said", html="", body={"steps": failed})
    at = about.due + timedelta(minutes=10)
    book.change("UPDATE upkeep.reports SET made_at = %s WHERE run_id = %s", at, about.run_id)


def look(
    book: Ledger,
    about: Settings | None = None,
    now: datetime = NOW,
    channels: Any = CHANNELS,
    alive: Callable[[Run], bool] = lambda run: True,
) -> Judged:
    """One look of the judge."""
    given = about or config()
    with book.session() as session:
        found = calendar(session, given, now)
    assert found is not None
    with book.session() as session:
        return judge(session, given, found, channels, PAGES, alive, now)


def outbox(book: Ledger, channel: str) -> list[tuple[str, str]]:
    """(what is said, cause or headline) of each message of a channel, oldest first."""
    rows = book.ask("SELECT body FROM upkeep.outbox WHERE channel = %s ORDER BY id", channel)
    return [(note["kind"], note["cause"]) for (body,) in rows for note in body["notes"]]
