"""Alerts as an Alertmanager takes them: POST /api/v2/alerts, again and again while they are so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from upkeep.settings.routing import Routing
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: An alert that is over is posted for so long: one post of it may fail.
LINGERS = timedelta(hours=1)
#: Alerts of one post, the worst.
MOST = 1000


def posted(session: Session, routing: Routing, page: str, hold: timedelta, now: datetime) -> list[dict[str, Any]]:
    """The body of one post; ``page`` is where alerts are shown, ``hold`` how long one is so without another post.

    A level is a label, so that Alertmanager can route by it: the earlier level of an alert ends with its hold.
    """
    rows = session.rows(queries.load("alerts/posted"), {"after": now - LINGERS, "most": MOST})
    return [_alert(row, routing, page, now + hold) for row in rows]


def _alert(row: Row, routing: Routing, page: str, until: datetime) -> dict[str, Any]:
    return {
        "labels": dict(_labels(row)),
        "annotations": {
            "summary": row["cause"],
            "description": row["detail"],
            "remedy": row["remedy"],
            "runbook_url": routing.runbook_of(row["key"]) or "",
        },
        "startsAt": row["since"].isoformat(),
        "endsAt": (row["ended_at"] or until).isoformat(),
        "generatorURL": f"{page}/{row['id']}",
    }


def _labels(row: Row) -> Iterator[tuple[str, str]]:
    """What makes it the same alert from post to post, and what it is routed by."""
    yield "alertname", "Upkeep"
    yield "story", row["key"]
    yield "severity", row["level"]
    yield "owner", row["owner"]
    if row["target"]:
        yield "target", row["target"]
