"""The month's cost by measured use and configured prices, and what could be saved: pure, with every bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stages.config import MAIN, refusal
from tests.stages.config import config as config  # noqa: PLC0414  # the fixture
from upkeep.areas.costs import prices
from upkeep.areas.costs.prices import GB, MONTH, MonthlyUsage, Saving
from upkeep.core.findings import Finding, Level
from upkeep.settings.cost import Cost
from upkeep.settings.load import settings

PRICES: dict[str, Any] = {
    "currency": "EUR",
    "database_gb_month": {"price": 0.5, "included": 8.0},
    "function_invocations_million": {"price": 2.0, "included": 1.0},
    "compute_month": [{"name": "Plan", "price": 25.0}, {"name": "Compute", "price": 60.0}],
}
USE = MonthlyUsage(10 * GB, 3e6, "the mean of 30 samples", "from 4 of 5 weeks")
#: 25 + 60 fixed, two GB and two million calls beyond what is included.
TOTAL = 85 + 2 * 0.5 + 2 * 2.0
INDEXES = Saving("cost:saving:unused_indexes", "Unused indexes", "1 GB in a, b", "Drop them.", bytes=GB)


def priced(**changed: Any) -> Cost:
    """The prices with some changed."""
    return Cost(**{**PRICES, **changed})


def found(cost: Cost, use: MonthlyUsage = USE, *savings: Saving) -> dict[str, Finding]:
    """The findings by key, each once."""
    findings, _ = prices.findings(cost, use, savings)
    by_key = {finding.key: finding for finding in findings}
    assert len(by_key) == len(findings) == 2 + len(savings)
    assert {finding.guide for finding in findings} == {"G30"}
    return by_key


@pytest.mark.guide("G30", "fires", "silent")
def test_a_month_beyond_the_budget_is_a_warning_and_one_within_is_silent() -> None:
    """The budget itself is in order, 90 % of it an advisory; without a budget nothing is judged."""
    for budget, level in (
        (TOTAL - 0.01, Level.WARNING),
        (TOTAL, Level.ADVISORY),
        (TOTAL / 0.9 + 0.01, Level.OK),
        (None, Level.OK),
    ):
        month = found(priced(budget=budget))["cost:month"]
        assert month.level is level
        assert month.detail.startswith("90.00 EUR a month: Plan 25.00 EUR (fixed); Compute 60.00 EUR (fixed); ")
    assert "no budget is configured" in month.expected
    assert "database 1.00 EUR (10 GB, the mean of 30 samples, 8 GB included)" in month.detail
    assert "function calls 4.00 EUR (3 million, from 4 of 5 weeks, 1 million included)" in month.detail


@pytest.mark.guide("G30", "holds")
def test_what_is_priced_and_was_not_measured_is_named_and_never_ok() -> None:
    """A metric never collected; a part that alone is beyond the budget still warns."""
    month = found(priced(budget=1000.0), MonthlyUsage())["cost:month"]
    assert month.level is Level.UNKNOWN and month.detail.startswith("at least 85.00 EUR a month")
    assert "without database: no window of the last month measured" in month.detail
    assert "without function calls: no week of the last month measured them" in month.detail
    assert found(priced(budget=84.0), MonthlyUsage())["cost:month"].level is Level.WARNING
    egress = found(priced(egress_gb={"price": 0.1, "included": 5}))["cost:month"]
    assert egress.level is Level.UNKNOWN and "cost.egress_gb.used_gb" in egress.detail
    told = found(priced(egress_gb={"price": 0.1, "included": 5, "used_gb": 15.0}))["cost:month"]
    assert told.level is Level.OK and "egress 1.00 EUR (15 GB as configured)" in told.detail
    nothing = found(Cost(currency="EUR"))["cost:month"]
    assert nothing.level is Level.UNKNOWN and "no price is configured" in nothing.detail


@pytest.mark.guide("G30", "fires", "silent")
def test_a_saving_is_what_the_month_would_cost_less() -> None:
    """A gigabyte beyond the included ones saves its price, one within saves nothing and says so, none is silent."""
    one = found(priced(), USE, INDEXES)
    assert one["cost:saving:unused_indexes"].level is Level.ADVISORY
    assert one["cost:saving:unused_indexes"].detail == "1 GB in a, b: saves 0.50 EUR a month"
    assert one["cost:saving:unused_indexes"].metadata["amount"] == pytest.approx(0.5)
    assert one["cost:savings"].detail.startswith("1 found, together 0.50 EUR a month")
    within = found(priced(), MonthlyUsage(5 * GB, 1e6), INDEXES)["cost:saving:unused_indexes"]
    assert "saves 0.00 EUR a month, for what is included is not used up" in within.detail
    small = found(priced(), USE, replace(INDEXES, bytes=GB / 1000))["cost:saving:unused_indexes"]
    assert "saves 0.0005 EUR a month" in small.detail
    none = found(priced())
    assert none["cost:savings"].level is Level.OK and none["cost:savings"].detail == "none found"
    unpriced = found(priced(), MonthlyUsage(None, 1e6), INDEXES)["cost:saving:unused_indexes"]
    assert "what it costs is not known: the size was not measured" in unpriced.detail


@pytest.mark.guide("G30", "holds")
def test_savings_together_are_not_their_sum() -> None:
    """Three gigabytes in two places, of which two are paid for; the samples say the same in the currency."""
    logs = Saving("cost:saving:log:public.l", "Log", "2 GB", "", bytes=2 * GB)
    findings, samples = prices.findings(priced(), USE, [INDEXES, logs])
    assert "2 found, together 1.00 EUR a month" in findings[-1].detail
    assert [finding.metadata["amount"] for finding in findings[1:3]] == [pytest.approx(0.5), pytest.approx(1.0)]
    assert [(one.metric, one.value, one.unit) for one in samples] == [
        ("cost_month", pytest.approx(TOTAL), "EUR"),
        ("savings_month", pytest.approx(1.0), "EUR"),
    ]


@pytest.mark.guide("G30", "holds")
def test_what_could_not_be_looked_for_is_unknown_and_saves_nothing() -> None:
    """Its own finding says why; alone or beside others it leaves the whole unknown, and no sample is half a sum."""
    hidden = Saving("cost:saving:unused_indexes", "Unused indexes", "", "Look.", unknown="statistics are too young")
    one = found(priced(), USE, hidden)
    assert one["cost:saving:unused_indexes"].level is Level.UNKNOWN
    assert one["cost:saving:unused_indexes"].detail == "not collected: statistics are too young"
    assert one["cost:savings"].level is Level.UNKNOWN and "1 could not be looked for" in one["cost:savings"].detail
    beside, samples = prices.findings(priced(), USE, [INDEXES, hidden])
    assert beside[-1].level is Level.UNKNOWN and beside[-1].detail.endswith("; 1 could not be looked for")
    assert [sample.metric for sample in samples] == ["cost_month"]
    whole, samples = prices.findings(priced(), USE, [INDEXES])
    assert whole[-1].level is Level.OK
    assert [sample.metric for sample in samples] == ["cost_month", "savings_month"]
    _, samples = prices.findings(priced(), MonthlyUsage(), [])
    assert [sample.metric for sample in samples] == ["savings_month"]


@pytest.mark.guide("G30", "fires", "silent")
def test_functions_that_nobody_measured_are_not_in_use() -> None:
    """Without a number of the last weeks by function "none is idle" is UNKNOWN, until there is one."""
    silent: list[dict[str, dict[int, float]]] = [{}, {"": {0: 10.0}}, {"": {0: 10.0}, "gone": {7: 5.0}}]
    for weeks in silent:
        (saving,) = prices.idle_savings(priced(), weeks)
        assert "none of the last 5 weeks measured calls by function" in saving.unknown
        assert found(priced(), USE, saving)["cost:savings"].level is Level.UNKNOWN
    assert list(prices.idle_savings(priced(), {"used": {0: 10.0}})) == []


@pytest.mark.guide("G30", "fires", "silent")
def test_a_function_that_is_gone_is_idle_and_one_that_was_called_is_not() -> None:
    """Called seven weeks ago and never since; zero calls count as none; a silent ledger says nothing."""
    weeks = {"": {0: 10.0, 1: 10.0}, "gone": {7: 5.0, 9: 5.0}, "zero": {0: 0.0, 6: 3.0}, "used": {1: 1.0, 8: 4.0}}
    assert prices.idle_functions(weeks) == [("gone", 7), ("zero", 6)]
    assert prices.idle_functions({"": {0: 10.0}, "gone": {7: 5.0}}) == []
    assert prices.idle_functions({}) == []
    savings = list(prices.idle_savings(priced(function_month=3.0), weeks))
    finding = found(priced(), USE, *savings)["cost:saving:function:gone"]
    assert finding.level is Level.ADVISORY
    assert finding.detail == "its last call was 7 weeks ago: saves 3.00 EUR a month"
    never = {"": {0: 10.0}, "never": {0: 0.0}}
    assert prices.idle_functions(never) == []


@pytest.mark.guide("G30", "holds")
def test_one_week_of_history_is_a_month_that_says_so() -> None:
    """Its calls times the weeks of a month, its sizes' mean; without any, nothing."""
    use = prices.used([GB, 3 * GB], {"": {0: 700.0, 8: 9e9}, "f": {0: 1.0}})
    assert use.database_bytes == 2 * GB and use.invocations == pytest.approx(100 * MONTH)
    assert (use.bytes_of, use.calls_of) == ("the mean of 2 samples", "from 1 of 5 weeks")
    assert prices.used([], {}).database_bytes is None and prices.used([], {}).invocations is None


# Config ---------------------------------------------------------------------------------------------------------


def with_cost(folder: Path, cost: Any) -> None:
    """Give the configuration a section cost."""
    with (folder / MAIN).open("a") as file:
        file.write("\n" + yaml.safe_dump({"cost": cost}))


def test_the_shipped_example_is_valid_and_without_it_there_are_no_prices(config: Path) -> None:
    """What people uncomment works as it stands."""
    assert settings(config).maintenance.cost is None
    text = (config / MAIN).read_text()
    start = text.index("# cost:")
    example = text[start : text.index("\n\n", start)]
    (config / MAIN).write_text(text.replace(example, "\n".join(line[2:] for line in example.splitlines())))
    settings.cache_clear()
    cost = settings(config).maintenance.cost
    assert cost is not None and cost.currency == "EUR"


@pytest.mark.guide("G30", "holds")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"compute_month": [{"name": "Plan", "price": -25}]},
            "cost.compute_month.0.price: found -25: expected greater",
        ),
        ({"database_gb_month": {"price": -0.1}}, "cost.database_gb_month.price: found -0.1: expected greater than or"),
        ({"database_gb_month": {"price": 1, "included": -1}}, "cost.database_gb_month.included: found -1: expected"),
        (
            {"egress_gb": {"price": 1, "used_gb": -1}},
            "cost.egress_gb.used_gb: found -1: expected greater than or equal",
        ),
        ({"budget": float("inf")}, "cost.budget: found inf: expected a finite number"),
        ({"budget": float("nan")}, "cost.budget: found nan: expected"),
        ({"database_gb": 1}, "cost.database_gb: found a setting that does not exist"),
        ({"currency": "euro"}, "cost.currency: found 'euro'"),
        ({"function_invocations_million": {"price": "2"}}, "cost.function_invocations_million.price: found '2'"),
    ],
)
def test_a_price_that_cannot_be_is_refused(config: Path, changed: dict[str, Any], said: str) -> None:
    """Negative, endless, unknown, in words: the error names the setting, what was found and what was expected."""
    with_cost(config, PRICES | changed)
    assert said in refusal(config)
