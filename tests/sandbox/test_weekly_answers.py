"""The weekly readers on what the twin really answers, from the database's own numbers."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from tests.stages import twin as test_twin
from tests.stages import weeks as test_ledger_weeks
from tests.stages.twin import LEGACY, Twin, add_requests, delete_requests
from upkeep.areas import answers
from upkeep.areas.capacity import look
from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Window, WindowKind
from upkeep.ledger.write import LookResult
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires.functions import contract

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.operators import CallOperator

platform, twin_dsn, twin, target = test_twin.platform, test_twin.twin_dsn, test_twin.twin, test_twin.target
connected = test_ledger_weeks.connected

SHIPPED = settings(ROOT / "config")
CALLS: list[tuple[str, str, dict[str, Any], str]] = [
    ("production-monitoring", "performance_report", {}, "performance_report"),
    ("error-tracking", "get_error_trends", {}, "error_trends"),
    ("database-scalability", "index_recommendations", {"table_filters": {}}, "index_advice"),
    (
        "database-scalability",
        "index_recommendations",
        {"table_filters": {"include_tables": ["user_consents", "error_logs", "performance_alerts"]}},
        "index_advice:included",
    ),
    ("database-scalability", "query_optimization", {"query_filters": {"min_duration": 1000}}, "query_optimization"),
    ("database-scalability", "database_metrics", {"metrics_type": "capacity"}, "database_metrics"),
    ("database-scalability", "scalability_report", {"report_scope": "capacity"}, "capacity_report"),
]


def body(twin: Twin, function: str, action: str, **arguments: Any) -> bytes:
    """What the twin answers about the week up to now."""
    now = datetime.now(UTC)
    asked = contract.request_body(function, action, period=(now - timedelta(days=7), now), **arguments)
    return twin.post(function, asked, LEGACY).content


def read(twin: Twin, function: str, action: str, **arguments: Any) -> LookResult:
    """What is read from it."""
    answer = contract.parse_answer(function, action, body(twin, function, action, **arguments))
    return answers.read(function, action, answer.model_dump(mode="json"), SHIPPED, arguments)


@pytest.mark.guide("G20-G22", "G84", "G85", "G90", "G94", "holds")
@pytest.mark.parametrize(("function", "action", "arguments", "key"), CALLS, ids=[call[3] for call in CALLS])
def test_what_the_twin_answers_is_read(
    twin: Twin, function: str, action: str, arguments: dict[str, Any], key: str
) -> None:
    """Every call of the weekly window gives one finding that knows something."""
    (finding,) = read(twin, function, action, **arguments).findings
    assert finding.key == key and finding.level is not Level.UNKNOWN, finding


@pytest.mark.guide("G85", "G94", "holds")
@pytest.mark.usefixtures("connected")
def test_a_task_reads_its_answer_by_what_it_asked(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the functions Connection: the capacity scope, and one of two calls of the same action."""
    content = {"conn_type": "http", "host": twin.url, "password": LEGACY["apikey"]}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_FUNCTIONS", json.dumps(content))
    end = datetime.now(UTC)
    start = end - timedelta(days=7)
    window = Window("primary", "weekly", WindowKind.MANUAL, end, end + timedelta(hours=2), start, end, "run", "dag")
    for function, action, arguments, key in CALLS:
        step = CallOperator(
            task_id=key.replace(":", "_"),
            **{"function": function, "action": action, "arguments": arguments},
            **{"target": "primary", "cadence": "weekly", "guide": "G12"},
        )
        looked = step.look(window)
        assert [finding.key for finding in looked.findings] == [key]
        assert looked.answer is not None and looked.answer.action == action


def performance(twin: Twin) -> Finding:
    """The finding about the week's requests."""
    (finding,) = read(twin, "production-monitoring", "performance_report").findings
    return finding


def triggers(twin: Twin) -> dict[str, Finding]:
    """The capacity step's findings from the real report."""
    told = body(twin, "database-scalability", "scalability_report", report_scope="capacity").decode()
    looked = look.look(look.report_of([told]), [], "targets.primary.storage_bytes", None, SHIPPED, datetime.now(UTC))
    return {finding.key: finding for finding in looked.findings}


@pytest.mark.guide("G21", "G96", "G97", "fires", "silent")
def test_a_bad_hour_is_in_the_weeks_report_and_fires_the_triggers_with_their_advice(
    twin: Twin, target: psycopg.Connection[Any]
) -> None:
    """Slow and failing requests: an advisory and two warnings with the function's words; gone with the requests."""
    assert performance(twin).level is Level.OK
    ids = add_requests(target, count=20_000, status=500, milliseconds=20_000)
    try:
        loud, fired = performance(twin), triggers(twin)
    finally:
        delete_requests(target, ids)
    assert loud.level is Level.ADVISORY
    for name in ("response_time", "error_rate"):
        assert fired[f"capacity:{name}"].level is Level.WARNING
        assert "The function advises: " in fired[f"capacity:{name}"].remedy
    assert performance(twin).level is Level.OK
    quiet = triggers(twin)
    assert {quiet[f"capacity:{name}"].level for name in ("response_time", "error_rate")} == {Level.OK}


@pytest.mark.guide("G20", "fires", "silent")
def test_advice_about_a_foreign_key_appears_and_disappears(twin: Twin, target: psycopg.Connection[Any]) -> None:
    """Until it has its index; the table's odd name is shown as it is."""

    def told() -> str:
        include = {"table_filters": {"include_tables": ['Odd "name"; --']}}
        return read(twin, "database-scalability", "index_recommendations", **include).findings[0].detail

    target.execute("CREATE TABLE public.parent (x int PRIMARY KEY)")
    target.execute('CREATE TABLE public."Odd ""name""; --" (x int REFERENCES public.parent)')
    try:
        assert told().startswith('1 missing (public.Odd "name"; -- (x): ')
        target.execute('CREATE INDEX ON public."Odd ""name""; --" (x)')
        assert told().startswith("0 missing; ")
    finally:
        target.execute('DROP TABLE public."Odd ""name""; --", public.parent')
