"""A daily report, its parts, and its page as a browser reads it."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from upkeep.core.findings import Finding, Level, Sighting
from upkeep.report.model import (
    RAN,
    EarlierFinding,
    Report,
    StepResult,
)

DUE = datetime(2026, 7, 5, 2, tzinfo=UTC)


def finding(level: str, key: str = "metric:overall_health", **fields: Any) -> Finding:
    return Finding(**{"key": key, "level": Level(level), "subject": "Overall health", "detail": "91 %", **fields})


def step(*findings: Finding, name: str = "health.system_status", state: str = RAN, **fields: Any) -> StepResult:
    return StepResult(name, "Health", "System status", state, findings=findings, **fields)


def report(*steps: StepResult, **fields: Any) -> Report:
    values = {
        "target": "primary",
        "target_title": "Agentic Ecosystem",
        "cadence": "daily",
        "kind": "calendar",
        "due": DUE,
        "deadline": DUE + timedelta(minutes=30),
        "period_start": DUE - timedelta(days=1),
        "period_end": DUE,
        "run_id": "scheduled__2026-07-05T02:00:00+00:00",
        "dag_id": "maintenance_daily",
        "made_at": DUE + timedelta(minutes=2),
        "requested_by": "",
        "dry_run": False,
        "late": "",
        "since": {},
        "samples": (),
        "incident_document": "incident-response-procedures.md",
    }
    given = {**values, **fields}
    since = {key: Sighting(at) if isinstance(at, datetime) else at for key, at in given.pop("since").items()}
    return Report(steps=steps, since=since, **given)


DAY = timedelta(days=1)


def earlier(key: str, level: str, step: str = "health.system_status", **fields: Any) -> EarlierFinding:
    values = {"due": DUE - DAY, "subject": "Overall health", "detail": "88 %", **fields}
    return EarlierFinding(step=step, key=key, level=Level(level), **values)


class Page(HTMLParser):
    """The page as a browser reads it: its text, and every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def links(self) -> list[str]:
        """Where the page leads; places of its own apart."""
        found = [attrs.get("href") or "" for tag, attrs in self.tags if tag == "a"]
        return [link for link in found if not link.startswith("#")]
