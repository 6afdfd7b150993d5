"""The words of DAG files: calls that stand twice, and looks that have a clock of their own."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest

from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG

    from upkeep.flow.dag import LINK_SECONDS, Flow


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> Flow:
    """A weekly flow of the shipped configuration."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(ROOT / "config"))
    settings.cache_clear()
    return Flow("primary", "weekly")


def test_one_action_may_be_called_twice_under_two_names(flow: Flow) -> None:
    """The task's id is the action unless it is named; what is asked is each one's own."""
    function, action = "database-scalability", "index_recommendations"
    included = {"include_tables": ["user_consents"]}
    with DAG("a_dag", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
        flow.call(function, action, guide="G20", table_filters={})
        flow.call(function, action, guide="G85", name="index_recommendations_used", table_filters=included)
    assert {task.task_id: (task.action, task.arguments) for task in dag.tasks} == {
        "index_recommendations": (action, {"table_filters": {}}),
        "index_recommendations_used": (action, {"table_filters": included}),
    }


def test_the_looks_of_the_monthly_review_outlive_their_own_clocks(flow: Flow) -> None:
    """What was seen is written after the total clock has run out; one GET for each document on the web (G29, G138)."""
    http = settings().maintenance.http
    with DAG("a_third_dag", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None):
        steps = [flow.integrations(), flow.documents()]
    assert [(step.task_id, step.guide) for step in steps] == [("integrations", "G29"), ("documents", "G138")]
    seconds = [step.execution_timeout.total_seconds() for step in steps]
    assert seconds[0] >= 2 * http.total_timeout_seconds + 60
    assert seconds[1] == LINK_SECONDS + 60
    assert ["a HEAD" in step.describe(None) for step in steps] == [True, False]
    assert steps[1].describe(None).startswith("no document: none is named")
