"""A boundary stands once, in config/thresholds.yaml (X12): what is said follows it, and no area has one of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stages.capacities import DAY, GB, HEALTHY, NOW, SETTING
from upkeep.areas import answers
from upkeep.areas.capacity import scaling
from upkeep.areas.performance import weekly_answers
from upkeep.core.findings import Finding, Level
from upkeep.report import forecasts
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.wires.functions.database_models import ScalabilityReport

CONFIG = settings(ROOT / "config")
AREAS = ROOT / "plugins/upkeep/areas"

#: Numbers in the areas that happen to be one of the guide's and are no boundary: (file, number) → what they are.
OTHERS = {
    ("capacity/scaling.py", 0.75): "the share of back-tests that must hold",
    ("alerts/render/slack.py", 150.0): "the characters that Slack takes in a header",
    ("retention/batches.py", 1000.0): "the rows of the smallest batch",
    ("backups/proof_look.py", 1000.0): "the bad files of one backup that are remembered one by one",
    ("alerts/posted.py", 1000.0): "the alerts of one post to an Alertmanager",
}


def configured(section: str, **fields: Any) -> Settings:
    """Config with other numbers in a section of thresholds.yaml."""
    given = getattr(CONFIG.thresholds, section).model_copy(update=fields)
    return CONFIG.model_copy(update={"thresholds": CONFIG.thresholds.model_copy(update={section: given})})


def assessed(config: Settings) -> dict[str, Finding]:
    """The monthly assessment, which holds the weekly one: a platform that grows slowly and is far from every limit."""
    points = [(NOW - DAY * ago, 5 * GB - ago * GB / 400) for ago in range(40)]
    quiet = [(NOW - DAY * ago, 0.5) for ago in range(40)]
    histories = {scaling.SIZE: points} | {metric.name: quiet for metric in scaling.METRICS}
    told = ScalabilityReport(**HEALTHY, response_time_baseline_ms=200.0)
    return {one.key: one for one in scaling.look(told, histories, SETTING, int(10 * GB), config, NOW).findings}


@pytest.mark.guide("X12", "holds")
@pytest.mark.parametrize(
    ("trigger", "number"), [("connections", 61.5), ("response_time", 123.5), ("error_rate", 3.25), ("storage", 55.5)]
)
def test_whatever_speaks_of_a_trigger_follows_config(trigger: str, number: float) -> None:
    """Finding, forecast and what is drawn say the configured number, and none says the shipped one any more."""
    shipped = getattr(CONFIG.thresholds.triggers, f"{trigger}_percent")
    before, found = assessed(CONFIG), assessed(configured("triggers", **{f"{trigger}_percent": number}))
    assert before[f"capacity:{trigger}"].expected.startswith(f"at most {shipped:g} %")
    assert found[f"capacity:{trigger}"].expected.startswith(f"at most {number:g} %")
    if trigger == "storage":
        forecast = found["capacity:forecast"]
        assert f"{forecast.subject} {forecast.detail} {forecast.expected}".count(f"{number:g} %") == 3
        drawn = forecasts.forecast_plot(dict(forecast.metadata))
        assert drawn is not None
        assert drawn.limit_says.startswith(f"{number:g} % is ")
    else:
        limit = before[f"scaling:{trigger}"].metadata["limit"]
        assert found[f"scaling:{trigger}"].metadata["limit"] == pytest.approx(limit * number / shipped)


@pytest.mark.guide("X12", "holds")
def test_whatever_speaks_of_slow_statements_follows_config() -> None:
    """The function's own list and the answer to our question; from 1,500 ms on a mean of 1,200 is in order."""
    one = {"query": "SELECT 1", "calls": 2, "mean_ms": 1200.0}
    body = {"result": {"slowest_statements": [one], "statements": [], "total": 0}}
    for known, level in ((CONFIG, Level.ADVISORY), (configured("statements", slow_ms=1500.0), Level.OK)):
        (finding,) = answers.performance_analysis(body, known).findings
        limit = f"{known.thresholds.statements.slow_ms:g} ms"
        assert (finding.level, limit in finding.detail, limit in finding.expected) == (level, True, True)
        assert limit in weekly_answers.query_optimization(body, {}, known).findings[0].expected


def boundaries() -> set[float]:
    """The numbers that have stood in code beside config, and as shares; 1 % and 1 say too little to be looked for."""
    known = CONFIG.thresholds
    found = {*known.triggers.model_dump().values(), known.statements.slow_ms}
    return {float(one) for number in found for one in (number, number / 100)} - {0.01, 1.0, 10.0}


def literals(file: Path) -> Iterator[float]:
    """Numbers that a module compares with, names as a constant, or gives to what it makes at import."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    at_import = [one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign)]
    compared = [one for one in ast.walk(tree) if isinstance(one, ast.Compare)]
    for node in (*at_import, *compared):
        for one in ast.walk(node):
            if isinstance(one, ast.Constant) and type(one.value) in (int, float):
                yield float(one.value)


def test_no_area_has_a_boundary_of_its_own() -> None:
    """A number of the guide that stands in code would stay when config changes."""
    of_the_guide = boundaries()
    found = {
        (str(file.relative_to(AREAS)), number)
        for file in AREAS.rglob("*.py")
        for number in literals(file)
        if number in of_the_guide
    }
    assert found - OTHERS.keys() == set()
    assert OTHERS.keys() - found == set(), "a reason is left for a number that is gone"
