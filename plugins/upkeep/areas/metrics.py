"""The six metrics (G32-G37) in a function's answer, judged; for the windows' calls and for the watch. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upkeep.core.findings import Bands, Finding, Level, Sample, Topic
from upkeep.core.units import title
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.contract import ContractError, metric

Body = Mapping[str, Any]

_REMEDIES = {
    "overall_health": "See which of the other metrics drags it down, then the function's own logs.",
    "response_time": "Look at the slowest functions and at the database's long-running queries below.",
    "error_rate": "Look at the error analytics below: which function, which category, since when.",
    "database_connections": "Find who holds them (pg_stat_activity by application_name) and pool them.",
    "memory_usage": "Find the process or function that grew; a restart is a remedy only when the reason is known.",
    "cpu_usage": "Find the queries or functions that burn it; compare with yesterday's report.",
}


def metrics(function: str, action: str, body: Body, settings: Settings) -> LookResult:
    """Judge each metric that config says is found in this answer; one that is missing is UNKNOWN."""
    findings, samples = [], []
    for name, source in settings.maintenance.metrics.items():
        if (source.function, source.action) != (function, action):
            continue
        bands = settings.thresholds.metrics[name]
        try:
            value = metric(body, source.path)
        except ContractError as error:
            findings.append(_not_found(name, bands, str(error)))
            continue
        samples.append(Sample(name, value, bands.unit))
        findings.append(_judged(name, bands, value, settings.thresholds_version))
    return LookResult(tuple(findings), tuple(samples))


def _judged(name: str, bands: Bands, value: float, version: int) -> Finding:
    level = bands.judge(value)
    absurd = level is Level.UNKNOWN
    return Topic(f"metric:{name}", title(name), bands.guide).finding(
        level,
        f"{value:g} {bands.unit}" + (", which no such metric can be" if absurd else ""),
        f"{bands.says(Level.OK)} (critical: {bands.says(Level.CRITICAL)})",
        "Check what the function reports and where (config: metrics)." if absurd else _REMEDIES[name],
        {"value": value, "unit": bands.unit, "thresholds": version},
    )


def _not_found(name: str, bands: Bands, reason: str) -> Finding:
    return Topic(f"metric:{name}", title(name), bands.guide).finding(
        Level.UNKNOWN,
        f"not collected: {reason}",
        bands.says(Level.OK),
        f"If this deployment reports it elsewhere, set config/maintenance.yaml: metrics.{name}.path.",
    )
