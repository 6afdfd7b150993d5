"""What a message says, as data: kept in the outbox, and rendered for its channel when it is sent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from upkeep.areas.alerts.episodes import Alert
from upkeep.areas.alerts.notes import MOST_LINES, Message, Note, Summary
from upkeep.areas.alerts.troubles import MOST_CAUSE, safe
from upkeep.core.text import anchor
from upkeep.settings.load import Settings
from upkeep.settings.values import is_web


def body(message: Message, config: Settings, report_url: Callable[[str, str], str], now: datetime) -> dict[str, Any]:
    """``level``, ``notes`` (the first of them), ``total`` and ``counts`` by what is said and level."""
    notes = [_note(note, config, report_url, now) for note in message.notes[:MOST_LINES]]
    counts = Counter(f"{note.kind} {note.level}" for note in message.notes)
    return {"level": message.level.value, "notes": notes, "total": len(message.notes), "counts": counts}


def _note(note: Note, config: Settings, report_url: Callable[[str, str], str], now: datetime) -> dict[str, Any]:
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
            "report": report_url(about.dag_id, about.run_id),
        }
    return said | _of_alert(about, config, report_url)


def _of_alert(alert: Alert, config: Settings, report_url: Callable[[str, str], str]) -> dict[str, Any]:
    trouble = alert.trouble
    shown = f"{report_url(trouble.dag_id, trouble.run_id)}#{anchor(trouble.key)}" if trouble.run_id else ""
    procedures = config.maintenance.documents.incident_response
    runbook = config.routing.runbook_of(trouble.key) or (procedures if is_web(procedures) else "")
    return {
        "alert": alert.id,
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
