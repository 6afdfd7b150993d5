"""Response times of the functions from the client (G38-G43): the first call apart from the rest."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from upkeep.areas.baselines.force import BaselinesInForce, baselines_in_force
from upkeep.areas.baselines.judged import Limit, latency_limit
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.read import earlier_samples
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.contract import ContractError, parse_answer, request_body
from upkeep.wires.functions.transport import Call, WireError, post

#: Samples: the median of warm calls, a first call after a silence, a first call without one.
WARM, COLD, FIRST = _METRICS = ("latency", "latency_cold", "latency_first")
#: Calls one function once and validates its answer; raises WireError or ContractError.
Ask = Callable[[str], object]


@dataclass(frozen=True)
class ResponseTimes:
    """Milliseconds of each call of one function, in order; ``problem`` says why there are not more."""

    milliseconds: tuple[float, ...]
    problem: str = ""


def measure(call: Ask, functions: list[str], samples: int, budget_seconds: float) -> dict[str, ResponseTimes]:
    """Call all functions side by side, each one's samples in a row; one that fails is not called again.

    No call begins once the budget is spent: it ends at most one call's own patience later, however slow a function is.
    """
    deadline = time.monotonic() + budget_seconds

    def one(function: str) -> ResponseTimes:
        taken: list[float] = []
        for _ in range(samples):
            if time.monotonic() >= deadline:
                return ResponseTimes(
                    tuple(taken), f"{budget_seconds:g} s were over after {len(taken)} of {samples} calls"
                )
            began = time.perf_counter()
            try:
                call(function)
            except (WireError, ContractError) as error:
                return ResponseTimes(tuple(taken), str(error))
            taken.append(1000 * (time.perf_counter() - began))
        return ResponseTimes(tuple(taken))

    with ThreadPoolExecutor(max_workers=len(functions)) as pool:
        return dict(zip(functions, pool.map(one, functions), strict=True))


def last_called(earlier: Mapping[tuple[str, str], tuple[float, datetime]]) -> dict[str, datetime]:
    """When each function was last timed, by any of this step's samples: a first call alone leaves one too."""
    called: dict[str, datetime] = {}
    for (metric, function), (_, taken_at) in earlier.items():
        if metric in _METRICS:
            called[function] = max(taken_at, called.get(function, taken_at))
    return called


def judge(
    timed: Mapping[str, ResponseTimes],
    called_at: Mapping[str, datetime],
    beside: Collection[str],
    now: datetime,
    settings: Settings,
    standing: BaselinesInForce | None = None,
) -> LookResult:
    """The median of the warm calls against the baseline in force, without one against the guide's expected time.

    The first call is cold after enough silence. ``called_at`` says when this step timed a function last; one that the
    window asks ``beside`` it is never cold, for nobody knows which call came first. Other callers may have kept a
    function warm, we cannot know.
    """
    findings: list[Finding] = []
    samples: list[Sample] = []
    for function, times in timed.items():
        first, warm = times.milliseconds[:1], times.milliseconds[1:]
        called = called_at.get(function)
        silence = timedelta(minutes=settings.maintenance.checks.cold_after_minutes)
        cold = function not in beside and (called is None or now - called >= silence)
        limit = latency_limit(standing, function, settings.thresholds, now) if standing else None
        findings.append(_finding(function, times, cold, settings, limit))
        samples += [Sample(COLD if cold else FIRST, value, "ms", function) for value in first]
        samples += [Sample(WARM, statistics.median(warm), "ms", function)] if warm else []
    return LookResult(tuple(findings), tuple(samples))


def _finding(function: str, times: ResponseTimes, cold: bool, settings: Settings, limit: Limit | None) -> Finding:
    expectation = limit.expectation if limit else settings.thresholds.latencies[function]
    first, warm = times.milliseconds[:1], times.milliseconds[1:]
    parts = []
    level = Level.UNKNOWN
    if warm:
        level = expectation.judge(statistics.median(warm))
        parts.append(f"median {statistics.median(warm):.0f} ms of {len(warm)} warm calls (slowest {max(warm):.0f} ms)")
    if first:
        parts.append(f"the first took {first[0]:.0f} ms ({'cold' if cold else 'not after a silence'})")
    if times.problem:
        level = Level.UNKNOWN
        parts.append(f"then no more: {times.problem}" if parts else times.problem)
    return Topic(f"latency:{function}", f"Response time of {function}", expectation.guide).finding(
        level,
        "; ".join(parts),
        f"{expectation.words}, warm, from this client" + (f"; {limit.words}" if limit else ""),
        "Compare with the other functions: all slow is the network or the platform, one slow is that function.",
        {"milliseconds": list(times.milliseconds), "cold": cold, "baseline": limit.version if limit else 0},
    )


def inspect(sources: Sources) -> LookResult:
    """Time ``health_check`` of every function of the guide's loop from here."""
    config, now = sources.config, datetime.now(UTC)
    connection_id = config.target(sources.target).connections.functions
    send, key = sources.functions(connection_id)
    once = config.maintenance.http.model_copy(update={"attempts": 1})  # a second try would hide a slow first one

    def call(function: str) -> object:
        body = request_body(function, "health_check", period=None)
        return parse_answer(function, "health_check", post(send, Call(function, body, connection_id), key, once))

    with sources.ledger() as session:
        earlier = earlier_samples(session, sources.window.target, sources.step, now)
        standing = baselines_in_force(session, sources.window.target)
    names, calls = list(config.thresholds.latencies), config.maintenance.checks.latency_samples
    timed = measure(call, names, calls, sources.seconds)
    return judge(timed, last_called(earlier), set(sources.called), now, config, standing)


def _described(config: Settings, _: str) -> str:
    calls, names = config.maintenance.checks.latency_samples, ", ".join(config.thresholds.latencies)
    return f"POST health_check {calls} times each to {names}"


INSPECTIONS = (Inspection("function_latencies", "health_check of each function", _described, inspect),)
