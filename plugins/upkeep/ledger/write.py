"""What is written: windows, steps with all that they saw, reports. Rows are added; only a window gets its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from upkeep.core import redaction
from upkeep.core.findings import Finding, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.wires import queries
from upkeep.wires.database import Session

#: Characters of a finding's key and of a sample's subject; an index row of PostgreSQL holds 2704 bytes.
MAX_KEY = 500

#: Steps about who logs in, from where and as which role: names and addresses are their point, secrets are not.
ABOUT_PEOPLE = frozenset(
    {
        "access_patterns",
        "access_review",
        "audit",
        "connections",
        "failed_logins",
        "long_running_queries",
        "new_addresses",
        "new_queries",
        "permissions",
        "rate_limits",
        "service_role_hours",
        "slow_queries",
    }
)


@dataclass(frozen=True)
class FunctionAnswer:
    """A function's whole answer as text."""

    function: str
    action: str
    body: str

    @property
    def digest(self) -> str:
        """SHA-256 of the body without its secrets, which one of the body as it came would let people guess."""
        return hashlib.sha256(redaction.body(self.body).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class LookResult:
    """What one step brought back. ``snapshot`` is what the next look is compared with, as JSON knows it."""

    findings: tuple[Finding, ...]
    samples: tuple[Sample, ...] = ()
    answer: FunctionAnswer | None = None
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
    looked: LookResult = field(default_factory=lambda: LookResult(()))
    taken_at: datetime | None = None


def key_of(window: Window) -> dict[str, Any]:
    """What makes a window one row, whatever run it is opened by."""
    return {
        "target": window.target,
        "cadence": window.cadence,
        "due": window.due,
        "kind": window.kind,
        "manual_run_id": window.run_id if window.kind is WindowKind.MANUAL else "",
        "manual_instance": window.instance if window.kind is WindowKind.MANUAL else "",
    }


def open_window(session: Session, window: Window) -> int:
    """Write the window's row, or find it again; returns its id."""
    return int(session.row(queries.load("ledger/open_window"), {**asdict(window), **key_of(window)})["id"])


def window_id(session: Session, window: Window) -> int:
    """The id of an opened window. Raises LookupError when the run's first task has not opened it."""
    return int(session.row(queries.load("ledger/window_id"), key_of(window))["id"])


def add_step(session: Session, window: Window, record: StepRecord) -> None:
    """Write one try of a step with all that it saw, in the session's transaction: all or nothing."""
    looked = record.looked
    rule = redaction.secrets if record.step.rpartition(".")[2] in ABOUT_PEOPLE else redaction.people
    texts = clean({name: getattr(record, name) for name in ("step", "state", "source")})
    step_id = session.row(
        queries.load("ledger/add_step"),
        {
            "window_id": window_id(session, window),
            "run_id": window.run_id,
            "digest": looked.answer.digest if looked.answer else "",
            **texts,
            "reason": clean(record.reason, redaction.people),
            "try_number": record.try_number,
            "started_at": record.started_at,
        },
    )["id"]
    for position, finding in enumerate(looked.findings):
        row = clean({**asdict(finding), "metadata": plain(dict(finding.metadata))}, rule)
        row["remedy"] = clean(finding.remedy, redaction.tokens)  # a statement to be run: its words are names
        row |= {"key": row["key"][:MAX_KEY], "metadata": Jsonb(row["metadata"])}
        session.rows(queries.load("ledger/add_finding"), {"step_id": step_id, "position": position, **row})
    for sample in looked.samples:
        row = clean(asdict(sample), rule)
        row |= {"step_id": step_id, "subject": row["subject"][:MAX_KEY], "taken_at": record.taken_at}
        session.rows(queries.load("ledger/add_sample"), row)
    if answer := looked.answer:
        row = clean(asdict(answer) | {"body": redaction.body(answer.body)}, redaction.tokens)
        row |= {"step_id": step_id, "digest": answer.digest}
        session.rows(queries.load("ledger/add_answer"), row)
    if looked.snapshot is not None:
        body = clean(plain(looked.snapshot), redaction.tokens)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        session.rows(queries.load("ledger/add_snapshot"), {"step_id": step_id, "body": Jsonb(body), "digest": digest})


def add_report(
    session: Session, window: Window, *, level: str, headline: str, html: str, body: Mapping[str, Any]
) -> int:
    """Keep a report and give the window its outcome; returns the report's id."""
    row = _report_row(session, window, html, body)
    row |= clean({"level": level, "headline": headline}, redaction.tokens)
    report = session.row(queries.load("ledger/add_report"), row)
    session.rows(queries.load("ledger/close_window"), {"window_id": row["window_id"], "outcome": level})
    return int(report["id"])


def add_interim(session: Session, window: Window, html: str, body: Mapping[str, Any]) -> int:
    """Keep what is known of a window before people are asked; it gets no outcome by that. Returns the row's id."""
    return int(session.row(queries.load("ledger/add_interim"), _report_row(session, window, html, body))["id"])


def _report_row(session: Session, window: Window, html: str, body: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(clean(plain(body), redaction.tokens), ensure_ascii=False)
    return {
        "window_id": window_id(session, window),
        "dag_id": window.dag_id,
        "run_id": window.run_id,
        "instance": window.instance,
        "html": clean(html, redaction.tokens),
        "body": text,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
    }


def plain(value: Any) -> Any:
    """A value as JSON can say it: what JSON has no type for becomes text, NaN and the infinities too."""
    return json.loads(json.dumps(value, default=str), parse_constant=str)


def clean(value: Any, rule: redaction.Rule = redaction.secrets) -> Any:
    """What may be kept: without secrets, and without what PostgreSQL's text does not hold.

    That is NUL and lone surrogates, which come in hostile JSON; they are shown, not lost.
    """
    return _storable(redaction.redacted(value, rule))


def _storable(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list():
            return [_storable(item) for item in value]
        case _:
            return value
