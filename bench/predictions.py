"""How wrong predicted durations are, week after week, as receipts correct them: three weeks of real VACUUMs."""

from __future__ import annotations

import statistics

from psycopg import sql

from bench.measure import Result, size
from bench.platform import Platform, open_platform

GOAL = 30.0
WEEKS = size(3, 2)
#: Rows of the tables, so that small and large ones are among them.
SIZES = size((4_000, 6_000, 9_000, 15_000, 30_000, 45_000, 60_000, 80_000, 100_000, 120_000), (4_000, 6_000))


def run() -> Result:
    """Wear the same tables out each week, predict, apply under permits, compare."""
    with open_platform() as (one, _):
        errors = [_week(one, week) for week in range(WEEKS)]
    last = 100 * errors[-1]
    return Result(
        f"median absolute error of predicted durations in week {WEEKS}, {len(SIZES)} VACUUMs a week",
        f"{last:.0f} %",
        f"at most {GOAL:g} %",
        last <= GOAL,
        tuple(f"week {week}: {100 * error:.0f} %" for week, error in enumerate(errors, 1)),
    )


def _week(one: Platform, week: int) -> float:
    """The median of |took / predicted - 1| over a week's actions."""
    tables = [f"week_{rows}" for rows in SIZES]
    with one.admin() as admin:
        for table, rows in zip(tables, SIZES, strict=True):
            name = sql.Identifier(table)
            if week == 0:
                admin.execute(sql.SQL("CREATE TABLE {} (id int PRIMARY KEY, note text)").format(name))
                filled = "INSERT INTO {} SELECT n, repeat('x', 300) FROM generate_series(1, {}) n"
                admin.execute(sql.SQL(filled).format(name, sql.Literal(rows)))
            admin.execute(sql.SQL("UPDATE {} SET id = id WHERE id % 3 = {}").format(name, sql.Literal(week)))
        admin.execute("CHECKPOINT")  # a window comes days after the rows died: their pages have been written
    stored = one.approved(tables)
    took = [receipt.duration_ms or 0 for receipt in one.apply(stored)]
    predicted = [action.predicted_ms for action in stored.plan.actions]
    return statistics.median(abs(real / told - 1) for real, told in zip(took, predicted, strict=True))
