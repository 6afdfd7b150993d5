"""Alerts, tellings and the outbox as rows of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from upkeep.areas.alerts.episodes import Acknowledged, Alert, AlertChanges, Telling, Trouble, acknowledged, inherited
from upkeep.areas.alerts.notes import Message, Summary
from upkeep.core import redaction
from upkeep.core.findings import Level
from upkeep.ledger.write import clean, plain
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_FIELDS = tuple(one.name for one in fields(Trouble))


def known(session: Session) -> list[Alert]:
    """The alerts that are open, and those whose end somebody has not been told of yet."""
    return [_alert(row) for row in session.rows(queries.load("alerts/known"))]


def _alert(row: Row) -> Alert:
    about = {name: row[name] for name in _FIELDS} | {"level": Level(row["level"]), "members": tuple(row["members"])}
    known_by = None
    if row["acknowledged_by"]:
        level = Level(row["acknowledged_level"])
        known_by = Acknowledged(row["acknowledged_by"], row["acknowledged_why"], level, row["acknowledged_until"])
    told = {
        channel: Telling(Level(one["level"]), datetime.fromisoformat(one["at"]), one["count"])
        for channel, one in row["told"].items()
    }
    return Alert(row["id"], Trouble(**about), row["changed_at"], row["ended_at"], known_by, told)


def write(session: Session, followed: AlertChanges, now: datetime) -> None:
    """What became of the alerts, in the session's transaction."""
    new = [
        _row(trouble) | {"changed_at": now} | _known_by(acknowledged(trouble, earlier, now))
        for trouble, earlier in followed.new
    ]
    numbers = {(row["target"], row["key"]): row["id"] for row in _rows(session, "alerts/open", new)}
    changed = [
        _row(alert.trouble) | {"id": alert.id, "changed_at": alert.changed_at, "ended_at": alert.ended_at}
        for alert in (*followed.changed, *followed.ended)
    ]
    _rows(session, "alerts/change", changed)
    told = [
        {"alert_id": numbers[row["target"], row["key"]], "channel": channel, "level": one.level, "told_at": one.at}
        for row, (trouble, earlier) in zip(new, followed.new, strict=True)
        for channel, one in inherited(trouble, earlier).items()
    ]
    _rows(session, "alerts/tell", told)
    settle(session, followed.carried_on)


def _row(trouble: Trouble) -> dict[str, Any]:
    row: dict[str, Any] = clean(plain(asdict(trouble)), redaction.tokens)
    return row


def _known_by(known: Acknowledged | None) -> dict[str, Any]:
    """The columns of an acknowledgement."""
    if known is None:
        return {"acknowledged_by": "", "acknowledged_why": "", "acknowledged_level": "", "acknowledged_until": None}
    return {f"acknowledged_{name}": value for name, value in asdict(known).items()}


def _rows(session: Session, statement: str, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    return session.rows(queries.load(statement), {"rows": Jsonb(plain(list(rows)))}) if rows else []


def settle(session: Session, ids: Iterable[int]) -> None:
    """Nobody waits to hear of these alerts any more."""
    if numbers := list(ids):
        session.rows(queries.load("alerts/settle"), {"ids": numbers})


def forget(session: Session, before: datetime) -> None:
    """Take away the alerts that were over by then, and the messages that were delivered by then."""
    session.rows(queries.load("alerts/forget"), {"before": before})
    session.rows(queries.load("alerts/forget_messages"), {"before": before})


def put(session: Session, message: Message, body: Mapping[str, Any], now: datetime) -> bool:
    """Put a message into the outbox, and write down what its channel has been told by it; False when it is there."""
    row = {"key": message.key, "channel": message.channel, "target": message.target, "level": message.level.value}
    text = Jsonb(clean(plain(dict(body)), redaction.tokens))
    added = session.rows(queries.load("alerts/put"), row | {"body": text, "made_at": now})
    if not added:
        return False
    told = [
        {
            "alert_id": note.about.id,
            "channel": message.channel,
            "level": note.level,
            "told_at": now,
            "outbox_id": added[0]["id"],
        }
        for note in message.notes
        if isinstance(note.about, Alert)
    ]
    _rows(session, "alerts/tell", told)
    return True


def summaries(session: Session, now: datetime) -> list[Summary]:
    """What the calendar's windows of the last day came to."""
    found = session.rows(queries.load("alerts/summaries"), {"after": now - _DAY})
    names = [one.name for one in fields(Summary)]
    return [Summary(**{name: row[name] for name in names} | {"level": Level(row["level"])}) for row in found]


def made(session: Session, now: datetime) -> dict[str, int]:
    """Channel → how many messages it was given within the hour."""
    rows = session.rows(queries.load("alerts/made"), {"after": now - _HOUR})
    return {row["channel"]: row["made"] for row in rows}


def existing(session: Session, keys: Iterable[str]) -> frozenset[str]:
    """Of these keys, those of messages that are in the outbox."""
    asked = list(keys)
    rows = session.rows(queries.load("alerts/told_windows"), {"keys": asked}) if asked else []
    return frozenset(row["key"] for row in rows)
