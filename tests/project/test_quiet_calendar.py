"""The end-to-end tests' calendar: whatever the date, it starts nothing and covers nothing."""

from datetime import UTC, datetime, timedelta

from tests.stages.calendar import quiet_calendar
from upkeep.core.windows import Authority, Cadence, covered_by
from upkeep.settings.load import settings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_no_window_opens_and_the_next_weekly_one_is_not_covered() -> None:
    """On each day of five years, also in the week before a first Sunday, for which the shipped calendar has no plan."""
    shipped = settings().maintenance.windows
    covered_as_shipped = 0
    for number in range(5 * 366):
        now = datetime(2026, 11, 29, 3, 18, tzinfo=UTC) + number * DAY + number % 24 * HOUR
        quiet = {
            cadence: Cadence(cron=cron, length_minutes=shipped[cadence].length_minutes)
            for cadence, cron in quiet_calendar(now).items()
        }
        assert all(cadence.after(now) - now > DAY and cadence.open_at(now) is None for cadence in quiet.values())
        assert covered_by(quiet["monthly"], _next(quiet["weekly"], now)) is None
        covered_as_shipped += covered_by(shipped["monthly"], _next(shipped["weekly"], now)) is not None
    assert covered_as_shipped > 300  # what the quiet calendar is for


def _next(cadence: Cadence, now: datetime) -> Authority:
    opens = cadence.after(now)
    return Authority(opens, opens + cadence.length, outside=False)
