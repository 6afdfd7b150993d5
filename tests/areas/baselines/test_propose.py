"""Baselines from history: the method, its bounds, what is not proposed, what is judged by them, and drift (G26)."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stages.weekly_reports import step as ran
from tests.stages.weekly_reports import weekly
from upkeep.areas.baselines import force, look
from upkeep.areas.baselines.force import (
    Baseline,
    BaselinesInForce,
    IgnoredBaseline,
    NormalRange,
    Version,
    parse,
    statement,
)
from upkeep.areas.baselines.judged import PercentOfBaseline, latency_limit, response_time
from upkeep.areas.baselines.propose import propose
from upkeep.areas.baselines.subjects import subjects
from upkeep.areas.capacity import look as capacity_look
from upkeep.areas.health.latencies import ResponseTimes, judge
from upkeep.core import statistics
from upkeep.core.findings import Finding, Level
from upkeep.core.text import prose
from upkeep.report.baselines import baseline_plots
from upkeep.report.page import to_html
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings
from upkeep.settings.thresholds import Thresholds
from upkeep.wires.functions.database_models import ScalabilityReport

SHIPPED = settings(ROOT / "config")
CONFIG = SHIPPED.thresholds
#: A Sunday.
NOW = datetime(2026, 5, 31, 2, tzinfo=UTC)
DAY = timedelta(days=1)
TRUST, TIMES, HEALTH = "trust-scorer latency", "response_time", "overall_health"
#: Four weeks of 100 to 130 ms: median 112, MAD 6, so that an ordinary day reaches 112 + 3 × 1.4826 × 6 = 138.7.
QUIET = [100.0, 106.0, 110.0, 112.0, 114.0, 118.0, 130.0] * 4
PROPOSED = "baseline of trust-scorer latency: 112 ms (median of 28 windows, upper 139 ms)"


def config(**changed: Any) -> Thresholds:
    """The shipped thresholds, some fields of the baselines replaced."""
    return CONFIG.model_copy(update={"baselines": CONFIG.baselines.model_copy(update=changed)})


def days(values: list[float]) -> list[tuple[datetime, float]]:
    """One window a day up to today, oldest first."""
    return [(NOW - ago * DAY, value) for ago, value in enumerate(reversed(values))][::-1]


def version(text: str, number: int = 1, ago: float = 0, known: Thresholds = CONFIG) -> Version:
    """A version that was put in force so many days ago."""
    since = NOW - ago * DAY
    return Version(number, parse(text, known), since, ("lena", "bob"), since)


def standing(*versions: Version, ignored: tuple[IgnoredBaseline, ...] = ()) -> BaselinesInForce:
    """These versions of one subject in force, newest first."""
    return BaselinesInForce("primary", {versions[0].baseline.subject: versions} if versions else {}, ignored)


def proposed(
    values: list[float], subject: str = TRUST, now: BaselinesInForce | None = None, known: Thresholds = CONFIG
) -> str:
    """What is proposed for one subject from these values; empty when nothing is."""
    found = propose({subject: days(values)}, now or standing(), known, ("lead",))
    return "".join(one.action.statement for one in found)


def told(
    values: list[float], subject: str = TRUST, now: BaselinesInForce | None = None, known: Thresholds = CONFIG
) -> dict[str, Finding]:
    """What the monthly look says of one subject, its drift, and the rows; by key without the beginning."""
    found = look.found({subject: days(values)}, now or standing(), known, NOW)
    others = {f"baseline:{name}" for name in subjects(known) if name != subject}
    assert {finding.key for finding in found} >= others
    return {one.key.removeprefix("baseline:"): one for one in found if one.key not in others}


# The method -----------------------------------------------------------------------------------------------------


@pytest.mark.guide("G26", "holds")
def test_a_baseline_is_the_median_and_as_far_as_an_ordinary_day_reaches() -> None:
    """112 ms, and 138.7 becomes 139: rounded away from the best, so that what was ordinary stays ordinary."""
    assert proposed(QUIET) == PROPOSED


@pytest.mark.guide("G26", "holds")
def test_an_outage_does_not_become_ordinary_and_a_tail_moves_the_end_only() -> None:
    """Two days of 5 s in seven weeks leave the baseline alone; one day of ten at 180 ms is the end of what is usual."""
    assert proposed([*QUIET, *QUIET[:21], 5000.0, 5000.0]) == PROPOSED.replace("28", "51")
    assert proposed(([100.0] * 9 + [180.0]) * 4).endswith(": 100 ms (median of 40 windows, upper 180 ms)")


def test_what_is_bad_when_it_is_low_has_a_lower_end() -> None:
    """Health of 98.5 to 99 %: the median is 98.8, and three robust deviations from it are 98.36, rounded down."""
    health = proposed([98.5, 98.7, 98.8, 98.8, 98.8, 98.9, 99.0] * 4, HEALTH)
    assert health == "baseline of overall_health: 98.8 % (median of 28 windows, lower 98.35 %)"
    steady = proposed([99.9, 40.0, 99.9] * 10, HEALTH)
    assert steady == "baseline of overall_health: 99.9 % (median of 30 windows, lower 40 %)"


def test_no_end_lies_beyond_what_can_be() -> None:
    """5 and 60 % in turns have a robust deviation of 41: the upper end is 100 % and not 155; falling ones end at 0."""
    wild = proposed([5.0, 60.0] * 20, "cpu_usage")
    assert wild.endswith("(median of 40 windows, upper 100 %)"), wild
    falling = proposed([40.0, 96.0, 100.0] * 20, "cache_hit_ratio")
    assert falling.endswith("(median of 60 windows, lower 40 %)"), falling
    assert subjects(CONFIG)[HEALTH].value(101) == 0


@pytest.mark.guide("G26", "holds")
def test_weekdays_get_values_of_their_own_where_they_differ() -> None:
    """Twelve weeks in which the weekend is twice as fast: seven values, and a Sunday is judged by Sunday's."""
    dice = random.Random(5)
    values = [(60.0 if day % 7 in (5, 6) else 120.0) + dice.gauss(0, 4) for day in range(84)]  # from a Monday on
    text = proposed(values)
    assert re.fullmatch(
        r"baseline of trust-scorer latency: 1\d\d ms \(median of 84 windows, upper 1\d\d ms\); "
        r"Monday 1[12]\d(\.\d+)? \(upper 1\d\d\), (\w+day 1[12]\d \(upper 1\d\d\), ){4}"
        r"Saturday [56]\d(\.\d)? \(upper \d\d(\.\d)?\), Sunday [56]\d(\.\d)? \(upper \d\d(\.\d)?\)",
        text,
    ), text
    baseline = parse(text, CONFIG)
    assert baseline.at(NOW) == baseline.weekdays[6] != baseline.at(NOW + DAY) == baseline.weekdays[0]
    now = standing(version(text))
    sunday, monday = (judged(70, at=at, now=now) for at in (NOW, NOW + DAY))
    limit = max(baseline.weekdays[6].upper * 1.25, 40)
    assert sunday.expected.startswith(f"below {limit:g} ms, warm, from this client; by its baseline, version 1")
    assert judged(100, at=NOW, now=now).level is Level.WARNING, "twice as slow as a Sunday"
    assert judged(100, at=NOW + DAY, now=now).level is monday.level is Level.OK


@pytest.mark.guide("G26", "holds")
def test_there_is_no_profile_of_weekdays_from_noise_or_too_few_weeks() -> None:
    """Ninety days without a difference have one value in 195 of 200 histories; seven weeks of each are too few."""
    profiles = 0
    for seed in range(200):
        dice = random.Random(seed)
        profiles += ";" in proposed([dice.gauss(100, 20) for _ in range(90)])
    assert profiles <= 5
    differ = [60.0 if day % 7 > 4 else 120.0 for day in range(84)]
    assert ";" in proposed(differ)
    assert ";" not in proposed(differ[:49])
    assert ";" in proposed(differ[:49], known=config(weekday_windows=7))


def test_weekdays_that_differ_by_little_have_one_value() -> None:
    """One percent is significant after a quarter of a year, and no news."""
    assert statistics.weekdays_differ([[100.0 + (day > 4) + week / 1000 for week in range(12)] for day in range(7)])
    assert ";" not in proposed([100.0 + (day % 7 > 4) + day / 10_000 for day in range(84)])


def test_the_test_of_weekdays_by_hand() -> None:
    """All the same, or each with the same ranks: no difference. H of perfectly ordered weekdays is the textbook's."""
    assert not statistics.weekdays_differ([[5.0] * 8] * 7)
    assert not statistics.weekdays_differ([[1.0, 2.0, 3.0]] * 7)
    assert statistics.weekdays_differ([[10.0 * day + week for week in range(4)] for day in range(7)])


def test_the_order_of_the_days_does_not_matter() -> None:
    """Quantile, median and MAD know no order; without a profile nothing else does."""
    dice = random.Random(7)
    values = [dice.lognormvariate(4.5, 0.1) for _ in range(40)]
    assert proposed(values) == proposed(sorted(values)) != ""


# The statement --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(subjects(CONFIG)))
def test_a_statement_is_read_back_as_it_was_written(name: str) -> None:
    """Whatever is measured: the text that people approve is the text that is applied."""
    subject = subjects(CONFIG)[name]
    values = [subject.value(abs(subject.good - subject.best) * share / 100) for share in range(10, 50)]
    text = proposed(values, name)
    assert text.startswith(f"baseline of {name}: ")
    assert statement(parse(text, CONFIG), subject) == text


@pytest.mark.guide("G26", "holds")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PROPOSED.replace("139", "241"), "found an upper end of 241 ms, which with 125 % lets it reach 301.25 ms, "),
        (PROPOSED.replace("112", "10000").replace("139", "10000"), "expected at most 300 ms (config/thresholds.yaml: "),
        (PROPOSED.replace("139", "111"), "found 112 ms with the upper end 111, which cannot be"),
        (PROPOSED.replace("112 ", "0112 "), "expected it written as"),
        (PROPOSED.replace("28", "028"), "expected a baseline as"),
        (PROPOSED.replace("28", "0"), "expected a baseline as"),
        (PROPOSED.replace("upper", "lower"), "expected it written as"),
        (PROPOSED.replace("112 ms", "112 s"), "expected it written as"),
        (PROPOSED.replace("112", "-112"), "expected a baseline as"),
        (PROPOSED.replace("112", "nan"), "expected a baseline as"),
        (PROPOSED.replace("139", "inf"), "expected a baseline as"),
        (PROPOSED + "; Monday 90 (upper 100)", "expected it written as"),
        (PROPOSED + "; DROP TABLE upkeep.baselines", "expected it written as"),
        (PROPOSED.replace("trust-scorer latency", "trust-scorer"), "found a baseline of 'trust-scorer', expected one"),
        ("", "expected a baseline as"),
        (
            "baseline of overall_health: 98 % (median of 30 windows, lower 101 %)",
            "found 98 % with the lower end 101, which cannot be",
        ),
        (
            "baseline of response_time: 901 ms (median of 30 windows, upper 950 ms)",
            "expected an ordinary value no worse than 900 ms (config/thresholds.yaml: bounds.response_time.warning)",
        ),
        (
            "baseline of cache_hit_ratio: 85 % (median of 30 windows, lower 80 %)",
            "expected an ordinary value no worse than 90 % (config/thresholds.yaml: expectations.cache_hit_ratio)",
        ),
    ],
)
def test_a_statement_that_config_does_not_allow_is_refused(text: str, why: str) -> None:
    """Outside the bounds, impossible, or written in another way than the one that is hashed."""
    with pytest.raises(ValueError, match=re.escape(why)):
        parse(text, CONFIG)


def test_one_weekday_beyond_the_bounds_refuses_the_whole() -> None:
    """A profile is no way around the limit."""
    days_of = ", ".join(f"{name} 112 (upper {139 if name != 'Friday' else 250})" for name in force.WEEKDAYS)
    with pytest.raises(ValueError, match="found an upper end of 250 ms"):
        parse(f"{PROPOSED}; {days_of}", CONFIG)
    assert len(parse(f"{PROPOSED}; {days_of.replace('250', '150')}", CONFIG).weekdays) == 7


# What is not proposed -------------------------------------------------------------------------------------------


@pytest.mark.guide("G26", "fires", "silent")
def test_one_week_of_history_says_how_much_is_missing() -> None:
    """Seven windows: an advisory that names the other twenty-one. With enough it proposes; once in force it is ok."""
    few = told(QUIET[:7])[TRUST]
    assert (few.level, proposed(QUIET[:7])) == (Level.ADVISORY, "")
    said = "none in force, the guide's number holds; no proposal: 7 of 28 daily windows; 21 more needed"
    assert few.detail == said
    enough = told(QUIET)[TRUST]
    assert enough.level is Level.ADVISORY
    assert enough.detail == f"none in force, the guide's number holds; proposed: {PROPOSED}"
    now = standing(version(PROPOSED))
    content = told(QUIET, now=now)[TRUST]
    assert content.level is Level.OK
    assert content.detail == (
        "in force (version 1, approved by lena and bob on 2026-05-31): 112 ms (median of 28 windows, upper 139 ms); "
        "no proposal: history would move it by 0 %, less than 10 % (28 windows)"
    )
    assert proposed(QUIET, now=now) == ""


@pytest.mark.guide("G26", "fires", "silent")
def test_a_metric_that_was_never_collected_is_unknown() -> None:
    """No value in all the history: not collected, not healthy; with values it is judged."""
    assert told([])[TRUST].level is Level.UNKNOWN
    assert told([])[TRUST].detail.startswith("not collected: no value in the last 90 days; none in force")
    assert told(QUIET)[TRUST].level is not Level.UNKNOWN


def test_a_value_that_such_a_metric_cannot_have_is_no_history() -> None:
    """NaN, infinite and negative ones are left out of the count and of the method; only such: never collected."""
    absurd = [math.nan, math.inf, -1.0]
    assert proposed(QUIET + absurd) == proposed(QUIET)
    assert "27 of 28 daily windows" in told(QUIET[1:] + absurd)[TRUST].detail
    unseen = told(absurd * 20)[TRUST]
    assert unseen.level is Level.UNKNOWN and "not collected: no value in the last 90 days" in unseen.detail
    assert proposed([*QUIET[1:], 101.0], HEALTH) == ""


@pytest.mark.guide("G26", "fires", "silent")
def test_a_small_move_is_no_news() -> None:
    """From 112 to 120 ms is 7 % and nothing; to 126 ms is a proposal that says by how much it is worse."""
    now = standing(version(PROPOSED))
    assert told([value + 8 for value in QUIET], now=now)[TRUST].level is Level.OK
    worse = told([value + 14 for value in QUIET], now=now)[TRUST]
    assert (worse.level, worse.detail.rpartition(", ")[2]) == (Level.ADVISORY, "12 % worse")
    better = told([value - 14 for value in QUIET], now=now)[TRUST]
    assert better.detail.rpartition(", ")[2] == "12 % better"


def test_a_few_milliseconds_are_no_regression() -> None:
    """5 to 8 ms are 60 % of themselves and a tenth of the fifth of the guide's 150 ms from which on changes count."""
    text = "baseline of trust-scorer latency: 5 ms (median of 30 windows, upper 5 ms)"
    assert proposed([7.9] * 30, now=standing(version(text))) == ""
    assert proposed([8.1] * 30, now=standing(version(text))) != ""


@pytest.mark.guide("G26", "G39-G43", "holds")
def test_what_is_slower_than_the_bounds_allow_is_not_proposed() -> None:
    """A quarter of a year at 10 s stays what it is: nothing for people to approve, and the finding says why."""
    assert proposed([10_000.0] * 90) == ""
    one = told([10_000.0] * 90)[TRUST]
    assert one.level is Level.ADVISORY
    assert "no proposal: history asks for an upper end of 10000 ms, which with 125 % lets it reach" in one.detail
    assert proposed([240.0] * 90) != ""
    assert proposed([241.0] * 90) == ""


# The action -----------------------------------------------------------------------------------------------------


def test_the_action_says_what_people_approve() -> None:
    """Target, subject, version and statement in force are its preconditions; the old statement takes it back."""
    now = standing(version(PROPOSED, number=3))
    (one,) = propose({TRUST: days([value + 20 for value in QUIET])}, now, CONFIG, ("lead", "devops"))
    action = one.action
    assert (action.kind, action.verb, action.schema, action.table) == ("baselines", "set", "primary", TRUST)
    assert (action.oid, action.shape, action.undo, action.roles) == (3, PROPOSED, PROPOSED, ("lead", "devops"))
    assert prose(action.because) == action.because
    assert one.measured == {"windows": 28, "MAD": 6.0, "percent worse than what is in force": 17.9}
    (first,) = propose({TRUST: days(QUIET)}, standing(), CONFIG, ("lead",))
    assert (first.action.oid, first.action.shape, first.action.undo) == (0, "", "")
    assert {prose(name) for name in one.measured} == set(one.measured)


def test_what_a_report_draws() -> None:
    """The windows in days from now with their values, what is in force and what is proposed, as JSON has them."""
    now = standing(version(PROPOSED))
    metadata = told([value + 20 for value in QUIET], now=now)[TRUST].metadata
    assert (metadata["in_force"], metadata["in_force_end"]) == (112, 139)
    assert (metadata["proposed"], metadata["proposed_end"], metadata["unit"]) == (132, 159, "ms")
    assert metadata["history"][0] == [-27.0, 120.0] and metadata["history"][-1] == [0.0, 150.0]
    bare = told([])[TRUST].metadata
    assert (bare["history"], bare["in_force"], bare["proposed"], bare["baseline"]) == ([], None, None, 0)


# What is judged by them -----------------------------------------------------------------------------------------


def judged(
    milliseconds: float, now: BaselinesInForce | None = None, known: Settings = SHIPPED, at: datetime = NOW
) -> Finding:
    """A warm call of trust-scorer as the daily window judges it."""
    timed = {"trust-scorer": ResponseTimes((milliseconds, milliseconds))}
    (finding,) = judge(timed, {}, (), at, known, now).findings
    return finding


@pytest.mark.guide("G39-G43", "fires", "silent")
@pytest.mark.parametrize(
    ("function", "guide"),
    [
        ("gdpr-compliance", "G39"),
        ("database-scalability", "G40"),
        ("trust-scorer", "G41"),
        ("vibe-analyzer", "G42"),
        ("agent-recommender", "G43"),
    ],
)
def test_an_approved_baseline_takes_the_place_of_the_guides_number(function: str, guide: str) -> None:
    """Upper end 139 ms and its 125 %: 173.74 ms are ok and 173.75 are not, whatever the guide's number is."""
    now = standing(version(PROPOSED.replace("trust-scorer", function), number=2))

    def found(value: float, approved: BaselinesInForce | None) -> Finding:
        (one,) = judge({function: ResponseTimes((1.0, value))}, {}, (), NOW, SHIPPED, approved).findings
        return one

    number = CONFIG.latencies[function].limit
    assert [found(value, standing()).level for value in (number - 0.01, number)] == [Level.OK, Level.WARNING]
    assert [found(value, now).level for value in (173.74, 173.75)] == [Level.OK, Level.WARNING]
    one = found(160, now)
    assert (one.guide, one.metadata["baseline"]) == (guide, 2)
    assert one.expected == (
        "below 173.75 ms, warm, from this client; by its baseline, version 2, approved by lena and bob on 2026-05-31: "
        f"112 ms, upper 139 ms, of which 125 %; in place of the guide's below {number:g} ms"
    )
    assert found(160, standing()).metadata["baseline"] == 0


@pytest.mark.guide("G39-G43", "holds")
def test_a_quiet_month_makes_no_limit_below_the_lowest() -> None:
    """An upper end of 6 ms would make 8 ms a warning: the limit is config's lowest, 40 ms."""
    now = standing(version("baseline of trust-scorer latency: 5 ms (median of 30 windows, upper 6 ms)"))
    assert [judged(value, now).level for value in (8, 39.9, 40)] == [Level.OK, Level.OK, Level.WARNING]


def held(value: float | None, text: str = "", *, age: timedelta = DAY) -> PercentOfBaseline | None:
    """The response time of a day ago beside a baseline."""
    text = text or "baseline of response_time: 200 ms (median of 40 windows, upper 300 ms)"
    points = [] if value is None else [(NOW - age, value)]
    return response_time(standing(version(text)), points, CONFIG, NOW - capacity_look.FRESH)


def scaled(own: PercentOfBaseline | None, by_function: float | None = 20.0, known: Settings = SHIPPED) -> Finding:
    """The scaling trigger for response times."""
    report = ScalabilityReport.model_validate({"response_time_percent_of_baseline": by_function})
    looked = capacity_look.look(report, [], "targets.primary.storage_bytes", None, known, NOW, own)
    (finding,) = [one for one in looked.findings if one.key == "capacity:response_time"]
    return finding


@pytest.mark.guide("G96", "fires", "silent", "holds")
def test_the_scaling_trigger_asks_our_baseline_first_and_says_so() -> None:
    """200 ms approved: 300 ms are 150 % and in order, 301 ms are not, whatever the function says of its own."""
    assert scaled(held(300.0)).level is Level.OK
    slow = scaled(held(301.0))
    assert slow.level is Level.WARNING
    assert slow.detail == (
        "150.5 % of the baseline: 301 ms by our baseline of 200 ms "
        "(version 1, approved by lena and bob on 2026-05-31); the function says 20 % of its own"
    )
    assert scaled(held(300.0), None).level is Level.OK
    assert scaled(held(100.0), 900.0).level is Level.OK


@pytest.mark.guide("G96", "holds")
def test_without_a_baseline_of_ours_the_functions_own_number_counts_and_is_called_that() -> None:
    """None in force, none fresh to hold beside it, or one of nothing: the function's number, with the reason."""
    none = response_time(standing(), [(NOW, 900.0)], CONFIG, NOW - DAY)
    assert none is None
    assert (scaled(none, 151).level, scaled(none, 150).level) == (Level.WARNING, Level.OK)
    own = "150 % of the baseline; by the function's own: "
    assert scaled(none, 150).detail == own + "no baseline of ours is in force (G26)"
    stale = [held(None), held(900.0, age=3 * DAY), held(math.nan), held(-4.0)]
    for one in stale:
        assert scaled(one, 150).detail.startswith(own + "our own baseline has no response time of these days")
    zero = held(5.0, "baseline of response_time: 0 ms (median of 40 windows, upper 0 ms)")
    assert "is nothing to take percent of" in scaled(zero, 150).detail
    unseen = scaled(none, None)
    assert unseen.level is Level.UNKNOWN and "not collected: the function did not report it" in unseen.detail


def test_the_triggers_percent_is_configs() -> None:
    """120 % configured: 241 of 200 ms are too much, whoever's baseline it is."""
    triggers = SHIPPED.thresholds.triggers.model_copy(update={"response_time_percent": 120.0})
    strict = SHIPPED.model_copy(update={"thresholds": SHIPPED.thresholds.model_copy(update={"triggers": triggers})})
    assert [scaled(held(value), known=strict).level for value in (240.0, 241.0)] == [Level.OK, Level.WARNING]
    assert scaled(None, 121, strict).level is Level.WARNING
    assert scaled(None, 121, strict).expected == "at most 120 % of the baseline"


# Drift ----------------------------------------------------------------------------------------------------------


def step(number: int, value: float, ago: float, upper: float = 0) -> Version:
    """An approved version of trust-scorer's baseline."""
    return version(
        f"baseline of {TRUST}: {value:g} ms (median of 40 windows, upper {upper or value:g} ms)", number, ago
    )


@pytest.mark.guide("G26", "fires", "silent")
def test_three_approved_steps_are_told_as_one_drift() -> None:
    """100 → 109 → 118 → 128 ms, each step below 10 %, together 28 %: a warning, and none without the last step."""
    steps = [step(4, 128, 10), step(3, 118, 60), step(2, 109, 120), step(1, 100, 200)]
    quiet = [128.0] * 30
    found = told(quiet, now=standing(*steps))
    drift = found[f"{TRUST}:drift"]
    assert (drift.level, found[TRUST].level) == (Level.WARNING, Level.OK)
    assert drift.detail == "100 → 128 ms, 28 % worse than version 1 of 2025-11-12; 3 approved steps since"
    assert "25 % worse than the best of 6 months" in drift.expected
    assert drift.metadata["versions"] == [[1, 100], [2, 109], [3, 118], [4, 128]]
    assert f"{TRUST}:drift" not in told([118.0] * 30, now=standing(*steps[1:]))


@pytest.mark.guide("G26", "fires", "silent")
def test_a_proposal_that_would_be_a_drift_is_told_before_anybody_approves_it() -> None:
    """109 ms is in force, history says 130: with the 100 ms of five months ago that is 30 %. History of 118 is not."""
    now = standing(step(2, 109, 30), step(1, 100, 150))
    found = told([130.0] * 30, now=now)
    assert found[TRUST].detail.endswith("19 % worse")
    assert found[f"{TRUST}:drift"].detail.startswith("100 → 130 ms, 30 % worse than version 1 of ")
    assert f"{TRUST}:drift" not in told([118.0] * 30, now=now)


@pytest.mark.guide("G26", "fires")
def test_a_regression_that_the_bounds_keep_out_of_the_plan_is_told_all_the_same() -> None:
    """History at 400 ms cannot be proposed; beside the 100 ms in force it is a drift without any step."""
    found = told([400.0] * 30, now=standing(step(1, 100, 20)))
    assert "; proposed" not in found[TRUST].detail
    assert found[f"{TRUST}:drift"].detail.endswith("300 % worse than version 1 of 2026-05-11; what history says now")


def test_the_best_of_the_months_counts_and_getting_better_is_no_drift() -> None:
    """140 → 100 → 130 in half a year is 30 % worse than it was; 140 → 100 alone is none, and the end counts as well."""
    up = [step(3, 130, 5), step(2, 100, 90), step(1, 140, 300)]
    assert told([130.0] * 30, now=standing(*up))[f"{TRUST}:drift"].detail.startswith("100 → 130 ms, 30 % worse")
    assert f"{TRUST}:drift" not in told([100.0] * 30, now=standing(*up[1:]))
    tail = standing(step(2, 100, 5, 200), step(1, 100, 200, 120))
    assert told([100.0] * 27 + [200.0] * 3, now=tail)[f"{TRUST}:drift"].detail.startswith("its upper end 120 → 200 ms")


# Rows that do not count -----------------------------------------------------------------------------------------


def test_a_row_that_does_not_verify_is_critical_and_one_of_something_gone_is_said() -> None:
    """The one needs somebody to look who wrote it, the other nobody."""
    rows = (
        IgnoredBaseline(2, TRUST, "no answer from lead", False),
        IgnoredBaseline(1, "old latency", "found a baseline of", True),
    )
    found = told(QUIET, now=standing(ignored=rows))
    assert found[f"row:{TRUST}:2"].level is Level.CRITICAL
    assert found[f"row:{TRUST}:2"].detail == f"version 2 ({TRUST}) is ignored: no answer from lead"
    assert found["row:old latency:1"].level is Level.ADVISORY


def test_a_function_that_is_gone_from_config_has_no_baseline() -> None:
    """Its statement names what config does not know; nobody is judged by it, and no limit is asked for."""
    one = version(PROPOSED)
    less = CONFIG.model_copy(update={"latencies": {k: v for k, v in CONFIG.latencies.items() if k != "trust-scorer"}})
    with pytest.raises(force.UnknownSubject, match="found a baseline of 'trust-scorer latency'"):
        parse(PROPOSED, less)
    assert latency_limit(standing(one), "trust-scorer", less, NOW) is None
    assert TRUST not in subjects(less)


def test_a_baseline_is_what_it_says() -> None:
    """Without weekdays every day is the same; the pairs are all that bounds are asked about."""
    one = Baseline(TRUST, 30, NormalRange(1, 2))
    assert (one.at(NOW), one.pairs) == (NormalRange(1, 2), (NormalRange(1, 2),))
    assert replace(one, weekdays=(NormalRange(3, 4),) * 7).pairs == (NormalRange(1, 2), *[NormalRange(3, 4)] * 7)


# The plot -------------------------------------------------------------------------------------------------------


def corners(line: str) -> list[tuple[float, float]]:
    """The corners of a polyline."""
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


@pytest.mark.guide("G26", "holds")
def test_a_proposal_is_drawn_over_its_history_beside_what_is_in_force() -> None:
    """What is slower lies higher; the band reaches from the value to its end; a proposal stands before the others."""
    now = standing(version(PROPOSED))
    findings = look.found({TRUST: days([value + 20 for value in QUIET]), TIMES: days([200.0] * 30)}, now, CONFIG, NOW)
    stored = [replace(one, metadata=json.loads(json.dumps(dict(one.metadata)))) for one in findings[::-1]]
    times, trust = baseline_plots(stored)
    assert (times.title, trust.title) == ("Baseline of response time", "Baseline of trust-scorer latency")
    assert trust.standing is not None and trust.proposed is not None
    assert trust.standing.y > trust.proposed.y > trust.proposed.top, "112 below 132 below 159 ms"
    assert trust.proposed.top + trust.proposed.height == pytest.approx(trust.proposed.y)
    assert trust.words.endswith(": 120 to 150 ms in 28 windows, in force 112 ms, proposed 132 ms.")
    line = corners(trust.line)
    assert len(line) == 28 and line[0][0] == 6 and line[-1][0] == 284
    assert line[-1][1] < line[0][1]
    assert times.standing is None and times.words.endswith("none in force, proposed 200 ms.")
    page = to_html(weekly(ran("evidence.baselines", *stored)))
    assert page.count('<figure class="metric">') == 2 and "<h2>Baselines</h2>" in page
    assert "<h2>Baselines</h2>" not in to_html(weekly(ran("evidence.baselines", *told([]).values())))


def test_a_value_far_outside_lies_on_the_edge_and_is_told() -> None:
    """A day of 5 s does not press the others flat, and values that cannot be are not drawn at all."""
    (one,) = baseline_plots(told([*QUIET, 5000.0, math.nan], now=standing(version(PROPOSED))).values())
    heights = [y for _, y in corners(one.line)]
    assert len(heights) == 29 and min(heights) == heights[-1] >= 6
    assert max(heights[:-1]) - min(heights[:-1]) > 20
    assert "100 to 5,000 ms in 29 windows" in one.words
    (flat,) = baseline_plots(told([0.0] * 30).values())
    assert {y for _, y in corners(flat.line)} and flat.proposed is not None
