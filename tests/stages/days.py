"""A whole day's report as a real daily window writes one: every step, forty findings, thirty windows of six metrics."""

from dataclasses import replace
from datetime import timedelta

from tests.stages.reports import DAY, DUE, report
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.units import title
from upkeep.report.model import History, Point, Report, StepResult
from upkeep.settings.base import METRICS
from upkeep.settings.load import settings

STEPS = {
    "calendar": ("due_windows",),
    "health": ("system_status",),
    "performance": ("function_latencies", "overnight_alerts"),
    "errors": ("get_error_analytics",),
    "database": (
        *("performance_analysis", "scalability_report", "database_expectations", "table_sizes"),
        *("long_running_queries", "connections", "server"),
    ),
    "security": ("get_errors", "failed_logins", "new_addresses", "rate_limits", "service_role_hours", "scan_age"),
    "backups": ("newest_backup", "corruption", "contents"),
}
#: A usual value of each of the six metrics.
USUAL = {
    "error_rate": 0.12,
    "response_time": 214.0,
    "overall_health": 97.5,
    "memory_usage": 58.0,
    "cpu_usage": 31.0,
    "database_connections": 23.0,
}
#: Rows of the checklist stand on findings of these keys.
KEYS = {
    "health.system_status": tuple(f"metric:{name}" for name in METRICS),
    "performance.overnight_alerts": ("alerts",),
    "errors.get_error_analytics": ("error_analytics",),
    "performance.function_latencies": tuple(f"latency:function-{n}" for n in range(7)),
    "backups.newest_backup": ("backups:completion", "backups:age"),
}


def healthy_day(**fields: object) -> Report:
    """A day on which every finding is ok."""
    steps = [_step(f"{group}.{name}", group) for group, names in STEPS.items() for name in names]
    samples = [Sample(name, value, "") for name, value in USUAL.items()]
    samples += [Sample("table_bytes", 1e6 * n, "bytes", f"public.table_{n}") for n in range(22)]
    return replace(
        report(*steps),
        samples=tuple(samples),
        history=tuple(_history(name) for name in METRICS),
        last_due=DUE - DAY,
        thresholds="config/thresholds.yaml, as shipped",
        **fields,  # type: ignore[arg-type]
    )


def _step(name: str, group: str) -> StepResult:
    started = DUE + timedelta(seconds=4)
    words = title(name.partition(".")[2])
    keys = KEYS.get(name, (f"{name}:a", f"{name}:b"))
    findings = tuple(
        Finding(
            key,
            Level.OK,
            title(key.rpartition(":")[2]),
            "within what is expected here, as in each of the last windows",
            expected="what the guide says of it",
            guide="G118" if key == "alerts" else "G8",
        )
        for key in keys
    )
    return StepResult(
        name,
        group,
        words,
        "ran",
        started=started,
        ended=started + timedelta(milliseconds=430),
        findings=findings,
        source=f"include/sql/{group}/{name.partition('.')[2]}.sql",
        digest="0f" * 32,
        log_url=f"http://127.0.0.1:28380/dags/maintenance_daily/runs/r/tasks/{name}?try_number=1",
    )


def _history(name: str) -> History:
    dues = [DUE - n * DAY for n in reversed(range(30))]
    values = [USUAL[name] * (1 + (n * 7 % 5 - 2) / 100) for n in range(30)]
    points = tuple(Point(due, due - DAY, "calendar", value) for due, value in zip(dues, values, strict=True))
    return History(name, title(name), settings().thresholds.metrics[name], points)
