"""What the ledger says of a window and of those before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.core.findings import Finding, Level, Sample, Sighting
from upkeep.core.windows import Run, Window
from upkeep.ledger.write import key_of, window_id
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: Windows that a report looks back on.
HISTORY = 30

#: Months that the monthly report looks back on.
MONTHS = 12


def latest_steps(session: Session, window: Window) -> list[Row]:
    """The latest try of each step of a window: rows of ``steps`` with ``findings`` and ``samples`` added."""
    steps = session.rows(queries.load("ledger/latest_steps"), {"window_id": window_id(session, window)})
    ids = {"step_ids": [step["id"] for step in steps]}
    for step in steps:
        step["findings"] = []
    by_id = {step["id"]: step for step in steps}
    for row in session.rows(queries.load("ledger/findings_of_steps"), ids):
        by_id[row["step_id"]]["findings"].append(_finding(row))
    return steps


def _finding(row: Row) -> Finding:
    """A row of ``findings_of_steps``."""
    return Finding(**{name: value for name, value in row.items() if name != "step_id"} | {"level": Level(row["level"])})


def samples(session: Session, steps: Iterable[Row]) -> tuple[Sample, ...]:
    """The samples that belong to ``latest_steps``' rows."""
    ids = {"step_ids": [step["id"] for step in steps]}
    return tuple(Sample(**row) for row in session.rows(queries.load("ledger/samples_of_steps"), ids))


def earlier_samples(
    session: Session, target: str, step: str, before: datetime
) -> dict[tuple[str, str], tuple[float, datetime]]:
    """(metric, subject) → (value, taken at): of each metric the newest sample taken before a moment."""
    parameters = {"target": target, "step": step, "before": before}
    rows = session.rows(queries.load("ledger/earlier_samples"), parameters)
    return {(row["metric"], row["subject"]): (row["value"], row["taken_at"]) for row in rows}


def remembered(session: Session, window: Window, step: str, reach: timedelta) -> dict[tuple[str, str], float]:
    """(metric, subject) → the greatest value: a step's samples of periods that had ended when this window's begins.

    Only of periods that ended within ``reach`` of it; none when that is nothing. What this window itself has measured,
    or one that overlaps it, never counts: carried out again, a window knows what it knew at first.
    """
    start = window.period[0]
    parameters = {"target": window.target, "step": step, "since": start - reach, "start": start}
    rows = session.rows(queries.load("ledger/remembered"), parameters) if reach else []
    return {(row["metric"], row["subject"]): row["value"] for row in rows}


def previous_snapshot(session: Session, window: Window, step: str) -> tuple[datetime, Any] | None:
    """(due, body) of the newest snapshot that this step left in an earlier window of the target, None without one."""
    parameters = {"target": window.target, "due": window.due, "step": step}
    rows = session.rows(queries.load("ledger/previous_snapshot"), parameters)
    return (rows[0]["due"], rows[0]["body"]) if rows else None


def newest_snapshot(session: Session, target: str, name: str) -> tuple[datetime, Any] | None:
    """(due, body) of the snapshot that a step of this name left last, in any group and window; None without one."""
    rows = session.rows(queries.load("ledger/newest_snapshot"), {"target": target, "name": name})
    return (rows[0]["due"], rows[0]["body"]) if rows else None


def window_samples(session: Session, window: Window) -> dict[tuple[str, str], float]:
    """(metric, subject) → value: what the steps of this window have measured so far."""
    rows = session.rows(queries.load("ledger/window_samples"), {"window_id": window_id(session, window)})
    return {(row["metric"], row["subject"]): row["value"] for row in rows}


def last_scan(session: Session, target: str) -> tuple[datetime, tuple[Finding, ...]] | None:
    """When the last weekly window with a security scan was due, and what the scan found; None without one."""
    rows = session.rows(queries.load("ledger/last_scan"), {"target": target})
    if not rows:
        return None
    found = session.rows(queries.load("ledger/findings_of_steps"), {"step_ids": [rows[0]["step_id"]]})
    return rows[0]["due"], tuple(_finding(row) for row in found)


def since(session: Session, window: Window, findings: Iterable[Finding]) -> dict[str, Sighting]:
    """For each finding that is not ok: when the first window of its unbroken row saw it, and what was before."""
    keys = [finding.key for finding in findings if finding.level is not Level.OK]
    rows = session.rows(queries.load("ledger/since"), {"target": window.target, "due": window.due, "keys": keys})
    return {row["key"]: Sighting(row["since"], row["after"], row["first"]) for row in rows}


def metric_history(session: Session, window: Window, metrics: Iterable[str]) -> dict[str, list[Row]]:
    """metric → rows of ``due``, ``period_start``, ``kind``, ``value`` (None: no sample): the cadence's last windows.

    Oldest first, at most ``HISTORY`` of them; the last one is this window.
    """
    names = list(metrics)
    parameters = {"window_id": window_id(session, window), "windows": HISTORY, "metrics": names}
    rows = session.rows(queries.load("ledger/metric_history"), key_of(window) | parameters)
    return {name: [row for row in rows if row["metric"] == name] for name in names}


def weeks(
    session: Session, target: str, end: datetime, metrics: Iterable[str], back: int
) -> dict[str, dict[str, dict[int, float]]]:
    """metric → subject → weeks ago → value: the median of each seven days before ``end``, 0 being the last seven."""
    parameters = {"target": target, "end": end, "weeks": back, "metrics": list(metrics)}
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in session.rows(queries.load("ledger/weeks"), parameters):
        found.setdefault(row["metric"], {}).setdefault(row["subject"], {})[row["ago"]] = row["value"]
    return found


def months(
    session: Session, target: str, end: datetime, metrics: Iterable[str]
) -> dict[str, list[tuple[datetime, float]]]:
    """metric → (the month's begin, median of its windows) of the last ``MONTHS`` calendar months, oldest first."""
    names = list(metrics)
    parameters = {"target": target, "end": end, "months": MONTHS, "metrics": names}
    found: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
    for row in session.rows(queries.load("ledger/months"), parameters):
        found[row["metric"]].append((row["month"].astimezone(UTC), row["value"]))
    return found


def metric_points(
    session: Session, target: str, metric: str, since: datetime, before: datetime
) -> list[tuple[datetime, float]]:
    """(taken at, value) of one metric in (since, before], oldest first, whatever window measured it."""
    parameters = {"target": target, "metric": metric, "since": since, "before": before}
    return [(row["taken_at"], row["value"]) for row in session.rows(queries.load("ledger/metric_points"), parameters)]


def daily_values(
    session: Session, target: str, metrics: Iterable[str], since: datetime, now: datetime
) -> dict[tuple[str, str], list[tuple[datetime, float]]]:
    """(metric, subject) → (due, value) of each calendar's daily window due in (since, now], oldest first."""
    parameters = {"target": target, "since": since, "now": now, "metrics": list(metrics)}
    found: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
    for row in session.rows(queries.load("ledger/daily_values"), parameters):
        found.setdefault((row["metric"], row["subject"]), []).append((row["due"], row["value"]))
    return found


def answers_of_window(session: Session, window: Window, function: str, action: str) -> list[str]:
    """The bodies of a window's answers of one action, newest first."""
    parameters = {"window_id": window_id(session, window), "function": function, "action": action}
    return [row["body"] for row in session.rows(queries.load("ledger/answers_of_window"), parameters)]


def previous_findings(session: Session, window: Window) -> list[Row]:
    """What was not ok when each step last looked before this window's due time.

    Rows of ``step``, ``due``, ``key``, ``level``, ``subject`` and ``detail`` (300 characters of each); no further back
    than ``HISTORY`` windows.
    """
    rows = session.rows(queries.load("ledger/previous_findings"), key_of(window) | {"windows": HISTORY})
    return [{**row, "level": Level(row["level"])} for row in rows]


def verdict_of_run(session: Session, run: Run) -> Row:
    """The newest report of a run. Raises LookupError when there is none."""
    return session.row(queries.load("ledger/verdict_of_run"), asdict(run))
