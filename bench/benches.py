"""The benches, by name."""

from __future__ import annotations

from collections.abc import Callable

from bench import (
    alerts,
    apply,
    audit,
    backup_week,
    backups,
    calendar,
    clone,
    collection,
    due_windows,
    executors,
    first_sunday,
    forecast,
    load,
    overdue,
    pages,
    parse,
    predictions,
    retention,
    waiting,
    watch,
    weekly,
    window,
)
from bench.measure import Result

BENCHES: dict[str, Callable[[], Result]] = {
    "parse": parse.run,
    "parse_targets": parse.targets,
    "parse_task": parse.task,
    "window": window.run,
    "collection": collection.run,
    "load": load.run,
    "apply": apply.run,
    "apply_latency": apply.latency,
    "clone": clone.run,
    "predictions": predictions.run,
    "forecast": forecast.run,
    "executors": executors.run,
    "waiting": waiting.run,
    "weekly": weekly.run,
    "first_sunday": first_sunday.run,
    "audit": audit.run,
    "calendar": calendar.run,
    "due_windows": due_windows.run,
    "overdue": overdue.run,
    "storm": alerts.storm,
    "watch": watch.run,
    "alert_latency": alerts.latency,
    "retention": retention.run,
    "pages": pages.run,
    "backups": backups.run,
    "backup_inventory": backups.inventory,
    "backup_week": backup_week.run,
}

#: Those that bring up Airflow.
ON_AIRFLOW = {"window", "executors", "waiting", "first_sunday", "clone", "alert_latency"}
