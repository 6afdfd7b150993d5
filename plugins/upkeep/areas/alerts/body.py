"""What a message says, as data: kept in the outbox, and rendered for its channel when it is sent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upkeep.areas.alerts.episodes import Alert
from upkeep.areas.alerts.notes import MOST_LINES, Message, Note, Summary
from upkeep.areas.alerts.troubles import MOST_CAUSE, safe
from upkeep.core.findings import Level
from upkeep.core.text import anchor
from upkeep.settings.load import Settings
from upkeep.settings.values import is_web


@dataclass(frozen=True)
class Pages:
    """Where people go from a message: (DAG, run) → the report that shows it; and the page of all that is open.

    An alert's own page lies below that, and its address is short.
    """

    report: Callable[[str, str], str]
    alerts: str


def body(message: Message, config: Settings, pages: Pages, now: datetime) -> dict[str, Any]:
    """``level``, ``notes`` (the first of them), ``total``, ``counts`` by what is said and level, ``page`` of all.

    ``procedures`` is where the incident procedures are, of several notes with something critical (G137).
    """
    notes = [_note(note, config, pages, now) for note in message.notes[:MOST_LINES]]
    more = {"total": len(message.notes), "counts": dict(message.counts), "page": pages.alerts}
    if len(message.notes) > 1 and message.level is Level.CRITICAL:
        more["procedures"] = config.maintenance.documents.incident_response
    return {"level": message.level.value, "notes": notes, **more}


def _note(note: Note, config: Settings, pages: Pages, now: datetime) -> dict[str, Any]:
    """One thing to say, with the two places to go to."""
    target = config.maintenance.targets.get(note.target)
    said = {
        "kind": note.kind.value,
        "level": note.level.value,
        "was": note.was.value,
        "target": note.target,
        "title": safe(target.title, MOST_CAUSE) if target else "Upkeep",
        "at": now,
    }
    about = note.about
    if isinstance(about, Summary):
        return said | {
            "cadence": about.cadence,
            "due": about.due,
            "cause": safe(about.headline, MOST_CAUSE * 2),
            "report": pages.report(about.dag_id, about.run_id),
        }
    return said | _of_alert(about, config, pages)


def _of_alert(alert: Alert, config: Settings, pages: Pages) -> dict[str, Any]:
    trouble = alert.trouble
    shown = f"{pages.report(trouble.dag_id, trouble.run_id)}#{anchor(trouble.key)}" if trouble.run_id else ""
    procedures = config.maintenance.documents.incident_response
    runbook = config.routing.runbook_of(trouble.key) or (procedures if is_web(procedures) else "")
    return {
        "alert": alert.id,
        "page": f"{pages.alerts}/{alert.id}",
        "cause": trouble.cause,
        "detail": trouble.detail,
        "remedy": trouble.remedy,
        "findings": trouble.findings,
        "owner": trouble.owner,
        "since": trouble.since,
        "ended": alert.ended_at,
        "report": shown,
        "runbook": runbook,
        "procedures": "" if is_web(procedures) else procedures,
    }
