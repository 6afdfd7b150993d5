"""Weekly windows with a number each, and a ledger that the tasks are connected to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.stages.ledger import DAY, Ledger, later, record
from upkeep.core.findings import Sample
from upkeep.core.windows import Window
from upkeep.ledger import read
from upkeep.ledger.write import StepRecord
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

WEEK = 7 * DAY


def weekly(window: Window, weeks: int) -> Window:
    """The weekly window some weeks later."""
    first = replace(window, cadence="weekly", period_start=window.due - WEEK, period_end=window.due)
    return later(first, 7 * weeks)


def measured(value: float, metric: str = "week_errors", subject: str = "", **changed: Any) -> StepRecord:
    """A step that measured one number."""
    return record(**{"step": "evidence.one", **changed}, samples=(Sample(metric, value, "errors", subject),))


def weeks(book: Ledger, window: Window, metric: str = "week_errors") -> dict[str, dict[int, float]]:
    """Subject → weeks ago → value."""
    with book.session() as session:
        return read.weeks(session, window.target, window.period_end, [metric], 12).get(metric, {})


@pytest.fixture
def connected(book: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Ledger:
    """The ledger's Connections in the environment, and the shipped configuration."""
    for name, value in book.environment(tmp_path).items():
        if name.startswith("AIRFLOW_CONN"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("UPKEEP_CONFIG", str(ROOT / "config"))
    settings.cache_clear()
    return book
