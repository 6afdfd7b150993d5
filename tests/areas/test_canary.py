"""A canary in every text of the target's logs and of the functions' answers is nowhere in the ledger afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sandbox.postgres import Cluster
from tests.stages.answers import HEALTHY
from tests.stages.ledger import Ledger
from tests.stages.readers import reader_of
from tests.stages.reports import report, step
from tests.stages.sessions import to
from tests.stages.stage import Stage
from upkeep.areas.look import Look, carry_out
from upkeep.areas.registry import CHECKS
from upkeep.core.findings import Finding, Level
from upkeep.ledger.read import latest_steps
from upkeep.ledger.write import ABOUT_PEOPLE, FunctionAnswer, LookResult, StepRecord, add_report, add_step
from upkeep.report.document import to_json
from upkeep.report.headline import verdict
from upkeep.report.page import to_html
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config")
#: What holds a canary: all shapes in one text, as an error message has them.
SECRETS = (
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARYsignature "
    "sb_secret_CANARY0123456789 AKIACANARY0123456789 password=CANARY "
    "postgres://app:CANARY@db.example.com/postgres Authorization: Bearer CANARY.0123456789"
)
PEOPLE = " of canary.person@example.org from 198.51.100.77 and 2001:db8:77::ca, Key (name)=(CANARY) already exists."
TRACES = ("CANARY", "DQU5BUlk", "canary.person", "198.51.100.77", "2001:db8:77")
#: Columns of the target's logs that take no text of ours: their values are of a list, or their type is no text.
NO_TEXT = {"event", "severity", "category", "api_role", "metric", "consent_type", "legal_basis"}


@pytest.fixture
def planted(kept: Ledger, target_dsn: str) -> Stage:
    """A seeded target whose newest rows hold a canary in each column that takes a text."""
    stage = Stage(kept, target_dsn)
    columns = stage.look(
        "SELECT c.relname AS name, a.attname AS column, a.atttypid::regtype::text AS type FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
        " AND c.relname LIKE '%%logs' AND a.attnum > 0 AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype)"
    )
    assert {row["name"] for row in columns} >= {"security_logs", "error_logs", "application_logs"}
    for row in columns:
        if row["column"] not in NO_TEXT:
            # An account and a path are names that some looks are about: a secret typed there is none of them.
            text = SECRETS if row["column"] in ("account", "path", "function_name", "action") else SECRETS + PEOPLE
            value = json.dumps({"message": text}) if row["type"] == "jsonb" else text
            update = sql.SQL("UPDATE {} SET {} = {}").format(
                sql.Identifier("public", row["name"]), sql.Identifier(row["column"]), sql.Literal(value)
            )
            stage.do(update)
    return stage


def records(dsn: str, now: datetime) -> Iterator[StepRecord]:
    """What each check sees, what functions answer, and what went wrong."""
    for name, check in CHECKS.items():
        with database.session(to(dsn), CONFIG.maintenance.sql, read_only=True) as session:
            looked = carry_out(check, Look(session, CONFIG, now))
        yield StepRecord(f"group.{name}", "ran", "", "source", now, looked=looked)
    body = json.dumps(HEALTHY | {"message": SECRETS + PEOPLE, "deep": [{"password": "CANARY", "text": PEOPLE}]})
    said = Finding("f", Level.WARNING, SECRETS, PEOPLE, metadata={"top": [{"message": SECRETS + PEOPLE}]})
    yield StepRecord(
        "group.answered",
        "ran",
        "",
        "source",
        now,
        looked=LookResult((said,), answer=FunctionAnswer("function", "action", body)),
    )
    yield StepRecord("group.failed", "failed", SECRETS + PEOPLE, "source", now, looked=LookResult((said,)))


def everything(book: Ledger, target: str) -> dict[str, str]:
    """table → all its rows that belong to a target's windows, as text."""
    tables = [name for (name,) in book.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'upkeep'")]
    found = {}
    with psycopg.connect(book.cluster.dsn(book.name)) as connection:
        for name in tables:
            query = sql.SQL("SELECT coalesce(string_agg(t::text, chr(10)), '') FROM {} t").format(
                sql.Identifier("upkeep", name)
            )
            (found[name],) = connection.execute(query).fetchone() or ("",)
    return found


def test_no_canary_reaches_the_ledger_or_a_page(
    cluster: Cluster, planted: Stage, role_passwords: dict[str, str]
) -> None:
    """Every text of every table of the ledger is searched, and the page of the report that is made from them."""
    now = datetime.now(UTC).replace(microsecond=0)
    stored = planted.plan(actions=())
    window = planted.window(stored.plan)
    reader = reader_of(cluster, planted.dsn, role_passwords)
    for record in records(reader, now):
        with planted.ledger.session() as session:
            add_step(session, window, record)
    with planted.ledger.session() as session:
        rows: list[Any] = list(latest_steps(session, window))
        said = "; ".join(finding.detail for row in rows for finding in row["findings"])
        made = report(*(step(*row["findings"], name=row["step"], reason=row["reason"]) for row in rows))
        headline = verdict(made, [])[1]
        page = to_html(made)
        add_report(session, window, level="ok", headline=headline, html=page, body=to_json(made))
    assert not [trace for trace in TRACES if trace in page]
    assert len(rows) == len(CHECKS) + 2
    for name, text in everything(planted.ledger, planted.name).items():
        for trace in TRACES:
            at = text.find(trace)
            assert at < 0, (name, text[max(0, at - 200) : at + 100])
    assert "⟨e-mail⟩" in said
    assert "⟨secret⟩" in page


def test_steps_that_are_about_people_exist() -> None:
    """Each name in the list of exceptions is a check's: none is left behind when one is renamed."""
    assert CHECKS.keys() >= ABOUT_PEOPLE
