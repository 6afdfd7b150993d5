"""The ledger: what windows were opened, what their steps saw, which reports were written.

Functions take an open ``database.Session`` on the ledger and the values to write; one call, one purpose.
Rows are added, never changed, but for a window's outcome.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from upkeep import queries
from upkeep.database import Row, Session
from upkeep.findings import Finding, Level, Sample
from upkeep.windows import Kind, Window

#: Characters of a finding's key and of a sample's subject; an index row of PostgreSQL holds 2704 bytes.
MAX_KEY = 500

#: Windows that a report looks back on.
HISTORY = 30

#: Months that the monthly report looks back on.
MONTHS = 12


@dataclass(frozen=True)
class Answer:
    """A function's whole answer as text."""

    function: str
    action: str
    body: str

    @property
    def digest(self) -> str:
        """SHA-256 of the body as it came, hexadecimal."""
        return hashlib.sha256(self.body.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Looked:
    """What one step brought back. ``snapshot`` is what the next look is compared with, as JSON knows it."""

    findings: tuple[Finding, ...]
    samples: tuple[Sample, ...] = ()
    answer: Answer | None = None
    snapshot: Any = None


@dataclass(frozen=True)
class StepRecord:
    """One try of one step. ``state`` is ran, failed, superseded or not collected.

    ``taken_at`` is when its samples were taken where that is not now: a past that is reconstructed.
    """

    step: str
    state: str
    reason: str
    source: str
    started_at: datetime
    try_number: int = 1
    looked: Looked = field(default_factory=lambda: Looked(()))
    taken_at: datetime | None = None


def _key(window: Window) -> dict[str, Any]:
    return {
        "target": window.target,
        "cadence": window.cadence,
        "due": window.due,
        "kind": window.kind,
        "manual_run_id": window.run_id if window.kind is Kind.MANUAL else "",
    }


def open_window(session: Session, window: Window) -> int:
    """Write the window's row, or find it again; returns its id."""
    return int(session.row(queries.load("ledger/open_window"), {**asdict(window), **_key(window)})["id"])


def window_id(session: Session, window: Window) -> int:
    """The id of an opened window. Raises LookupError when the run's first task has not opened it."""
    return int(session.row(queries.load("ledger/window_id"), _key(window))["id"])


def add_step(session: Session, window: Window, record: StepRecord) -> None:
    """Write one try of a step with all that it saw, in the session's transaction: all or nothing."""
    looked = record.looked
    step_id = session.row(
        queries.load("ledger/add_step"),
        {
            "window_id": window_id(session, window),
            "run_id": window.run_id,
            "digest": looked.answer.digest if looked.answer else "",
            **clean({name: getattr(record, name) for name in ("step", "state", "reason", "source")}),
            "try_number": record.try_number,
            "started_at": record.started_at,
        },
    )["id"]
    for position, finding in enumerate(looked.findings):
        row = clean({**asdict(finding), "metadata": plain(dict(finding.metadata))})
        row |= {"key": row["key"][:MAX_KEY], "metadata": Jsonb(row["metadata"])}
        session.rows(queries.load("ledger/add_finding"), {"step_id": step_id, "position": position, **row})
    for sample in looked.samples:
        row = clean(asdict(sample))
        row |= {"step_id": step_id, "subject": row["subject"][:MAX_KEY], "taken_at": record.taken_at}
        session.rows(queries.load("ledger/add_sample"), row)
    if answer := looked.answer:
        row = clean(asdict(answer)) | {"step_id": step_id, "digest": answer.digest}
        session.rows(queries.load("ledger/add_answer"), row)
    if looked.snapshot is not None:
        body = clean(plain(looked.snapshot))
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        session.rows(queries.load("ledger/add_snapshot"), {"step_id": step_id, "body": Jsonb(body), "digest": digest})


def latest_steps(session: Session, window: Window) -> list[Row]:
    """The latest try of each step of a window: rows of ``steps`` with ``findings`` and ``samples`` added."""
    steps = session.rows(queries.load("ledger/latest_steps"), {"window_id": window_id(session, window)})
    ids = {"step_ids": [step["id"] for step in steps]}
    for step in steps:
        step["findings"] = []
    by_id = {step["id"]: step for step in steps}
    for row in session.rows(queries.load("ledger/findings_of_steps"), ids):
        found = by_id[row.pop("step_id")]["findings"]
        found.append(Finding(**{**row, "level": Level(row["level"])}))
    return steps


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


def last_scan(session: Session, target: str) -> datetime | None:
    """When the last weekly window with a security scan was due, None when there has been none."""
    rows = session.rows(queries.load("ledger/last_scan"), {"target": target})
    return rows[0]["due"] if rows else None


def since(session: Session, window: Window, findings: Iterable[Finding]) -> dict[str, datetime]:
    """For each finding that is not ok: when the first window of its unbroken row saw it."""
    keys = [finding.key for finding in findings if finding.level is not Level.OK]
    rows = session.rows(queries.load("ledger/since"), {"target": window.target, "due": window.due, "keys": keys})
    return {row["key"]: row["since"] for row in rows}


def metric_history(session: Session, window: Window, metrics: Iterable[str]) -> dict[str, list[Row]]:
    """metric → rows of ``due``, ``period_start``, ``kind``, ``value`` (None: no sample): the cadence's last windows.

    Oldest first, at most ``HISTORY`` of them; the last one is this window.
    """
    names = list(metrics)
    parameters = {"window_id": window_id(session, window), "windows": HISTORY, "metrics": names}
    rows = session.rows(queries.load("ledger/metric_history"), _key(window) | parameters)
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
    rows = session.rows(queries.load("ledger/previous_findings"), _key(window) | {"windows": HISTORY})
    return [{**row, "level": Level(row["level"])} for row in rows]


def add_report(
    session: Session, window: Window, *, level: str, headline: str, html: str, body: Mapping[str, Any]
) -> int:
    """Keep a report and give the window its outcome; returns the report's id."""
    number = window_id(session, window)
    text = clean(json.dumps(plain(body), ensure_ascii=False))
    row = {
        "window_id": number,
        "dag_id": window.dag_id,
        "run_id": window.run_id,
        **clean({"level": level, "headline": headline, "html": html}),
        "body": text,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }
    report = session.row(queries.load("ledger/add_report"), row)
    session.rows(queries.load("ledger/close_window"), {"window_id": number, "outcome": level})
    return int(report["id"])


def verdict_of_run(session: Session, dag_id: str, run_id: str) -> Row:
    """The newest report of a run. Raises LookupError when there is none."""
    return session.row(queries.load("ledger/verdict_of_run"), {"dag_id": dag_id, "run_id": run_id})


def plain(value: Any) -> Any:
    """A value as JSON can say it: what JSON has no type for becomes text, NaN and the infinities too."""
    return json.loads(json.dumps(value, default=str), parse_constant=str)


def clean(value: Any) -> Any:
    """PostgreSQL's text holds neither NUL nor lone surrogates; both come in hostile JSON. Shown, not lost."""
    match value:
        case str():
            return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace").decode()
        case dict():
            return {clean(key): clean(item) for key, item in value.items()}
        case list() | tuple():
            return [clean(item) for item in value]
        case _:
            return value
