"""``config/routing.yaml``: the guide's three channels, hours in a time zone, and every mistake said where it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.config import refusal
from upkeep.core.findings import Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.settings.routing import QuietHours, Retry, Route

SHIPPED = settings(ROOT / "config").routing


def moment(text: str) -> datetime:
    """A moment of 2026, UTC."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@pytest.mark.guide("G114", "G115", "G116", "holds")
def test_the_shipped_channels_are_the_guides() -> None:
    """E-mail: critical and warning; Slack: all that is not ok; SMS: critical only, and short."""
    assert {name: SHIPPED.wanted(name, "primary") for name in SHIPPED.names} == {
        "email": {"critical", "warning"},
        "slack": {"critical", "unknown", "warning", "advisory", "summary"},
        "sms": {"critical"},
    }
    assert [name for name in SHIPPED.names if SHIPPED.channels[name].brief] == ["sms"]


BAD: dict[str, tuple[str, str, str]] = {
    "a channel that is none": (
        "{channel: email, levels: [critical, warning]}",
        "{channel: mail, levels: [critical]}",
        "routes: found the channel 'mail', expected one of channels: ['email', 'slack', 'sms']",
    ),
    "a level that is none": (
        "{channel: sms, levels: [critical]}",
        "{channel: sms, levels: [panic]}",
        "routes.2.levels.0: found 'panic': expected 'critical', 'unknown', 'warning', 'advisory' or 'summary'",
    ),
    "a route for nothing": (
        "{channel: sms, levels: [critical]}",
        "{channel: sms, levels: []}",
        "routes.2.levels: found []: expected to have at least 1 item after validation, not 0",
    ),
    "a target that is none": (
        "{channel: sms, levels: [critical]}",
        "{channel: sms, levels: [critical], targets: [primry]}",
        "routes.2.targets: found 'primry', expected targets: ['primary']",
    ),
    "a zone that is none": (
        "quiet_hours: []",
        "quiet_hours: [{zone: Europe/Berln}]",
        "quiet_hours.0.zone: found 'Europe/Berln', expected a time zone such as 'Europe/Berlin' or 'UTC'",
    ),
    "hours that are none": (
        "quiet_hours: []",
        "quiet_hours: [{hours: '22-7'}]",
        "quiet_hours.0.hours: found '22-7', expected times of day (UTC) such as '22:00-02:00'",
    ),
    "a day that is none": (
        "quiet_hours: []",
        "quiet_hours: [{days: [Sunday]}]",
        "quiet_hours.0.days.0: found 'Sunday': expected 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'",
    ),
    "recipients that are none": (
        "to: []",
        "to: ['Ann <ann@example.org>']",
        "channels.email.to.0: found 'Ann <ann@example.org>', expected an e-mail address such as oncall@example.org",
    ),
    "recipients of Slack": (
        "{kind: slack, connection: upkeep_slack}",
        "{kind: slack, connection: upkeep_slack, to: [a@example.org]}",
        "channels.slack: found to for a channel of kind slack, expected it for kind email alone",
    ),
    "an owner that is none": ("owner: devops", "owner: ops", "owner: found 'ops', expected a name from roles: "),
    "a limit below the first": (
        "most_minutes: 60",
        "most_minutes: 0.5",
        "retry.most_minutes: found 0.5, expected at least first_minutes (1)",
    ),
    "a rhythm that is none": (
        'every: "*/10 * * * *"',
        "every: often",
        "every: found 'often': 1 fields, expected a cron",
    ),
}


@pytest.mark.parametrize(("old", "new", "said"), BAD.values(), ids=BAD)
def test_a_mistake_names_its_setting_what_was_found_and_what_was_expected(
    config: Path, old: str, new: str, said: str
) -> None:
    """One line per mistake, in the words of config."""
    file = config / "routing.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    assert refusal(config).startswith(f"config/routing.yaml: {said}")


def quiet(**fields: Any) -> QuietHours:
    """Quiet hours as config gives them."""
    return QuietHours.model_validate(fields)


def test_hours_past_midnight_belong_to_the_day_they_begin_on() -> None:
    """Friday night is quiet until Saturday morning; Saturday night is not."""
    friday = quiet(days=["fri"], hours="22:00-07:00", zone="Europe/Berlin")
    assert [friday.covers(moment(text)) for text in ("11-27 20:59", "11-27 21:00", "11-28 05:59", "11-28 06:00")] == [
        False,
        True,
        True,
        False,
    ]
    assert not friday.covers(moment("11-28 22:00"))


def test_hours_follow_the_clock_on_the_wall() -> None:
    """08:00 in Berlin is 06:00 UTC in summer and 07:00 UTC in winter."""
    morning = quiet(hours="08:00-09:00", zone="Europe/Berlin")
    assert [morning.covers(moment(text)) for text in ("07-01 06:30", "07-01 07:30", "12-01 06:30", "12-01 07:30")] == [
        True,
        False,
        False,
        True,
    ]


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))
def test_a_range_and_the_rest_of_the_day_never_both_hold(now: datetime) -> None:
    """Every moment lies in exactly one of the two, whatever the zone's clock does."""
    night, day = (quiet(hours=hours, zone="America/New_York") for hours in ("22:00-07:00", "07:00-22:00"))
    assert night.covers(now) is not day.covers(now)


def test_a_route_and_quiet_hours_decide_together() -> None:
    """Of one channel, target and level; others are not silenced."""
    routing = SHIPPED.model_copy(
        update={
            "routes": (Route.model_validate({"channel": "sms", "levels": ["warning"], "hours": "08:00-18:00"}),),
            "quiet_hours": (quiet(channels=["sms"], levels=["warning"], days=["sun"]),),
        }
    )
    weekday, night, sunday = moment("11-30 12:00"), moment("11-30 20:00"), moment("11-29 12:00")
    assert [routing.speaks("sms", "primary", Level.WARNING, now) for now in (weekday, night, sunday)] == [
        True,
        False,
        False,
    ]
    assert not routing.speaks("sms", "primary", Level.CRITICAL, weekday)
    assert routing.wanted("sms", "primary") == {"warning"}


def test_a_failed_message_waits_twice_as_long_each_time_up_to_a_limit() -> None:
    """Also after more attempts than a number of minutes could double."""
    retry = Retry(first_minutes=1, most_minutes=60, give_up_hours=24, down_minutes=10, timeout_seconds=10)
    assert [retry.after(n) // timedelta(minutes=1) for n in (1, 2, 3, 6, 7, 10_000)] == [1, 2, 4, 32, 60, 60]


def test_the_longest_beginning_chooses_owner_and_runbook() -> None:
    """A step's groups name the role; a key's beginning the document, and what has none has none."""
    assert [SHIPPED.owner_of(groups) for groups in (("security",), ("evidence", "database"), ("backups",), ())] == [
        "security",
        "dba",
        "devops",
        "devops",
    ]
    routing = SHIPPED.model_copy(update={"runbooks": {"metric:": "a", "metric:cpu": "b"}})
    assert [routing.runbook_of(key) for key in ("metric:cpu_usage", "metric:x", "bloat")] == ["b", "a", None]
