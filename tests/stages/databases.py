"""What the windows leave of a database's tables, indexes and slow statements."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.pages import reported, window_of
from upkeep.core.findings import Level, Sample
from upkeep.core.windows import Window

MB = 1024.0**2


def table(name: str, size: float, live: float = 1000, dead: float = 0) -> tuple[Sample, ...]:
    """What a look keeps of a table."""
    return (
        Sample("table_bytes", size * MB, "bytes", name),
        Sample("table_live_rows", live, "rows", name),
        Sample("table_dead_rows", dead, "rows", name),
    )


def index(name: str, size: float, scans: float) -> tuple[Sample, ...]:
    """What a look keeps of an index."""
    return Sample("index_bytes", size * MB, "bytes", name), Sample("index_scans", scans, "scans", name)


def seen(book: Ledger, target: str, at: datetime, *samples: Sample, **looked: Any) -> Window:
    """A daily window that saw these, with its report."""
    window = window_of(target, "daily", at)
    taken = record(step="database.table_sizes", at=at, samples=samples, **looked)
    write(book, window, replace(taken, taken_at=at))
    reported(book, window, "ok", "a headline")
    return window


def slow(book: Ledger, target: str, at: datetime, **means: float) -> Window:
    """A weekly window that saw these statements, by what their ids end with."""
    window = window_of(target, "weekly", at)
    found = [
        finding(
            f"slow_queries:{name}",
            Level.ADVISORY,
            subject=f"Slow statement {name} of app",
            detail=f"{mean:,.0f} ms on average in 10 calls, 1.0 s in all since 2026-01-01 00:00 UTC: SELECT {name}",
            metadata={"id": name, "calls": 10, "mean_ms": mean, "users": ["app"]},
        )
        for name, mean in means.items()
    ]
    samples = (Sample("slow_queries", float(len(found)), "statements"),)
    good = [] if found else [finding("slow_queries", Level.OK)]
    write(book, window, record(*found, *good, step="evidence.performance.slow_queries", at=at, samples=samples))
    reported(book, window, "ok", "a headline")
    return window
