"""What a baseline in force judges: each function's response time (G39-G43), and the trigger for all of them (G96)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from upkeep.areas.baselines.force import BaselinesInForce, statement
from upkeep.areas.baselines.subjects import RESPONSE_TIME, latency_name, subjects
from upkeep.core.findings import Expectation
from upkeep.settings.thresholds import Thresholds


@dataclass(frozen=True)
class Limit:
    """What a function is judged by in place of the guide's number, and where it comes from."""

    expectation: Expectation
    words: str
    version: int


def latency_limit(now: BaselinesInForce, function: str, config: Thresholds, at: datetime) -> Limit | None:
    """A function's limit by its baseline at a moment, None where the guide's number holds.

    It is the upper end of what is ordinary that day with config's tolerance, and never below config's lowest limit.
    """
    version = now.of(latency_name(function))
    if version is None or function not in config.latencies:
        return None
    guide, percent = config.latencies[function], config.baselines.tolerance_percent
    usual = version.baseline.at(at)
    limit = round(max(usual.upper * percent / 100, config.baselines.limits[function][0]), 4)
    expectation = replace(guide, expected=replace(guide.expected, high=limit))
    words = (
        f"by its baseline, {version.words}: {usual.value:g} {guide.unit}, upper {usual.upper:g} {guide.unit}, of which "
        f"{percent:g} %; in place of the guide's {guide.words}"
    )
    return Limit(expectation, words, version.number)


@dataclass(frozen=True)
class PercentOfBaseline:
    """The response time in percent of our baseline, None when it is not known; ``words`` says by which, or why not."""

    percent: float | None
    words: str


def response_time(
    now: BaselinesInForce, points: Sequence[tuple[datetime, float]], config: Thresholds, fresh_after: datetime
) -> PercentOfBaseline | None:
    """The newest response time of (taken at, ms), oldest first, beside its baseline; None without a baseline."""
    version, subject = now.of(RESPONSE_TIME), subjects(config)[RESPONSE_TIME]
    if version is None:
        return None
    recent = [(at, value) for at, value in points if at > fresh_after and subject.judge(value) != "unknown"]
    if not recent:
        return PercentOfBaseline(None, "our own baseline has no response time of these days to hold beside it")
    at, value = recent[-1]
    usual = version.baseline.at(at)
    if usual.value <= 0:
        return PercentOfBaseline(None, f"our own {statement(version.baseline, subject)} is nothing to take percent of")
    said = f"{value:.4g} {subject.unit} by our baseline of {usual.value:g} {subject.unit} ({version.words})"
    return PercentOfBaseline(100 * value / usual.value, said)
