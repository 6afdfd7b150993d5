"""Metrics over the windows before this one, for a report's plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from upkeep.core.units import title
from upkeep.settings.base import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from upkeep.core import windows
    from upkeep.core.findings import Bands
    from upkeep.report.model import History
    from upkeep.wires.database import Session

#: What the daily window calls the database's size.
SIZE = "database_bytes"


def history(session: Session, window: windows.Window, bands: Mapping[str, Bands]) -> tuple[History, ...]:
    """The six metrics over the last windows, with the bands in force now; weekly its own numbers, monthly by month."""
    from upkeep.ledger.read import metric_history
    from upkeep.report import model
    from upkeep.report.model import Point

    if window.cadence == "weekly":
        return _weekly(session, window, bands)
    if window.cadence == "monthly":
        return _monthly(session, window, bands)
    rows = metric_history(session, window, METRICS)
    return tuple(
        model.History(
            metric=name,
            title=title(name),
            bands=bands[name],
            points=tuple(Point(row["due"], row["period_start"], row["kind"], row["value"]) for row in rows[name]),
        )
        for name in METRICS
    )


def _weekly(session: Session, window: windows.Window, in_force: Mapping[str, Bands]) -> tuple[History, ...]:
    """What is compared week against week, with the bands in force where it is one of the six metrics."""
    from upkeep.areas.performance import trends
    from upkeep.ledger.read import metric_history
    from upkeep.report import model
    from upkeep.report.model import Point

    rows = metric_history(session, window, [metric.name for metric in trends.PLOTTED])
    judged = {f"week_{name}": bands for name, bands in in_force.items()}
    return tuple(
        model.History(
            metric=metric.name,
            title=metric.title,
            bands=judged.get(metric.name),
            points=tuple(
                Point(row["due"], row["period_start"], row["kind"], row["value"]) for row in rows[metric.name]
            ),
            own_unit=metric.unit,
            own_guide=metric.guide,
        )
        for metric in trends.PLOTTED
    )


def _monthly(session: Session, window: windows.Window, in_force: Mapping[str, Bands]) -> tuple[History, ...]:
    """The six metrics and the database's size by calendar month, whatever window measured them."""
    from upkeep.ledger.read import months
    from upkeep.report import model
    from upkeep.report.model import Point

    rows = months(session, window.target, window.due, [*METRICS, SIZE])
    return tuple(
        model.History(
            metric=name,
            title=title(name),
            bands=in_force.get(name),
            points=tuple(Point(month, month, "calendar", value) for month, value in found),
            own_unit="bytes",
            own_guide="G93",
        )
        for name, found in rows.items()
    )


def previous_due(session: Session, window: windows.Window) -> datetime | None:
    """When the cadence's window before this one was due, None when the ledger knows of none."""
    from upkeep.ledger.read import metric_history

    rows = metric_history(session, window, METRICS[:1])[METRICS[0]]
    return max((row["due"] for row in rows if row["due"] < window.due), default=None)


def worth_showing(history: tuple[History, ...], cadence: str) -> tuple[History, ...]:
    """The daily window asks for the six metrics and shows it when one is missing; another only has what it has."""
    return tuple(one for one in history if cadence == "daily" or any(point.value is not None for point in one.points))
